"""A trained pipeline through towers as a torch module: what the towers take in, logits out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor, nn

from ..data.items import DataError
from ..spec.pipeline_spec import PipelineSpec
from .model import LayerModel
from .passes import ReadOut


class LayerModule(nn.Module):
    """``module(image={"pixel_values": …}, audio={…})``: each tower's keyword arguments, batch first, a row a pass.

    Logits [N, C], differentiable, classes in the order of the predictor's ``class_names``. Its parameters are those of
    adapter and head; the frozen towers run, and are no part of it. Gradients reach the adapter alone.
    """

    def __init__(self, spec: PipelineSpec, model: LayerModel, passes: int) -> None:
        super().__init__()
        self.model = model
        self.spec, self._passes = spec, passes

    @property
    def takes(self) -> tuple[str, ...]:
        """The names of the towers."""
        return tuple(frozen.tower.name for frozen in self.model.towers.frozen)

    def forward(self, counts: Sequence[int] | None = None, **inputs: Mapping[str, Tensor]) -> Tensor:
        """``counts``: passes of each item; default: one, or as many as the task reads together.

        Raises ``DataError`` for a task of pairs, which has no logits, ``TypeError`` where a tower's inputs lack.
        """
        if self.model.head is None:
            raise DataError("a task of pairs has no logits; `read_outs` gives the vectors that are compared")
        read_out = self.read_outs(**inputs)
        return self.logits(read_out, counts)

    def read_outs(self, **inputs: Mapping[str, Tensor]) -> ReadOut:
        """Tower to unit vectors [V, width] of each pass; beside them what the adapter adds to a loss, ``auxiliary``."""
        if inputs.keys() != set(self.takes):
            raise TypeError(f"this run takes {', '.join(self.takes)}, and was given {', '.join(inputs) or 'nothing'}")
        return self.model.run(inputs)

    def logits(self, read_out: ReadOut, counts: Sequence[int] | None = None) -> Tensor:
        """Of those read-outs."""
        rows = len(next(iter(read_out.vectors.values())))
        together = self._passes if self.spec.task.passes_are == "joined" else 1
        return self.model.logits(read_out.vectors, [together] * (rows // together) if counts is None else counts)
