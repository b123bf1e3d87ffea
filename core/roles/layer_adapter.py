"""The adapter role on layers: what is grafted into frozen towers where they meet."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class Updates:
    """What a layer adapter gives at a meeting. Auxiliary losses travel here, so that none can be dropped on the way."""

    #: Stream to what is added to its hidden state, [B, N, d]; a stream may be missing.
    states: Mapping[str, Tensor]
    #: Name to a scalar that is added to the training loss, already weighted.
    losses: Mapping[str, Tensor] = field(default_factory=dict)
    #: Stream to the mean share [E] that each expert had in this batch, detached.
    usage: Mapping[str, Tensor] = field(default_factory=dict)


class LayerAdapter(nn.Module, ABC):
    """Built as ``build(spec, meetings, assemble)``; initial weights follow torch's global seed.

    ``assemble(spec, *arguments)`` builds a component that stands in this one's spec (an expert).

    At the start every update is zero. Parameters are named by stream first (``image.3_attention....``), so that equal
    indices of two towers never collide.
    """

    def experts(self, stream: str) -> tuple[str, ...]:
        """What the columns of ``Updates.usage`` of a stream are called; nothing where there is no usage."""
        return ()

    @abstractmethod
    def forward(self, meeting: int, states: Mapping[str, Tensor], masks: Mapping[str, Tensor | None]) -> Updates:
        """Updates at meeting number ``meeting`` for hidden states [B, N, d] of the streams that are there.

        A stream may be absent. Masks are bool [B, N], true where there is a token; ``None`` means everywhere; a row
        that is all false is a sample without that modality.
        """


def parameter_name(stream: str, stop: str) -> str:
    """The module name for a stream at a stop; torch allows no dot in it."""
    return f"{stream}_{stop}".replace(".", "_")
