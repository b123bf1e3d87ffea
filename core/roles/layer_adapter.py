"""The adapter role on layers: what is grafted into frozen towers where they meet."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import Tensor, nn

from .contract import broken, form


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


def updates_of(
    adapter: LayerAdapter, meeting: int, states: Mapping[str, Tensor], masks: Mapping[str, Tensor | None]
) -> Updates:
    """What it gives at a meeting. Raises ``ContractError`` for an update of another shape than its state's."""
    given = adapter(meeting, states, masks)
    if not isinstance(given, Updates):
        raise broken("layer adapter", adapter, f"gave {form(given)}; `forward` gives Updates")
    for stream, update in given.states.items():
        state = states.get(stream)
        if not isinstance(update, Tensor) or state is None or update.shape != state.shape:
            of = f"{form(state)} of `{stream}`" if state is not None else f"`{stream}`, which is not there"
            raise broken("layer adapter", adapter, f"gave the update {form(update)} for {of}; it has its state's shape")
    for name, loss in given.losses.items():
        if not isinstance(loss, Tensor) or loss.ndim:
            raise broken("layer adapter", adapter, f"gave the loss `{name}` as {form(loss)}; it is a scalar tensor")
    return given


def parameter_name(stream: str, stop: str) -> str:
    """The module name for a stream at a stop; torch allows no dot in it."""
    return f"{stream}_{stop}".replace(".", "_")
