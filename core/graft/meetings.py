"""Where streams meet in frozen towers, told by their sizes alone. Light: no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..roles.tower_specs import LayerAdapterSpec, Meeting
from ..towers.errors import NO_BLOCKS, TowerError
from ..towers.layer_map import pair_blocks


@dataclass(frozen=True, slots=True)
class Enterable:
    """A tower as a meeting sees it."""

    streams: Sequence[str]
    #: d of the hidden states of each of its blocks, of which there is at least one.
    widths: Sequence[int]


def meetings_of(
    spec: LayerAdapterSpec, towers: Sequence[Enterable]
) -> tuple[list[tuple[int, ...]], tuple[Meeting, ...]]:
    """The blocks that meet (one tuple a pair, one index a tower), and the meetings: each pair at each of its places.

    Raises ``TowerError`` where the layer map does not fit.
    """
    if not towers:
        raise TowerError(f"adapter `{spec.type}` {NO_BLOCKS}")
    pairs = pair_blocks([len(tower.widths) for tower in towers], spec.layer_map, spec.meetings)
    return pairs, tuple(_meeting(towers, pair, place) for pair in pairs for place in spec.places)


def _meeting(towers: Sequence[Enterable], pair: Sequence[int], place: str) -> Meeting:
    met = [(stream, tower, block) for tower, block in zip(towers, pair, strict=True) for stream in tower.streams]
    return Meeting(
        {stream: f"{block}_{place}" for stream, _, block in met},
        {stream: tower.widths[block] for stream, tower, block in met},
    )


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
