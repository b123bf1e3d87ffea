"""Bytes and times as people write them."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import click

_BYTES = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_BYTES |= {"KIB": 2**10, "MIB": 2**20, "GIB": 2**30, "TIB": 2**40}
_TIMES = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}
_NUMBER = re.compile(r"(\d+(?:\.\d+)?)\s*([A-Za-z]*)")
#: More is no age, and no size of a disk.
_MOST = 1e9


class Size(click.ParamType):  # type: ignore[type-arg]  # generic from click 8.3 on
    """``10GB`` or ``500 MiB`` as bytes."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Bytes."""
        if isinstance(value, int):
            return value
        found = _NUMBER.fullmatch(value.strip())
        if found is None or (unit := found[2].upper()) not in _BYTES or float(found[1]) > _MOST:
            self.fail(f"{value!r} is no size; write a number and B, kB, MB, GB, TB or KiB ... TiB: 10GB", param, ctx)
        return int(float(found[1]) * _BYTES[unit])


class Age(click.ParamType):  # type: ignore[type-arg]  # generic from click 8.3 on
    """``30d`` as a time."""

    name = "age"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """A time of at most some thousand years."""
        if isinstance(value, timedelta):
            return value
        found = _NUMBER.fullmatch(value.strip())
        if found is None or found[2] not in _TIMES or float(found[1]) > 1e5:
            self.fail(f"{value!r} is no age; write a number and h, d or w: 30d", param, ctx)
        return float(found[1]) * _TIMES[found[2]]


def in_bytes(count: int) -> str:
    """``1.2 GB``."""
    for unit in ("TB", "GB", "MB", "kB"):
        if count >= _BYTES[unit.upper()]:
            return f"{count / _BYTES[unit.upper()]:.1f} {unit}"
    return f"{count} B"
