"""Fields that act only beside another field: whoever sets one in vain is told."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from graftwork import Pipeline

LAYERS = {
    "dataset": {"type": "pocket_world", "task": "retrieval"},
    "encoder": {"type": "open_clip", "model": "pocket"},
    "adapter": {"type": "lora"},
}
FEATURES = {
    "dataset": {"type": "digits"},
    "encoder": {"type": "open_clip", "model": "pocket"},
    "graph": {"type": "similarity", "threshold": 0.8},
    "adapter": {"type": "ga_net"},
}


def told(folder: Path, spec: dict[str, Any], caplog: pytest.LogCaptureFixture, **overrides: Any) -> list[str]:
    """The notes of reading a file that says ``spec``."""
    (folder / "spec.json").write_text(json.dumps(spec))
    caplog.clear()
    with caplog.at_level(logging.WARNING, "graftwork.notes"):
        Pipeline.from_file(folder / "spec.json", overrides)
    return caplog.messages


@pytest.mark.parametrize("field", ["rerank", "negatives"])
def test_what_joint_pairs_alone_read(field: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """`negatives` and `rerank` are told without `joint`, and in silence with it, or where a search tries it."""
    task = {"type": "retrieval", field: 3}
    said = f'task.{field} is set and has no effect: it acts with "joint": true alone; set that, or leave it out'
    assert told(tmp_path, {**LAYERS, "task": task}, caplog) == [said]
    assert told(tmp_path, {**LAYERS, "task": {**task, "joint": True}}, caplog) == []
    assert told(tmp_path, {**LAYERS, "task": task, "search": {"task.joint": [False, True]}}, caplog) == []
    searched = {**LAYERS, "task": {"type": "retrieval"}, "search": {f"task.{field}": [1, 2]}}
    assert told(tmp_path, searched, caplog) == [said]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"sequence.scenario": "task"}, "sequence.scenario is set and has no effect: the pipeline has no `tasks`; "),
        ({"tasks": 5, "sequence.training": "joint"}, 'regularizers.{} (`{}`) has no effect: with "training": '),
    ],
)
def test_what_is_said_of_tasks_that_are_not_there(
    changes: dict[str, object], said: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Nor do tasks that do not follow each other keep anything, by whatever regularizer."""
    kept = [
        {"type": "ewc", "strength": 1, "anchor": "every"},
        {"type": "synaptic_intelligence", "strength": 1},
        {"type": "lwf", "strength": 1},
        {"type": "l2_start", "strength": 1},
        {"type": "replay", "memory": 5},
    ]
    joint = changes.get("sequence.training") is not None
    spec = {**FEATURES, "regularizers": kept if joint else []}
    notes = told(tmp_path, spec, caplog, **changes)
    names = [(number, one["type"]) for number, one in enumerate(kept)] if joint else [(0, "")]
    assert len(notes) == len(names)
    for note, name in zip(notes, names, strict=True):
        assert note.startswith(said.format(*name))
    assert told(tmp_path, spec, caplog, tasks=5) == []


@pytest.mark.parametrize(
    ("path", "value", "asked", "without"),
    [
        ("graph.fusion", "concat", '"nodes": "fused"', {"graph.nodes": "fused"}),
        ("graph.fusion_rank", 8, '"nodes": "fused" and "fusion": "cross_attention"', {}),
        ("graph.temperature", 0.5, '"weight": "softmax"', {"graph.weight": "softmax"}),
        ("graph.cap", "mutual", "`max_degree`", {"graph.max_degree": 4}),
        ("dataset.max_errors", 5, '"on_error": "skip" or "record"', {"dataset.on_error": "record"}),
        ("evaluation.inductive_batch", 5, '"inductive": "batch"', {"evaluation.inductive": "batch"}),
    ],
)
def test_every_field_that_acts_beside_others(
    path: str,
    value: object,
    asked: str,
    without: dict[str, object],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """One mechanism; what is not set says nothing, and neither does what acts."""
    spec = {**FEATURES, "graph": {**FEATURES["graph"], "weight": "cosine"}}
    assert told(tmp_path, spec, caplog) == []
    said = f"{path} is set and has no effect: it acts with {asked} alone; set that, or leave it out"
    assert told(tmp_path, spec, caplog, **{path: value}) == [said]
    if without:
        assert told(tmp_path, spec, caplog, **{path: value, **without}) == []
