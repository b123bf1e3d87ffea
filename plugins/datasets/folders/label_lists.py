"""Files that may say which classes the files of a folder are of, and are not read: no folder is a class beside them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from ....core.data.items import DataError
from ....core.storage.files import open_regular

#: So begin, in lower case, the names of such lists (Hugging Face's imagefolder: .csv, .jsonl, .parquet).
STEM = "metadata."
#: The column in which they name files. Parquet has its columns at its end, the others at their beginning.
FILES = b"file_name"
#: Bytes that are looked at, at either end.
SPAN = 2**16


def require_not_needed(lists: Iterable[Path], listing: str | None) -> None:
    """Raises ``DataError`` for a list that names files, or that cannot be read: its classes may be other ones.

    ``listing`` is the name of the list that the data set reads in its root and in split folders, if it reads any.
    """
    for path in lists:
        if why := _why_needed(path):
            fix = 'read it by "type": "json_lines"'
            if listing:
                example = '{"file_name": "a.png", "label": "cat"}'
                fix = f"write it as {listing} in the root or in each split folder, a line a file: {example}"
            raise DataError(
                f"{path} {why}; it may say other classes than the folders do: {fix}; or, are the folders the classes, "
                "rename it or move it away"
            )


def note_of(lists: Sequence[Path], root: Path) -> str:
    """That these are not read, by name."""
    names = ", ".join(path.relative_to(root).as_posix() for path in lists[:5])
    more = f" and {len(lists) - 5} more" if len(lists) > 5 else ""
    return f"{root}: not read: {names}{more}"


def _why_needed(path: Path) -> str | None:
    try:
        with open_regular(path) as file:
            ends = file.read(SPAN)
            file.seek(max(file.seek(0, 2) - SPAN, 0))
            ends += file.read(SPAN)
    except OSError as error:
        return f"cannot be read ({error.strerror or error})"
    return "lists files and is not read as it stands" if FILES in ends else None
