"""Curves and figures for TensorBoard, in files that it reads."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from ...core.events import EpochFinished, Event, RunFinished, StageFinished, TrainingFinished
from ...core.roles import Reporter
from ...core.storage.result import Result
from ...registry.errors import MissingExtra
from .specs import TensorboardSpec


class Tensorboard(Reporter):
    """A run of TensorBoard for each training, named by its number and seed; figures of the result beside them.

    Scalars: ``loss`` and ``selection`` by epoch; ``usage/MEETING.STREAM/N`` of expert N; ``test/METRIC`` by seed,
    ``stage/NAME`` in seconds. Search values are text.
    """

    def __init__(self, spec: TensorboardSpec, folder: Path) -> None:
        """Raises ``MissingExtra``, with the command that installs what it needs."""
        try:
            import tensorboardX
        except ImportError:
            raise MissingExtra(
                'reporters: tensorboard needs the package tensorboardX: pip install "graftwork[tensorboard]"'
            ) from None
        self._folder, self._make = folder / "tensorboard", tensorboardX.SummaryWriter
        self._writers: dict[str, Any] = {}

    def hear(self, event: Event) -> None:
        """Write what has a number."""
        match event:
            case EpochFinished():
                writer = self._writer(f"training {event.training}, seed {event.seed}")
                self._scalar(writer, "loss", event.loss, event.epoch)
                self._scalar(writer, "selection", event.selection, event.epoch)
                for place, shares in event.usage.items():
                    for number, share in enumerate(shares):
                        self._scalar(writer, f"usage/{place}/{number}", share, event.epoch)
            case TrainingFinished():
                writer = self._writer(f"training {event.training}, seed {event.seed}")
                said = [f"epoch {event.epoch} kept", *(f"{key}: {value}" for key, value in event.values.items())]
                writer.add_text("training", "  \n".join(said))
            case StageFinished():
                self._scalar(self._writer("result"), f"stage/{event.stage}", event.seconds, 0)
            case RunFinished():
                result = Result.from_json(event.result, "the result")
                for name, score in result.test.items():
                    for seed, figure in zip(result.seeds, score.per_seed, strict=True):
                        self._scalar(self._writer("result"), f"{result.test_on}/{name}", figure, seed)
            case _:
                pass

    def close(self) -> None:
        """Close its files."""
        for writer in self._writers.values():
            writer.close()

    def _writer(self, name: str) -> Any:
        if name not in self._writers:
            self._writers[name] = self._make(str(self._folder / name))
        return self._writers[name]

    @staticmethod
    def _scalar(writer: Any, tag: str, value: float | None, step: int) -> None:
        if value is not None and math.isfinite(value):
            writer.add_scalar(tag, value, step)
