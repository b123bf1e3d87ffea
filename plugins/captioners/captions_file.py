"""The ``captions_file`` captioner: descriptions that somebody wrote, found by item. Light: no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path, PurePath

from ...core.roles import CaptionerError, PictureKey, WrittenCaptions
from .captions_table import KEYS, read_rows
from .specs import CaptionsFileSpec


class CaptionsFile(WrittenCaptions):
    """Looks descriptions up. The file is read when the first one is asked for."""

    def __init__(self, spec: CaptionsFileSpec) -> None:
        self._spec = spec
        self._noted = spec.identity()["file"]

    def look_up(self, keys: Sequence[PictureKey]) -> list[str | None]:
        """By the file's key column. Raises ``CaptionerError`` naming the line that is wrong."""
        column, texts = self._table
        if column == "id":
            return [texts.get(key.id) for key in keys]
        if column == "sha256":
            return [texts.get(key.digest) for key in keys]
        return [self._by_file_name(texts, key) for key in keys]

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

    def _by_file_name(self, texts: Mapping[str, str], key: PictureKey) -> str | None:
        """By the longest ending of its path that the file names: `cat/1.png` is closer than `1.png`."""
        parts = PurePath(key.source).parts
        endings = (str(PurePath(*parts[start:])) for start in range(len(parts)))
        found = next((ending for ending in endings if ending in self._normalised), None)
        return None if found is None else texts[self._normalised[found]]

    @cached_property
    def _normalised(self) -> dict[str, str]:
        return {str(PurePath(name)): name for name in self._table[1]}
