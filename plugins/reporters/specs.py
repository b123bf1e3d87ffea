"""The specs of the reporters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

from ...core.roles import ReporterSpec


class ConsoleSpec(ReporterSpec):
    """Live progress and a closing table in the terminal; plain lines where there is none.

    In Python it is silent but for `Pipeline.run(show=True)`.
    """

    shows: ClassVar[bool] = True
    type: Literal["console"] = "console"
    table: bool = True
    """Whether to print the closing table."""


class JsonlSpec(ReporterSpec):
    """Every event as a line of `events.jsonl` in the run folder."""

    type: Literal["jsonl"] = "jsonl"


class TensorboardSpec(ReporterSpec):
    """Curves of each training and the figures of the result, for TensorBoard, in the folder `tensorboard` of the run
    folder; needs the extra `tensorboard`."""

    writes: ClassVar[Sequence[str]] = (
        "tensorboard",
        "tensorboard/result",
        "tensorboard/training *, seed *",
        "tensorboard/*/events.out.tfevents.*",
    )

    type: Literal["tensorboard"] = "tensorboard"
