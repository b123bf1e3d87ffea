"""``graftwork doctor``."""

from __future__ import annotations

import os
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from ..options import format_option
from ..say import print_json, say_checked

if TYPE_CHECKING:
    from ....registry.hookspecs import Check


@click.command("doctor", epilog="Example: graftwork doctor")
@format_option("text", "json")
def command(style: str) -> None:
    """Look at this machine: libraries, devices, the pocket model, the cache, every plugin's own checks.

    Exit code 1 if anything is not as it should be.
    """
    from ....registry.discovery import default_plugins, doctor_checks

    checks = [_cache_check(), *doctor_checks(default_plugins())]
    if style == "json":
        print_json([asdict(check) for check in checks])
    for check in checks if style == "text" else ():
        say_checked(check.ok, f"{check.name}: {check.detail}" + ("" if check.ok else f"; {check.remedy}"))
    if not all(check.ok for check in checks):
        raise SystemExit(1)


def _cache_check() -> Check:
    from ....registry.hookspecs import Check
    from ...storage.files import StorageError, write_whole
    from ...storage.root import store_root

    try:
        root = store_root()
        probe = root / f".graftwork-doctor-{os.getpid()}"
        write_whole(probe, b"ok")
        probe.unlink()
    except StorageError as error:
        return Check("cache", False, str(error), "set GRAFTWORK_CACHE to a folder that can be written")
    size = sum(path.stat().st_size for path in root.rglob("*") if path.is_file())
    return Check("cache", True, f"{root}, {size / 1e6:.1f} MB")
