"""Which block of one tower meets which block of another. Light: no torch."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

from .errors import TowerError

#: How blocks of towers of different depth are paired; a list names the pairs: ``[[0, 1], [5, 11]]``.
LayerMap = Literal["equal", "stride", "last_k"] | Sequence[Sequence[int]]


def pair_blocks(depths: Sequence[int], layer_map: LayerMap, meetings: int | None = None) -> list[tuple[int, ...]]:
    """Indices of the blocks that meet, one tuple a meeting with one index a tower, rising in each tower.

    ``equal``: block i with block i; the depths must agree. ``stride``: as many meetings as the shallowest tower has
    blocks, evenly spread over the deeper ones, the last block always included. ``last_k``: the last blocks, counted
    from the end. ``meetings`` takes that many of them instead (``stride``: spread; ``last_k``: the last). Source: ours.

    Raises ``TowerError``.
    """
    if not isinstance(layer_map, str):
        return _named(depths, layer_map)
    if layer_map == "equal" and len(set(depths)) > 1:
        raise TowerError(
            f'layer_map "equal" needs towers of one depth, these have {" and ".join(map(str, depths))} blocks; '
            'take "stride", "last_k" or a list of pairs'
        )
    most = min(depths)
    count = most if meetings is None else meetings
    if not 1 <= count <= most:
        raise TowerError(f"{count} meetings asked for, but the shallowest tower has {most} blocks")
    if layer_map == "last_k":
        return [tuple(depth - count + index for depth in depths) for index in range(count)]
    # The last block of a tower and those at even distances before it.
    return [tuple((index + 1) * depth // count - 1 for depth in depths) for index in range(count)]


def _named(depths: Sequence[int], pairs: Sequence[Sequence[int]]) -> list[tuple[int, ...]]:
    if not pairs:
        raise TowerError("layer_map names no pair of blocks")
    for pair in pairs:
        if len(pair) != len(depths):
            raise TowerError(f"layer_map: {list(pair)} names {len(pair)} blocks for {len(depths)} towers")
        for index, depth in zip(pair, depths, strict=True):
            if not 0 <= index < depth:
                raise TowerError(f"layer_map: {list(pair)} names block {index} of a tower with blocks 0 to {depth - 1}")
    for one, following in pairwise(pairs):
        if any(later <= earlier for earlier, later in zip(one, following, strict=True)):
            raise TowerError(
                f"layer_map: after {list(one)} comes {list(following)}; blocks must rise in every tower, "
                "since each runs from its first to its last"
            )
    return [tuple(pair) for pair in pairs]
