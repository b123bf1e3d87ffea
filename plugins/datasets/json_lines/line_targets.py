"""What the lines of a ``json_lines`` data set say is to be learnt."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from ....core.data.items import DataError, Target
from ....registry.errors import nearest
from .answers import most_frequent
from .line import Line
from .specs import JsonLinesSpec

#: Split to its lines.
Lines = Mapping[str, Sequence[Line]]


@dataclass(frozen=True, slots=True)
class Targets:
    """The targets of all lines."""

    #: Classes, or answers; nothing for pairs.
    class_names: tuple[str, ...]
    #: Place of a line to its target; ``None`` where it is not trained on.
    of: Mapping[str, Target | None]
    #: What the reader of a result should know.
    notes: tuple[str, ...] = ()


def targets_of(lines: Lines, spec: JsonLinesSpec) -> Targets:
    """Soft scores where lines have answers, classes where they have labels, else which image a text belongs to.

    Raises ``DataError`` for a question without answers, for an unknown label, and for a missing one outside ``train``.
    """
    if any(line.answers is not None for line in chain.from_iterable(lines.values())):
        return _scores(lines, spec)
    if any(line.label is not None for line in chain.from_iterable(lines.values())):
        return _classes(lines, spec.classes)
    return _images(chain.from_iterable(lines.values()))


def _scores(lines: Lines, spec: JsonLinesSpec) -> Targets:
    for line in chain.from_iterable(lines.values()):
        if line.answers is None:
            raise DataError(f"{line.place}: the question has no answers; add some, or remove the line")
    names = spec.classes or most_frequent((line.answers or {} for line in lines["train"]), spec.vocabulary)
    index = {name: number for number, name in enumerate(names)}
    targets: dict[str, Target | None] = {}
    notes = []
    for split, some in lines.items():
        scores = {line.place: _known(line, index) for line in some}
        lost = sum(not known for known in scores.values())
        # Nothing can be learnt from an empty one; elsewhere it counts as a question that nobody can answer.
        targets |= {place: (known or None) if split == "train" else known for place, known in scores.items()}
        if lost:
            so = "they are not trained on" if split == "train" else "they score 0"
            notes.append(
                f"{lost} of {len(some)} questions of {split} have no answer in the vocabulary of {len(names)}; {so}"
            )
    return Targets(names, targets, tuple(notes))


def _known(line: Line, index: Mapping[str, int]) -> Mapping[int, float]:
    return {index[answer]: score for answer, score in (line.answers or {}).items() if answer in index}


def _classes(lines: Lines, given: tuple[str, ...] | None) -> Targets:
    names = given or tuple(sorted({name for line in lines["train"] for name in _labels(line)}))
    index = {name: number for number, name in enumerate(names)}
    targets: dict[str, Target | None] = {}
    for split, some in lines.items():
        for line in some:
            if line.label is None and split != "train":
                raise DataError(f"{line.place}: has no label; lines without one may stand in the training split alone")
            for name in _labels(line):
                if name not in index:
                    raise _unknown(line, name, names, "dataset.classes" if given else "the training split")
            targets[line.place] = _target(line, index)
    return Targets(names, targets)


def _labels(line: Line) -> Iterator[str]:
    labels = line.label if isinstance(line.label, tuple) else (line.label,)
    return (label for label in labels if label is not None)


def _target(line: Line, index: Mapping[str, int]) -> Target | None:
    if isinstance(line.label, tuple):
        return tuple(-1 if label is None else index[label] for label in line.label)
    return None if line.label is None else index[line.label]


def _unknown(line: Line, name: str, names: Sequence[str], whose: str) -> DataError:
    near = nearest(name, names)
    hint = f"did you mean `{near}`?" if near else f"its {len(names)} classes are {', '.join(names[:10])} ..."
    return DataError(f"{line.place}: label `{name}` is no class of {whose}; {hint}")


def _images(lines: Iterable[Line]) -> Targets:
    """Which image or clip it is, by what is shown of its file: enough to say that the pair is to be learnt."""
    images: dict[object, int] = {}
    targets: dict[str, Target | None] = {}
    for line in lines:
        views = line.views()
        seen = tuple(next((view[kind] for kind in ("image", "video") if kind in view), None) for view in views)
        if None in seen or any("text" not in view for view in views):
            raise DataError(
                f"{line.place}: no line has a label or answers, and only pairs of an image (or a clip) and a text can "
                "do without; where the label is called otherwise, say how: dataset.columns.label"
            )
        targets[line.place] = images.setdefault(seen, len(images))
    return Targets((), targets)
