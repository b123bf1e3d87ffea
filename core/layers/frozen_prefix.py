"""What runs in the towers before the first adapter: the same at every step, so it is computed once an item and kept."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad
from torch.nn.utils.rnn import pad_sequence

from ..towers.frozen_tower import FrozenTower
from ..towers.prefix import Prefix, passed_over, run_prefix
from ..towers.tower import Tower

#: What is kept at most, in bytes of this machine's memory; where it is full, what lies beyond is computed anew.
KEEP = 2 << 30


@dataclass(slots=True)
class _Kept:
    """The states after some blocks of one tower, under one precision."""

    #: See ``Prefix``; ``None``: the tower cannot pass them over.
    forms: tuple[int, ...] | None
    #: Whether rows end with their last token, whatever the batch was padded to.
    ragged: bool
    #: Content, and unless ragged the form of its inputs, to its state [n, d] on the CPU.
    rows: dict[Hashable, Tensor] = field(default_factory=dict)


class FrozenPrefixes:
    """States of items after the blocks that no adapter enters, of all towers and trials of a run."""

    def __init__(self, room: int = KEEP) -> None:
        self._room, self._full = room, False
        self._kept: dict[Hashable, _Kept] = {}

    def of(
        self, frozen: FrozenTower, count: int, inputs: Mapping[str, Any], contents: Sequence[Hashable]
    ) -> Prefix | None:
        """What the first ``count`` blocks give of a batch, ``contents`` saying of what; ``None``: let them run."""
        lane = (frozen.tower.name, count, _precision(frozen))
        kept = self._kept.get(lane)
        if not count or (kept and kept.forms is None):
            return None
        if kept and kept.forms is not None:
            rows = [kept.rows.get(key) for key in _keys(kept, inputs, contents)]
            found = [row for row in rows if row is not None]
            if len(found) == len(rows):
                return Prefix(_together(found, kept.ragged, frozen.tower, inputs).to(frozen.device), kept.forms)
        if self._full:
            return None
        prefix = run_prefix(frozen.tower, count, inputs)
        if kept is None:
            kept = self._kept[lane] = _first(frozen, prefix, inputs, len(contents))
        if prefix is None or prefix.forms != kept.forms or len(prefix.state) != len(contents):
            return None
        self._keep(kept, _keys(kept, inputs, contents), prefix.state, _lengths(kept, frozen.tower, inputs))
        return prefix

    def _keep(self, kept: _Kept, keys: Sequence[Hashable], state: Tensor, lengths: Sequence[int] | None) -> None:
        for number, (key, row) in enumerate(zip(keys, state.cpu(), strict=True)):
            if key in kept.rows:
                continue
            row = row if lengths is None else row[: lengths[number]]
            self._room -= row.nbytes
            if self._room < 0:
                self._full = True
                return
            kept.rows[key] = row.clone()


def _first(frozen: FrozenTower, prefix: Prefix | None, inputs: Mapping[str, Any], count: int) -> _Kept:
    """What is known of a tower by its first batch, of ``count`` rows; a block may be given windows of them."""
    if prefix is None or len(prefix.state) != count or not _changes_nothing(frozen, prefix, inputs):
        return _Kept(None, ragged=False)
    mask, state = _mask(frozen.tower, inputs), prefix.state
    if mask is None or state.ndim != 3 or mask.shape != state.shape[:2] or mask.all() or not _at_the_end(mask):
        return _Kept(prefix.forms, ragged=False)
    # Later blocks may hear what is no token: Whisper hears the silence that fills its window.
    cut = Prefix(state.masked_fill(~mask[..., None], 0.0), prefix.forms)
    return _Kept(prefix.forms, _changes_nothing(frozen, cut, inputs))


def _precision(frozen: FrozenTower) -> Hashable:
    kind = frozen.device.type
    return torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else None


def _keys(kept: _Kept, inputs: Mapping[str, Any], contents: Sequence[Hashable]) -> Sequence[Hashable]:
    if kept.ragged:
        return contents
    form = tuple((name, tuple(one.shape[1:])) for name, one in inputs.items() if isinstance(one, Tensor))
    return [(content, form) for content in contents]


def _mask(tower: Tower, inputs: Mapping[str, Any]) -> Tensor | None:
    """bool [B, N] of a tower of one stream, where it has one."""
    if tower.split is not None:
        return None
    mask = tower.masks(inputs).get(tower.name) if tower.masks else inputs.get("attention_mask")
    return mask.bool() if isinstance(mask, Tensor) and mask.ndim == 2 else None


def _at_the_end(mask: Tensor) -> bool:
    """Whether all that is masked comes after all that is there."""
    return not bool((mask[:, 1:] & ~mask[:, :-1]).any())


def _lengths(kept: _Kept, tower: Tower, inputs: Mapping[str, Any]) -> list[int] | None:
    mask = _mask(tower, inputs) if kept.ragged else None
    found: list[int] | None = None if mask is None else mask.sum(dim=-1).tolist()
    return found


def _together(rows: Sequence[Tensor], ragged: bool, tower: Tower, inputs: Mapping[str, Any]) -> Tensor:
    """[B, N, d]; tokens that are not there are zero."""
    if not ragged:
        return torch.stack(list(rows))
    state, mask = pad_sequence(list(rows), batch_first=True), _mask(tower, inputs)
    assert mask is not None
    return pad(state, (0, 0, 0, mask.shape[1] - state.shape[1]))


def _changes_nothing(frozen: FrozenTower, prefix: Prefix, inputs: Mapping[str, Any]) -> bool:
    """Whether the tower's read-out is the same when the blocks are passed over: nothing else hears them."""
    with torch.no_grad():
        plain = frozen.read_out(frozen.tower.model(**inputs), inputs).float()
        try:
            with passed_over(frozen.tower, prefix):
                found = frozen.read_out(frozen.tower.model(**inputs), inputs).float()
        except Exception:  # noqa: BLE001 - whatever a model makes of a block that was passed over: it ran without
            return False
    return torch.allclose(plain, found, rtol=1e-4, atol=1e-5 * float(plain.abs().max()), equal_nan=True)
