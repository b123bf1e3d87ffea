"""What the pictures in Arrow tables are known by, found in the memory-mapped bytes and remembered a file at a time."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa

from ....core.data.file_memo import FileMemo
from ....core.data.items import DataError
from ....core.data.pictures import finding

BATCH = 64
#: ``finding`` of the encoded picture or "", and the path of its file or "".
PictureRow = tuple[str, str]


def picture_rows(table: Any, column: str, files: FileMemo) -> list[PictureRow]:
    """One for each row of ``table``. Raises ``DataError`` if the column holds no encoded pictures."""
    paths = [Path(one["filename"]) for one in table.cache_files]
    if paths:
        find = partial(_of_file, column)
        findings = files.of(f"pictures of column {column}, 2", paths[0].parent, paths, find)
        rows = [(digest, path) for rows_found in findings for digest, path in json.loads(rows_found)]
        if len(rows) == len(table):
            return rows
    return list(_rows(table, column))  # a table in memory, or a part of what is on disk


def _of_file(column: str, path: Path) -> str:
    try:
        return json.dumps(list(_rows(datasets.Dataset.from_file(str(path)), column)))
    except pa.ArrowException as error:
        raise DataError(f"{path}: no whole Arrow file: {error}; write it again") from None


def _rows(table: Any, column: str) -> Iterator[PictureRow]:
    for batch in table.with_format("arrow").iter(BATCH):
        values = batch.column(column)
        if pa.types.is_struct(values.type):
            names = {field.name for field in values.type}
            encoded = pa.compute.struct_field(values, "bytes") if "bytes" in names else pa.nulls(len(values))
            paths = pa.compute.struct_field(values, "path") if "path" in names else pa.nulls(len(values))
        elif pa.types.is_binary(values.type) or pa.types.is_large_binary(values.type):
            encoded, paths = values, pa.nulls(len(values))
        else:
            raise DataError(f"dataset.image: column `{column}` holds {values.type}, not encoded pictures")
        for content, path in zip(encoded, paths, strict=True):
            digest = finding(content.as_py()) if content.is_valid else ""
            yield digest, (path.as_py() or "") if path.is_valid else ""
