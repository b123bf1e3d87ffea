"""The classes of a folder as its spec names them."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from ....core.data.items import DataError
from ....registry.errors import nearest


def require_known(field: str, given: Iterable[str], known: Collection[str], root: Path) -> None:
    """``DataError`` for a class that the folder does not have, with the nearest that it has."""
    for name in given:
        if name not in known:
            near = nearest(name, known)
            hint = f"; did you mean `{near}`?" if near else ""
            raise DataError(f"dataset.{field}: no class of {root} is called `{name}`{hint}")


def shown_names(
    names: Sequence[str], class_names: Mapping[str, str], known: Collection[str], root: Path
) -> tuple[str, ...]:
    """The names that prompts use. Raises ``DataError`` for unknown classes, and where two would be called alike."""
    require_known("class_names", class_names, known, root)
    shown = tuple(class_names.get(name, name) for name in names)
    if len(set(shown)) < len(shown):
        twice = ", ".join(sorted({name for name in shown if shown.count(name) > 1}))
        raise DataError(f"dataset.class_names: several classes of {root} would be called {twice}")
    return shown


def require_several(names: Sequence[str], what: str, root: Path, to_score: bool) -> None:
    """``DataError`` for one class alone: nothing could be told apart, but where a run that knows others scores it."""
    if len(names) == 1 and not to_score:
        raise DataError(
            f"dataset.root: {root} has one class alone, {names[0]}; are the folders in it the classes, set root to it; "
            f"{what} of one class tell nothing apart"
        )


@contextlib.contextmanager
def beside(notes: Sequence[str]) -> Iterator[None]:
    """A ``DataError`` names what was passed over, too: it may be the reason."""
    try:
        yield
    except DataError as error:
        raise (DataError("\n  note: ".join([str(error), *notes])) if notes else error) from None
