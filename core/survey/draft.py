"""A first pipeline for data that was looked at: GA-Net on frozen vectors, few labelled items a class."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...registry.catalogue import Catalogue
from ..events import Tell
from ..spec.load_spec import spec_from_dict
from ..spec.overrides import apply_overrides
from ..spec.pipeline_spec import PipelineSpec
from .look import Seen, look
from .on_hand import Chosen, encoder_for

#: Labelled items a class at most, and items of ``train`` from which on the unlabelled ones are no nodes.
MOST_SHOTS, MOST_POOL = 16, 50_000
#: Fewer training items are not centred.
FEW_NODES = 32
#: What nodes are made of: the first of these that every item has; image and text are joined. Ready vectors go first.
_NODES = ("vector", "image", "video", "audio", "text")


@dataclass(frozen=True, slots=True)
class Draft:
    """A pipeline, and what was seen of its data."""

    seen: Seen
    #: As JSON, to be written: no more than it must say.
    value: dict[str, Any]
    #: Validated.
    spec: PipelineSpec
    #: What to know of data and encoder.
    notes: tuple[str, ...]


def draft(
    path: str | Path, overrides: Mapping[str, Any], catalogue: Catalogue, store: Path, tell: Tell = lambda event: None
) -> Draft:
    """Look at ``path`` and write a pipeline for it, changed by ``overrides``.

    Raises ``DataError`` and ``SpecError`` as ``look`` does, and ``DataError`` where no encoder that fits is here.
    """
    of_data = {key: one for key, one in overrides.items() if key.startswith("dataset.")}
    seen = look(Path(path).absolute(), catalogue, store, tell, of_data)
    nodes = _nodes(seen)
    given = any(key.split(".")[0] == "encoder" for key in overrides)
    wanted = ("image", "text") if nodes == "fused" else (nodes,)
    chosen = Chosen({}) if given else encoder_for(wanted, catalogue)
    rest = {key: one for key, one in overrides.items() if key not in of_data}
    whole, _ = apply_overrides(_pipeline(seen, nodes, chosen.section), rest)
    return Draft(seen, whole, spec_from_dict(whole, catalogue=catalogue), (*seen.notes, *chosen.notes))


def _nodes(seen: Seen) -> str:
    if {"image", "text"} <= set(seen.modalities):
        return "fused"
    return next((kind for kind in _NODES if kind in seen.modalities), seen.modalities[0])


def _pipeline(seen: Seen, nodes: str, encoder: Mapping[str, Any]) -> dict[str, Any]:
    train, selects = seen.splits["train"], bool(seen.splits.get("val"))
    graph: dict[str, Any] = {"type": "similarity", "nodes": nodes}
    if nodes == "fused":
        graph["fusion"] = "concat"
    # Of few nodes that are moved by their mean, hardly any have neighbours on their own side of it.
    graph["centre"] = "pool" if train >= FEW_NODES else "none"
    graph |= {"threshold": {"average_degree": min(16, max(1, train // 6))}, "temperature": 0.2}
    graph["pool"] = "train" if train <= MOST_POOL else "labelled"
    task: dict[str, Any] = {
        "type": "classification",
        "head": {"type": "logistic_regression", "C": 0.01, "train": True},
    }
    if nodes == "fused":
        task["blend"] = {"value": 0.1, "by": "text"}
    search = {"adapter.skip": [0.3, 0.6], "task.head.C": [0.01, 0.1]}
    return {
        "version": 1,
        "name": _name(seen.path),
        "dataset": {**seen.section, "shots": seen.section.get("shots", _shots(seen.least))},
        "encoder": dict(encoder),
        "graph": graph,
        "adapter": {"type": "ga_net", "loop": "nearest", "skip": 0.3},
        "task": task,
        "trainer": {"epochs": 20},
        "evaluation": {"seeds": [0, 1, 2], "select_on": "val" if selects else "none"},
        **({"search": search} if selects else {}),
    }


def _shots(least: int) -> int:
    """The greatest power of two that the smallest class has, 16 at most."""
    return min(MOST_SHOTS, 1 << (max(least, 1).bit_length() - 1))


def _name(path: Path) -> str:
    stem = path.stem if path.is_file() else path.name
    kept = re.sub(r"[^A-Za-z0-9._-]+", "-", stem).strip("-._")[:60]
    return kept if kept and not kept.lower().endswith(".partial") else "mine"
