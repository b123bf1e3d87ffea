"""Write the adapter folder of a finished training."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...registry import __version__
from ..spec.components_in import components_in
from ..spec.pipeline_spec import PipelineSpec
from ..storage.adapter_config import (
    CONFIG,
    TENSORS,
    AdapterConfig,
    FeatureAdapter,
    FeatureFacts,
    LayerAdapter,
    Trained,
)
from ..storage.manifest import seal
from ..storage.result import Result
from ..storage.run_folder import write_json
from ..storage.tensors import write_tensors
from ..training.trial import Trial
from .experiment import Experiment
from .provenance import made_with


def save_adapter(folder: Path, experiment: Experiment, trial: Trial[Any, Any], index: int, result: Result) -> None:
    """Save seed number ``index`` of ``trial``: adapter and head, support set, pipeline, model card, manifest."""
    write_adapter(folder, experiment, trial, index, trial.spec)
    (folder / "README.md").write_text(model_card(trial.spec, result), encoding="utf-8")
    seal(folder)


def write_adapter(
    folder: Path, experiment: Experiment, trial: Trial[Any, Any], index: int, pipeline: PipelineSpec
) -> None:
    """The files of ``save_adapter`` without model card and manifest; ``pipeline`` is what it says of its own."""
    trained, engine = trial.trained[index], experiment.engine(trial.spec)
    folder.mkdir(parents=True)
    write_tensors(folder / TENSORS, trained.model.state_dict())
    for stem, tensors in (engine.tensors(trial, index) | trained.files).items():
        write_tensors(folder / f"{stem}.safetensors", tensors)
    write_json(folder / "pipeline.json", pipeline.to_json())
    write_json(folder / CONFIG, _config(experiment, trial, index).to_json())


def _config(experiment: Experiment, trial: Trial[Any, Any], index: int) -> AdapterConfig:
    """What loading needs; of the frozen models, PEFT names one: that of the nodes, of two towers the first."""
    prepared, facts = trial.prepared, experiment.engine(trial.spec).facts(trial, index)
    plugins, components = made_with(components_in(trial.spec, experiment.catalogue), experiment.catalogue)
    towers = prepared.encoder.used()
    common = Trained(
        adapter=Trained.FORMAT,
        version=__version__,
        plugins=plugins,
        components=components,
        encoder_weights={kind: tower.facts().weights for kind, tower in towers.items()},
        logit_scale=prepared.prompts.logit_scale if prepared.prompts else None,
        class_names=list(prepared.content.class_names),
        seed=trial.spec.seeds[index],
    )
    kind = FeatureAdapter if isinstance(facts, FeatureFacts) else LayerAdapter
    first = next(iter(towers.values()))
    return AdapterConfig(
        base_model_name_or_path=getattr(first.spec, "model", first.spec.type),
        revision=first.facts().revision,
        graftwork=kind(**dict(common), **dict(facts)),
    )


#: What a model card says before its text, as the hub reads it.
FRONT: Mapping[str, Any] = {"library_name": "graftwork", "tags": ["graftwork", "adapter"]}


def model_card(
    spec: PipelineSpec,
    result: Result,
    source: str = "path/to/this/folder",
    given: str = '["image.png"]',
    front: Mapping[str, Any] = FRONT,
) -> str:
    """A short README with what the adapter is and what was measured, every condition named.

    ``source`` is what ``load`` is told of the run, ``given`` what ``predict`` is, ``front`` the metadata before it all.
    """
    metrics = "\n".join(f"| {name} | {score} |" for name, score in result.test.items())
    by = " of the items' texts" if result.blend_by == "text" else ""
    # JSON is YAML, and leaves no name of a stranger's to be read as anything else.
    before = "\n".join(f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in front.items())
    return f"""---
{before}
---
# {spec.name}

Adapter `{spec.adapter.type}` on the frozen encoder `{spec.encoder.type}`, by Graftwork {__version__}.
{result.parameters.trainable:,} trainable parameters; no weight of the frozen model is in this folder.

| metric on `{result.test_on}` | mean ± s.d. over seeds {result.seeds} |
|---|---|
{metrics}

Split: {result.dataset.split_id}. Labelled items: {result.dataset.labelled}.
Selected on: {result.select_on}.
Inductive policy: {result.inductive} ({result.inductive_note}); pool: {result.pool}.
Nodes: {result.nodes}. Blend with zero-shot logits: {result.blend}{by}. Prompts: {result.prompts}.

```python
from graftwork import load
load("{source}").predict({given})
```
"""
