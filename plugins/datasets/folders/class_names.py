"""The classes of a folder as its spec names them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
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
