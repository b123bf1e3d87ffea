"""Write the adapter folder of a finished training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from .. import __version__
from ..triton_kernels import SparseGraph
from .experiment import Trial
from .features import prompt_nodes
from .graph import Support
from .model import GraftedModel
from .nodes import Nodes
from .run_folder import seal, write_json, write_tensors

TENSORS = "adapter_model.safetensors"
CONFIG = "adapter_config.json"


def save_adapter(folder: Path, trial: Trial, index: int, result: dict[str, Any]) -> None:
    """Save seed number ``index`` of ``trial``: adapter and head, support set, pipeline, model card, manifest."""
    trained, support = trial.trained[index], trial.supports[index]
    prepared = trial.prepared
    folder.mkdir()
    write_tensors(folder / TENSORS, trained.model.state_dict())
    write_tensors(folder / "support.safetensors", _support_tensors(trial, trained.model, support))
    for stem, tensors in trained.files.items():
        write_tensors(folder / f"{stem}.safetensors", tensors)
    write_json(folder / "pipeline.json", trial.spec.to_json())
    write_json(
        folder / CONFIG,
        {
            "peft_type": "GRAFTWORK",
            **_base_model(trial),
            "task_type": None,
            "inference_mode": True,
            "graftwork": {
                "version": __version__,
                "encoder_weights": {kind: tower.facts().weights for kind, tower in prepared.encoder.used().items()},
                "logit_scale": prepared.prompts.logit_scale if prepared.prompts else None,
                "class_names": list(prepared.content.class_names),
                "support_ids": list(support.ids),
                "node_width": support.nodes.width,
                "text_width": support.nodes.text_width,
                "graph": support.settled.model_dump(mode="json") if support.settled else None,
                "seed": trial.spec.seeds[index],
            },
        },
    )
    (folder / "README.md").write_text(model_card(trial, result), encoding="utf-8")
    seal(folder)


def _base_model(trial: Trial) -> dict[str, str | None]:
    """The frozen model of the nodes in PEFT's words; of two towers, the first."""
    tower = next(iter(trial.prepared.encoder.used().values()))
    name = getattr(tower.spec, "model", tower.spec.type)
    return {"base_model_name_or_path": name, "revision": tower.facts().revision}


def _support_tensors(trial: Trial, model: GraftedModel, support: Support) -> dict[str, torch.Tensor]:
    """What a later query needs of the support: nothing but its targets where it hears none of it."""
    tensors, spec, prompts = {"targets": support.targets}, trial.spec, trial.prepared.prompts
    if support.graph is not None and spec.graph is not None and spec.graph.nodes != "tokens":
        tensors |= _graph_tensors(support.nodes, support.graph, model)
    if prompts is not None and spec.task.head is not None and spec.task.head.uses_prompts():
        tensors["class_vectors"] = prompt_nodes(prompts, spec.graph).vectors
    if prompts is not None and spec.task.blend > 0:
        tensors["zero_shot.class_vectors"] = prompts.vectors.clone()  # a file holds no tensor twice
    return tensors


def _graph_tensors(nodes: Nodes, graph: SparseGraph, model: GraftedModel) -> dict[str, torch.Tensor]:
    tensors = {"x": nodes.x, "graph.rowptr": graph.rowptr, "graph.col": graph.col}
    if graph.weight is not None:
        tensors["graph.weight"] = graph.weight
    if nodes.layout is not None:
        tensors |= {"layout.offsets": nodes.layout.offsets, "layout.kinds": nodes.layout.kinds}
    if nodes.inputs:
        with torch.no_grad():  # the words and patches themselves are needed no more
            tensors["fused"] = torch.cat([model.fused(one) for one in nodes.inputs])
    return tensors


def model_card(trial: Trial, result: dict[str, Any]) -> str:
    """A short README with what the adapter is and what was measured, every condition named."""
    metrics = "\n".join(
        f"| {name} | {figure['mean']:.4f} ± {figure['std']:.4f} |" for name, figure in result["test"].items()
    )
    return f"""---
library_name: graftwork
tags: [graftwork, adapter]
---
# {trial.spec.name}

Adapter `{trial.spec.adapter.type}` on the frozen encoder `{trial.spec.encoder.type}`, by Graftwork {__version__}.
{result["parameters"]["trainable"]:,} trainable parameters; no weight of the frozen model is in this folder.

| metric on `{result["test_on"]}` | mean ± s.d. over seeds {result["seeds"]} |
|---|---|
{metrics}

Split: {result["dataset"]["split_id"]}. Labelled items: {result["dataset"]["labelled"]}.
Selected on: {result["select_on"]}.
Inductive policy: {result["inductive"]} ({result["inductive_note"]}); pool: {result["pool"]}.
Nodes: {result["nodes"]}. Blend with zero-shot logits: {result["blend"]}. Prompts: {result["prompts"]}.

```python
from graftwork import load
load("path/to/this/folder").predict(["image.png"])
```
"""
