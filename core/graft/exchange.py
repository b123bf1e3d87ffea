"""The exchange of one forward: towers' hidden states to streams, the adapter, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from ..roles.layer_adapter import LayerAdapter, Masks, updates_of
from ..towers.errors import TowerError
from ..towers.tower import Tower


class MeetingPlace:
    """Runs the adapter at every meeting and gathers its losses and usage."""

    def __init__(
        self,
        towers: Mapping[str, Tower],
        adapter: LayerAdapter,
        inputs: Mapping[str, Mapping[str, Any]],
        masks: Mapping[str, Tensor | None],
    ) -> None:
        self._towers, self._adapter, self._given_masks = towers, adapter, masks
        self._slices = {name: towers[name].slices(given) for name, given in inputs.items()}
        self._own_masks = {
            stream: mask for name, given in inputs.items() for stream, mask in self._masks_of(name, given).items()
        }
        self._masks, self._masked = Masks({}), dict[str, torch.Size]()
        self.losses: dict[str, Tensor] = {}
        self.usage: dict[str, Tensor] = {}

    def exchange(self, meeting: int, states: Mapping[str, Tensor]) -> dict[str, Tensor | None]:
        """Tower to its update, of its state's layout."""
        streams = {
            stream: self._towers[name].batch_major(state)[:, part]
            for name, state in states.items()
            for stream, part in self._slices[name].items()
        }
        _require_one_batch(streams)
        updates = updates_of(self._adapter, meeting, _as_trained(self._adapter, streams), self._masks_for(streams))
        self.losses |= {f"{meeting}.{name}": loss for name, loss in updates.losses.items()}
        self.usage |= {f"{meeting}.{name}": share for name, share in updates.usage.items()}
        return {name: self._joined(name, state, updates.states) for name, state in states.items()}

    def _masks_of(self, name: str, given: Mapping[str, Any]) -> Mapping[str, Any]:
        if masks := self._towers[name].masks:
            return masks(given)
        return dict.fromkeys(self._slices[name], given.get("attention_mask"))

    def _masks_for(self, streams: Mapping[str, Tensor]) -> Masks:
        """One object for all meetings of states of the same lengths."""
        sizes = {stream: state.shape[:2] for stream, state in streams.items()}
        if sizes != self._masked:
            masks = {stream: self._mask(stream, state) for stream, state in streams.items()}
            self._masks, self._masked = Masks(masks), sizes
        return self._masks

    def _mask(self, stream: str, state: Tensor) -> Tensor | None:
        if stream not in self._given_masks:
            mask = self._own_masks.get(stream)
            return mask.bool() if isinstance(mask, Tensor) and mask.shape == state.shape[:2] else None
        given = self._given_masks[stream]
        if given is None or given.shape == state.shape[:2]:
            return given
        if given.shape != (len(state), 1):
            raise TowerError(
                f"masks: that of `{stream}` is {list(given.shape)}, and its hidden state {list(state.shape)}; take "
                "[batch, tokens], or [batch, 1] for all tokens of a sample"
            )
        return given.expand(state.shape[:2])

    def _joined(self, name: str, state: Tensor, updates: Mapping[str, Tensor]) -> Tensor | None:
        tower, slices = self._towers[name], self._slices[name]
        if not any(stream in updates for stream in slices):
            return None
        major = tower.batch_major(state)
        if tower.split is None:
            return tower.batch_major(updates[name].to(state.dtype))
        whole = torch.zeros_like(major)
        for stream, part in slices.items():
            if stream in updates:
                whole[:, part] = updates[stream].to(whole.dtype)
        return tower.batch_major(whole)


def _as_trained(adapter: LayerAdapter, streams: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """Streams of a tower of half precision in the precision of the adapter's parameters; autocast does that itself."""
    first = next((one for one in adapter.parameters() if one.is_floating_point()), None)
    if first is None or torch.is_autocast_enabled(first.device.type):
        return streams
    return {name: state.to(first.dtype) for name, state in streams.items()}


def _require_one_batch(streams: Mapping[str, Tensor]) -> None:
    if len({len(state) for state in streams.values()}) > 1:
        batches = ", ".join(f"{len(state)} of `{stream}`" for stream, state in streams.items())
        raise TowerError(
            f"items of a batch cannot meet as {batches}: a module that is called with windows of them, as a Swin's "
            'attention is, is no place to meet; take place "block" or "feed_forward"'
        )
