"""Write the adapter folder of a finished training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ...registry.version import __version__
from ..spec.components_in import components_in
from ..storage.run_folder import seal, write_json
from ..storage.tensors import write_tensors
from ..training.trial import Trial
from .experiment import Experiment
from .measured import Score
from .provenance import made_with

TENSORS = "adapter_model.safetensors"
CONFIG = "adapter_config.json"


def save_adapter(
    folder: Path, experiment: Experiment, trial: Trial[Any, Any], index: int, result: dict[str, Any]
) -> None:
    """Save seed number ``index`` of ``trial``: adapter and head, support set, pipeline, model card, manifest."""
    trained, prepared, engine = trial.trained[index], trial.prepared, experiment.engine(trial.spec)
    folder.mkdir()
    write_tensors(folder / TENSORS, trained.model.state_dict())
    for stem, tensors in (engine.tensors(trial, index) | trained.files).items():
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
                **made_with(components_in(trial.spec, experiment.catalogue), experiment.catalogue),
                "encoder_weights": {kind: tower.facts().weights for kind, tower in prepared.encoder.used().items()},
                "logit_scale": prepared.prompts.logit_scale if prepared.prompts else None,
                "class_names": list(prepared.content.class_names),
                "seed": trial.spec.seeds[index],
                **engine.facts(trial, index),
            },
        },
    )
    (folder / "README.md").write_text(model_card(trial, result), encoding="utf-8")
    seal(folder)


def _base_model(trial: Trial[Any, Any]) -> dict[str, str | None]:
    """The frozen model of the nodes in PEFT's words; of two towers, the first."""
    tower = next(iter(trial.prepared.encoder.used().values()))
    name = getattr(tower.spec, "model", tower.spec.type)
    return {"base_model_name_or_path": name, "revision": tower.facts().revision}


def model_card(trial: Trial[Any, Any], result: dict[str, Any]) -> str:
    """A short README with what the adapter is and what was measured, every condition named."""
    metrics = "\n".join(f"| {name} | {Score.from_result(figure)} |" for name, figure in result["test"].items())
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
