"""What a line, or a pass of one, shows: texts, files, and parts of clips and sounds by time."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from ....core.data.items import DataError
from ....core.data.video import SUFFIXES as CLIPS

#: Modalities whose value is a file below the root; a text stands in the line itself.
FILES = ("image", "video", "audio")
MODALITIES = ("image", "video", "text", "audio")
#: Which moment or part of them is shown, in seconds.
TIMES = ("at", "start", "end")
#: Of a file; each is a pass.
MOST_PARTS = 4096


@dataclass(frozen=True, slots=True)
class Shown:
    """A file, or a moment or a part of it."""

    #: As written.
    path: str
    #: In seconds; of a picture of a clip ``start`` is its moment. ``None``: the whole.
    start: float | None = None
    end: float | None = None
    #: Which of how many equal parts of the file, from 0; its times are known once its length is.
    part: tuple[int, int] | None = None

    @property
    def is_clip(self) -> bool:
        """By its suffix."""
        return PurePosixPath(self.path).suffix.lower() in CLIPS


#: Modality to what is shown of a file, or to the text itself.
View = Mapping[str, str | Shown]


def view_of(place: str, fields: Mapping[str, Any]) -> View:
    """What the fields of a line or of a pass show. Raises ``DataError``."""
    view = {kind: fields[kind] for kind in MODALITIES if fields.get(kind) is not None}
    for kind, value in view.items():
        if not isinstance(value, str):
            what = "a path below the root" if kind in FILES else "a string"
            raise DataError(f"{place}: `{kind}` must be {what}, not {value!r:.80}")
        if kind in FILES:
            _require_inside(place, kind, value)
    times = {name: _time(place, name, fields[name]) for name in TIMES if fields.get(name) is not None}
    if not any(kind in FILES and takes_times(kind, value) for kind, value in view.items()):
        if times:
            raise DataError(
                f"{place}: `{next(iter(times))}` is a time in a clip or a sound, and none is shown beside it"
            )
        return {kind: Shown(value) if kind in FILES else value for kind, value in view.items()}
    if "at" in times and not (isinstance(image := view.get("image"), str) and takes_times("image", image)):
        raise DataError(f"{place}: `at` is a moment of a clip shown as `image`; say a part by `start` and `end`")
    return {kind: _part(place, kind, value, times) if kind in FILES else value for kind, value in view.items()}


def takes_times(kind: str, path: str) -> bool:
    """Whether a moment or a part of that file can be shown: of all but pictures."""
    return kind != "image" or Shown(path).is_clip


def _part(place: str, kind: str, path: str, times: Mapping[str, float]) -> Shown:
    """Raises ``DataError`` where the times do not say which part it is."""
    if not takes_times(kind, path):
        return Shown(path)
    start, end, at = times.get("start", 0.0), times.get("end"), times.get("at")
    if end is not None and end <= start:
        raise DataError(f"{place}: `end` ({end:g}) must come after `start` ({start:g}), in seconds")
    if kind == "image":
        if at is None and end is None:
            raise DataError(
                f'{place}: `image` is the clip {path!r:.200}; say which moment of it, "at": 0.5, or that its parts are '
                'passes, "segments": 8; a model of clips takes it as `video`'
            )
        return Shown(path, at if at is not None else (start + (end or 0.0)) / 2)
    return Shown(path, start, end) if "start" in times or end is not None else Shown(path)


def _time(place: str, name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < math.inf:
        raise DataError(f"{place}: `{name}` must be a time in seconds, 0 or more, not {value!r:.80}")
    return float(value)


def _require_inside(place: str, kind: str, path: str) -> None:
    if not path or path.startswith("/") or "\0" in path or ".." in path.split("/"):
        raise DataError(f"{place}: `{kind}` is {path!r:.200}, and must be a path below the root, as pics/a.png")


def in_segments(place: str, fields: Mapping[str, Any]) -> tuple[Mapping[str, Any], tuple[View, ...]]:
    """The fields that all segments of ``segments`` share, and what each shows: clips and sounds in its times."""
    segments = fields["segments"]
    if fields.get("passes") is not None or any(fields.get(name) is not None for name in TIMES):
        raise DataError(f"{place}: `segments` says the times of every pass; leave out `passes` and {', '.join(TIMES)}")
    timed = {kind: fields[kind] for kind in FILES if isinstance(fields.get(kind), str)}
    timed = {kind: path for kind, path in timed.items() if takes_times(kind, path)}
    if not timed:
        raise DataError(f"{place}: `segments` are parts of a clip or a sound, and none is shown beside them")
    shared = {name: value for name, value in fields.items() if name not in timed and name != "segments"}
    for kind, path in timed.items():
        _require_inside(place, kind, path)
    if (count := _count(segments)) is not None:
        return shared, tuple({kind: Shown(timed[kind], part=(one, count)) for kind in timed} for one in range(count))
    if not isinstance(segments, list) or not segments or not all(_is_pair(one) for one in segments):
        raise DataError(
            f"{place}: `segments` must be a list of pairs of start and end in seconds, as [[0, 1], [1, 2]], or a "
            f"number of equal parts, 1 to {MOST_PARTS}"
        )
    return shared, tuple(view_of(place, {**timed, "start": start, "end": end}) for start, end in segments)


def _count(segments: Any) -> int | None:
    """A number of equal parts; ``None`` for anything else."""
    whole = isinstance(segments, int) and not isinstance(segments, bool)
    return segments if whole and 1 <= segments <= MOST_PARTS else None


def _is_pair(segment: Any) -> bool:
    return isinstance(segment, list) and len(segment) == 2
