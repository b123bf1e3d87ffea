"""The adapter role on layers: what is grafted into frozen towers where they meet."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from torch import Tensor, nn

from .contract import broken, form

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Updates:
    """What a layer adapter gives at a meeting. Auxiliary losses travel here, so that none can be dropped on the way."""

    #: Stream to what is added to its hidden state, [B, N, d]; a stream may be missing.
    states: Mapping[str, Tensor]
    #: Name to a scalar that is added to the training loss, already weighted.
    losses: Mapping[str, Tensor] = field(default_factory=dict)
    #: Stream to the mean share or gate [E] that each expert had in this batch, detached.
    usage: Mapping[str, Tensor] = field(default_factory=dict)


class Masks(Mapping[str, "Tensor | None"]):
    """Stream to its mask, the same at every meeting of a forward pass."""

    def __init__(self, masks: Mapping[str, Tensor | None]) -> None:
        self._masks, self._made = dict(masks), dict[Hashable, Any]()

    def __getitem__(self, stream: str) -> Tensor | None:
        return self._masks[stream]

    def __iter__(self) -> Iterator[str]:
        return iter(self._masks)

    def __len__(self) -> int:
        return len(self._masks)

    def once(self, key: Hashable, make: Callable[[], T]) -> T:
        """What an adapter makes of the masks under a key of its own: made at the first meeting, kept for the pass."""
        if key not in self._made:
            self._made[key] = make()
        found: T = self._made[key]
        return found


class LayerAdapter(nn.Module, ABC):
    """Built as ``build(spec, meetings, assemble)``; initial weights follow torch's global seed.

    ``assemble(spec, *arguments)`` builds a component that stands in this one's spec (an expert).

    At the start every update is zero. Parameters are named by stream first (``image.3_attention....``), so that equal
    indices of two towers never collide.
    """

    def experts(self, stream: str) -> tuple[str, ...]:
        """What the columns of ``Updates.usage`` of a stream are called; nothing where there is no usage."""
        return ()

    def upgraded(self, tensors: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """Saved tensors of an earlier form of this adapter under today's names and shapes; others as they are."""
        return tensors

    @abstractmethod
    def forward(self, meeting: int, states: Mapping[str, Tensor], masks: Mapping[str, Tensor | None]) -> Updates:
        """Updates at meeting number ``meeting`` for hidden states [B, N, d] of the streams that are there.

        A stream may be absent. Masks are bool [B, N], true where there is a token; ``None`` means everywhere; a row
        that is all false is a sample without that modality. Inside towers they come as ``Masks``, one object a pass.
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


def upgraded_of(adapter: nn.Module, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Saved tensors as today's form of the adapter has them."""
    return dict(adapter.upgraded(tensors) if isinstance(adapter, LayerAdapter) else tensors)


def parameter_name(stream: str, stop: str) -> str:
    """The module name for a stream at a stop; torch allows no dot in it."""
    return f"{stream}_{stop}".replace(".", "_")
