"""The learning curves of a run, from the events that its reporter ``jsonl`` kept. Light: no torch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..storage.files import open_regular
from ..storage.item_predictions import MAX_LINE
from ..storage.result import Result

EVENTS = "events.jsonl"
#: Epochs of a curve that are drawn; of more, every so manyeth.
MOST = 400


@dataclass(slots=True)
class Curve:
    """One training, epoch by epoch."""

    epochs: list[int] = field(default_factory=list)
    loss: list[float] = field(default_factory=list)
    #: The primary metric on the selection split; empty where none selects.
    selection: list[float] = field(default_factory=list)

    def thinned(self) -> Curve:
        """At most ``MOST`` epochs of it, the last among them."""
        step = -(-len(self.epochs) // MOST)
        kept = [n for n in range(len(self.epochs)) if (len(self.epochs) - 1 - n) % step == 0] if step else []
        chosen = [self.selection[n] for n in kept] if len(self.selection) == len(self.epochs) else []
        return Curve([self.epochs[n] for n in kept], [self.loss[n] for n in kept], chosen)


def read_curves(folder: Path, result: Result) -> dict[int, Curve]:
    """Seed to its curve, of the combination that was chosen; nothing of trainings that left no epochs.

    What is no event is passed over: the file is a reporter's, and nothing depends on it.
    """
    found: dict[int, Curve] = {}
    chosen: dict[int, int] = {}
    for event in _events(folder / EVENTS):
        number, seed = event.get("training"), event.get("seed")
        if not isinstance(number, int) or not isinstance(seed, int):
            continue
        if event.get("event") == "EpochFinished":
            _add(found.setdefault(number, Curve()), event)
        elif event.get("event") == "TrainingFinished" and event.get("values") == result.chosen:
            chosen.setdefault(seed, number)
    return {seed: found[number].thinned() for seed, number in chosen.items() if number in found}


def _add(curve: Curve, event: Mapping[str, Any]) -> None:
    epoch, loss, selection = (event.get(key) for key in ("epoch", "loss", "selection"))
    if isinstance(epoch, int) and isinstance(loss, (int, float)):
        curve.epochs.append(epoch)
        curve.loss.append(float(loss))
        if isinstance(selection, (int, float)):
            curve.selection.append(float(selection))


def _events(path: Path) -> list[Mapping[str, Any]]:
    if not path.is_file():
        return []
    found: list[Mapping[str, Any]] = []
    with open_regular(path) as file:
        while line := file.readline(MAX_LINE + 1):
            try:
                event = json.loads(line)
            except (ValueError, RecursionError):
                continue
            if isinstance(event, dict):
                found.append(event)
    return found
