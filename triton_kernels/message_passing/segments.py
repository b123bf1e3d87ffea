"""Rows with more edges than one program should walk, cut into segments; found once for a graph's row pointers."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.utils.weak import WeakIdKeyDictionary


@dataclass(frozen=True)
class Segments:
    """Of all rows with more than `limit` edges."""

    row: Tensor
    """int64 [K]: these rows."""
    first: Tensor
    """int64 [K + 1]: the segments of row[k] are first[k] to first[k + 1]."""
    span: Tensor
    """int64 [S, 2]: where the edges of a segment begin and end."""


_KNOWN: WeakIdKeyDictionary = WeakIdKeyDictionary()
"""Row pointers to limit to segments; with the graph's structure they live and go."""


def segments_of(rowptr: Tensor, edges: int, limit: int) -> Segments | None:
    """Segments of at most `limit` edges; None where no row has more. A GPU is asked once for the same tensor."""
    if edges <= limit:
        return None
    known: dict[int, Segments | None] = _KNOWN.setdefault(rowptr, {})  # type: ignore[no-untyped-call]
    if limit not in known:
        with torch.inference_mode(False), torch.no_grad():
            known[limit] = _found(rowptr.detach(), limit)
    return known[limit]


def _found(rowptr: Tensor, limit: int) -> Segments | None:
    degree = rowptr.diff().long()
    row = (degree > limit).nonzero().squeeze(1)
    if not len(row):
        return None
    count = (degree[row] + limit - 1) // limit
    first = torch.zeros(len(row) + 1, dtype=torch.int64, device=row.device)
    torch.cumsum(count, 0, out=first[1:])
    heavy = torch.arange(len(row), device=row.device).repeat_interleave(count)
    within = torch.arange(len(heavy), device=row.device) - first[heavy]
    start = rowptr[row[heavy]] + within * limit
    stop = torch.minimum(start + limit, rowptr[row[heavy] + 1])
    return Segments(row, first, torch.stack((start, stop), 1).long())
