"""``graftwork cache ls``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ..options import cache_option, format_option
from ..say import print_json, print_table, say
from .sizes import in_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ...storage.store.inventory import Unit


@click.command("ls", epilog="Example: graftwork cache ls")
@format_option("table", "json")
@cache_option
def command(style: str, cache: str | None) -> None:
    """List what is stored, the last used first.

    Each line is a modality of a model: how many items, their bytes, the day of the last use. Items of a store without
    an index are read once, which takes a minute for some 50 GB.
    """
    from ...storage.root import store_root
    from ...storage.store.inventory import units

    root = store_root(cache)
    found = units(root)
    if style == "json":
        print_json({"root": str(root), "bytes": sum(one.bytes for one in found), "units": [o.to_json() for o in found]})
    elif found:
        headers = ["stage", "model", "modality", "items", "bytes", "last use"]
        print_table(headers, [row for one in found for row in _rows(one)], title="", left=3)
        say(f"{in_bytes(sum(one.bytes for one in found))} in {root}, index included")
    else:
        say(f"nothing is stored in {root}")


def _rows(unit: Unit) -> Iterator[list[str]]:
    day = f"{unit.last_use.astimezone():%Y-%m-%d}"
    for part in unit.parts:
        yield [unit.stage, unit.model, part.modality, f"{part.items:,}", in_bytes(part.bytes), day]
    if not unit.parts:
        yield [unit.stage, unit.model, "–", "0", in_bytes(unit.bytes), day]
