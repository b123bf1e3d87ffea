"""The ``captions_file`` captioner: descriptions that somebody wrote, found by item. Light: no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path, PurePath

from ...core.data.items import some_of
from ...core.roles import CaptionerError, PictureKey, WrittenCaptions
from .captions_table import KEYS, read_rows
from .specs import CaptionsFileSpec


class CaptionsFile(WrittenCaptions):
    """Looks descriptions up. The file is read when the first one is asked for."""

    def __init__(self, spec: CaptionsFileSpec) -> None:
        self._spec = spec
        self._noted = spec.identity()["file"]

    def look_up(self, keys: Sequence[PictureKey]) -> list[str | None]:
        """By the file's key column.

        Raises ``CaptionerError`` naming the line that is wrong, and file names that several of the pictures end in.
        """
        column, texts = self._table
        if column == "id":
            return [texts.get(key.id) for key in keys]
        if column == "sha256":
            return [texts.get(key.digest) for key in keys]
        found = [self._by_file_name(key) for key in keys]
        self._require_clear(found, keys)
        return [None if name is None else texts[name] for name in found]

    @cached_property
    def _table(self) -> tuple[str, Mapping[str, str]]:
        file = Path(self._spec.file)
        rows = read_rows(file, self._noted)
        given = [name for name in KEYS if any(name in row for _, row in rows)]
        column = self._spec.key or (given[0] if len(given) == 1 else None)
        if column is None or column not in given:
            has = f"it has {' and '.join(given)}" if given else "it has none"
            raise CaptionerError(f"captioner: {file} needs one key of {', '.join(KEYS)}: {has}; say which under `key`")
        texts: dict[str, str] = {}
        for number, row in rows:
            if not row.get(column):
                raise CaptionerError(f"captioner: {file}:{number}: `{column}` is missing")
            key = row[column].lower() if column == "sha256" else row[column]
            if texts.setdefault(key, row["text"]) != row["text"]:
                raise CaptionerError(f"captioner: {file}:{number}: {column} {key} stands above with another text")
        return column, texts

    def _by_file_name(self, key: PictureKey) -> str | None:
        """The longest ending of its path that the file names: `cat/1.png` is closer than `1.png`."""
        parts = PurePath(key.source).parts
        endings = (str(PurePath(*parts[start:])) for start in range(len(parts)))
        return next((self._normalised[ending] for ending in endings if ending in self._normalised), None)

    def _require_clear(self, found: Sequence[str | None], keys: Sequence[PictureKey]) -> None:
        """A name that several pictures end in would describe all of them alike; copies of one picture are one."""
        ends: dict[str, dict[str, str]] = {}
        for name, key in zip(found, keys, strict=True):
            if name is not None:
                ends.setdefault(name, {}).setdefault(key.digest, key.source)
        several = [f"{name}: {', '.join(list(of.values())[:3])}" for name, of in ends.items() if len(of) > 1]
        if several:
            raise CaptionerError(
                f"captioner: {self._spec.file}: {len(several)} file names are those of more than one picture; write "
                f"longer paths (cat/1.png), or key by id or sha256:{some_of(several)}"
            )

    @cached_property
    def _normalised(self) -> dict[str, str]:
        """``./cat//1.png`` and ``cat/1.png`` are one name. Raises ``CaptionerError`` where they have two texts."""
        texts = self._table[1]
        names: dict[str, str] = {}
        for name, text in texts.items():
            first = names.setdefault(str(PurePath(name)), name)
            if texts[first] != text:
                raise CaptionerError(
                    f"captioner: {self._spec.file}: {first} and {name} are one file, with two texts; keep one of them"
                )
        return names
