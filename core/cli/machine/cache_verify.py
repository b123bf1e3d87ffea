"""``graftwork cache verify``."""

from __future__ import annotations

import click

from ..options import cache_option, format_option
from ..progress import shown_progress
from ..say import print_json, say
from .sizes import in_bytes


@click.command("verify", epilog="Example: graftwork cache verify --remove")
@click.option("--remove", is_flag=True, help="Remove what is torn or altered; the next run makes it anew.")
@format_option("text", "json")
@cache_option
def command(remove: bool, style: str, cache: str | None) -> None:
    """Hold all that is stored against its sha256.

    Everything is read again. Exit code 1 if anything is torn, altered or cannot be read.
    """
    from ...events import StageAdvanced, StageStarted
    from ...storage.root import store_root
    from ...storage.store.verify import verify

    root, stage = store_root(cache), "verify"
    with shown_progress() as tell:

        def progress(done: int, of: int) -> None:
            if done == 1:
                tell(StageStarted(stage, of))
            tell(StageAdvanced(stage, done))

        found = verify(root, remove=remove, progress=progress)
    if style == "json":
        altered = {str(path): why for path, why in found.altered.items()}
        removed = [str(path) for path in found.removed]
        print_json(
            {"root": str(root), "files": found.files, "bytes": found.bytes, "altered": altered, "removed": removed}
        )
    else:
        for path, why in found.altered.items():
            say(f"{path}: {why}{', removed' if path in found.removed else ''}")
        checked = f"{found.files:,} files, {in_bytes(found.bytes)} in {root}"
        if found.altered and not remove:
            say(f"{checked}: {len(found.altered)} of them altered; --remove takes them away, and a run makes them anew")
        else:
            say(f"{checked}: " + (f"{len(found.removed)} removed" if found.altered else "all whole"))
    if found.altered:
        raise SystemExit(1)
