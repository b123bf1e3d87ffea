"""What share each expert has, by meeting and stream. Light: no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..storage.adapter_config import LayerAdapter, saved_in
from ..storage.manifest import ADAPTER
from .blocks import Block, Cell, Lines, Missing, Part, Section, Table, row
from .read_run import ReportedRun

NOT_KEPT = "their shares are not in the result"


def expert_part(run: ReportedRun) -> Part:
    """A table a stream, meetings from the first layer to the last; the mean over the seeds."""
    title, found = "Experts", run.result.adapter
    if found is None or not any(found.experts.values()):
        return Missing(title, "no experts are mixed")
    if not found.usage:
        return Missing(title, NOT_KEPT)
    blocks: list[Block] = [
        Lines([f"Mean share of each expert on {run.result.test_on}, over the seeds; a row is a meeting."])
    ]
    stops = _stops(run)
    for stream, names in found.experts.items():
        rows = [
            row(_named(meeting, stream, stops), *(Cell(f"{one:.3f}", one, round(one, 3)) for one in shares))
            for meeting, shares in _of_stream(stream, found.usage)
            if len(shares) == len(names)
        ]
        if rows:
            blocks.append(Table(f"Stream {stream}", ["meeting: stop in the tower", *names], rows, sortable=False))
    return Section(title, blocks) if len(blocks) > 1 else Missing(title, NOT_KEPT)


def _of_stream(stream: str, usage: Sequence[Mapping[str, Sequence[float]]]) -> list[tuple[str, list[float]]]:
    found: dict[str, list[Sequence[float]]] = {}
    for of_seed in usage:
        for key, shares in of_seed.items():
            meeting, _, own = key.rpartition(".")
            if own == stream:
                found.setdefault(meeting, []).append(shares)
    means = {meeting: [sum(one) / len(one) for one in zip(*rows, strict=True)] for meeting, rows in found.items()}
    return sorted(means.items(), key=lambda one: (0, int(one[0]), "") if one[0].isdecimal() else (1, 0, one[0]))


def _stops(run: ReportedRun) -> Sequence[Mapping[str, str]]:
    """Of each meeting: stream to the stop in its tower."""
    facts = saved_in(run.folder / ADAPTER) if (run.folder / ADAPTER).is_dir() else None
    return [one.stops for one in facts.meetings or ()] if isinstance(facts, LayerAdapter) else []


def _named(meeting: str, stream: str, stops: Sequence[Mapping[str, str]]) -> str:
    known = meeting.isdecimal() and int(meeting) < len(stops) and stream in stops[int(meeting)]
    return f"{meeting}: {stops[int(meeting)][stream]}" if known else meeting
