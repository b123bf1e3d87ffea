"""Where streams meet in frozen towers, told by their sizes alone. Light: no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..roles.tower_specs import LayerAdapterSpec, Meeting
from ..towers.errors import TowerError
from ..towers.layer_map import pair_blocks


@dataclass(frozen=True, slots=True)
class Enterable:
    """A tower as a meeting sees it."""

    streams: Sequence[str]
    #: Number of blocks, at least 1.
    depth: int
    #: d of its hidden states.
    width: int


def meetings_of(
    spec: LayerAdapterSpec, towers: Sequence[Enterable]
) -> tuple[list[tuple[int, ...]], tuple[Meeting, ...]]:
    """The blocks that meet (one tuple a pair, one index a tower), and the meetings: each pair at each of its places.

    Raises ``TowerError`` where the layer map does not fit.
    """
    if not towers:
        raise TowerError(f"adapter `{spec.type}` sits in blocks, and none of these towers has blocks to enter")
    pairs = pair_blocks([tower.depth for tower in towers], spec.layer_map, spec.meetings)
    widths = {stream: tower.width for tower in towers for stream in tower.streams}
    meetings = tuple(
        Meeting({s: f"{pair[i]}_{place}" for i, tower in enumerate(towers) for s in tower.streams}, widths)
        for pair in pairs
        for place in spec.places
    )
    return pairs, meetings


def sized(spec: LayerAdapterSpec, meetings: Sequence[Meeting], frozen: int) -> LayerAdapterSpec:
    """The spec with a budget turned into sizes, checked against the streams' widths. Raises ``TowerError``."""
    widths = [meeting.widths for meeting in meetings]
    try:
        found = spec.within_budget(widths, frozen)
    except ValueError as error:
        raise TowerError(f"adapter.budget: {error}") from None
    try:
        found.check_widths(widths)
    except ValueError as error:
        raise TowerError(f"adapter `{spec.type}`: {error}") from None
    return found
