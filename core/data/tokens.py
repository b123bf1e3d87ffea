"""Token sequences of many items, one after another in one matrix: no padding is stored or normalised over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Tokens:
    """Ragged token vectors of N items; item i has rows ``offsets[i]`` to ``offsets[i + 1]``. Padding is left out."""

    #: float32 [T_1 + ... + T_N, d].
    values: Tensor
    #: int64 [N + 1], ascending from 0 to ``len(values)``.
    offsets: Tensor

    @classmethod
    def of(cls, sequences: Sequence[Tensor]) -> Tokens:
        """From one float32 [T_i, d] an item. Raises ``ValueError`` for no item at all, whose width is unknown."""
        if not sequences:
            raise ValueError("no sequence: the width of its tokens is unknown")
        lengths = torch.tensor([0, *map(len, sequences)])
        return cls(torch.cat(list(sequences)), lengths.cumsum(0))

    @classmethod
    def joined(cls, parts: Sequence[Tokens]) -> Tokens:
        """The items of one part after those of the other; of one part at least."""
        lengths = torch.cat([part.lengths() for part in parts])
        return cls(torch.cat([part.values for part in parts]), torch.cat([lengths.new_zeros(1), lengths.cumsum(0)]))

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def lengths(self) -> Tensor:
        """Tokens of each item, int64 [N]."""
        return self.offsets.diff()

    def padded(self) -> tuple[Tensor, Tensor]:
        """Zero-padded float32 [N, T, d] with T the longest item, and bool [N, T], ``True`` where a token stands."""
        lengths = self.lengths()
        longest = int(lengths.max()) if len(self) else 0
        mask = torch.arange(longest, device=lengths.device) < lengths[:, None]
        out = self.values.new_zeros(len(self), longest, self.values.shape[1])
        out[mask] = self.values
        return out, mask

    def select(self, rows: Tensor | Sequence[int]) -> Tokens:
        """Those items, in that order, repetitions allowed. ``rows`` are indices from 0, int64 [M]."""
        rows = torch.as_tensor(rows, dtype=torch.int64, device=self.offsets.device)
        lengths = self.lengths()[rows]
        offsets = torch.cat([lengths.new_zeros(1), lengths.cumsum(0)])
        within = torch.arange(int(offsets[-1]), device=rows.device) - offsets[:-1].repeat_interleave(lengths)
        return Tokens(self.values[self.offsets[rows].repeat_interleave(lengths) + within], offsets)
