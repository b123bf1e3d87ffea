"""``graftwork cache prune``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from ..options import cache_option, format_option
from ..say import print_json, say
from .sizes import Age, Size, in_bytes

if TYPE_CHECKING:
    from datetime import timedelta
    from pathlib import Path

    from ...storage.store.prune import Doomed, Pruned


@click.command(
    "prune", epilog="Example: graftwork cache prune --older-than 30d --keep specs/a.json --keep specs/b.json"
)
@click.option("--older-than", "age", type=Age(), metavar="AGE", help="Not used since: 12h, 30d, 8w.")
@click.option(
    "--to", "size", type=Size(), metavar="SIZE", help="The least recently used first, until SIZE is left: 10GB."
)
@click.option(
    "--keep", multiple=True, metavar="SPEC", help="What this spec needs stays; a folder: its *.json. Repeatable."
)
@click.option("--dry-run", is_flag=True, help="Say what would go.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@format_option("text", "json")
@cache_option
def command(
    age: timedelta | None,
    size: int | None,
    keep: tuple[str, ...],
    dry_run: bool,
    yes: bool,
    style: str,
    cache: str | None,
) -> None:
    """Take away what nobody needs.

    What all of --older-than, --to and --keep that are given let go, goes: all of a model, or nothing of it. What a
    running process uses stays, and so does all that is not the store's own. Leftovers of writers that died go, too.
    """
    from ...storage.root import store_root
    from ...storage.store.prune import doomed, prune

    if age is None and size is None and not keep:
        raise click.UsageError("say what may go: --older-than AGE, --to SIZE, --keep SPEC, or several of them")
    if style == "json" and not (yes or dry_run):
        raise click.UsageError("--format json asks no question: add --yes, or --dry-run")
    root = store_root(cache)
    going = doomed(root, older_than=age, to=size, needed=_needed(keep, root) if keep else None)
    if style == "text":
        _say_going(going, root)
    if dry_run or not (going.units or going.leftovers):
        done = None
    else:
        if not yes and not _confirmed(f"remove {in_bytes(going.bytes)}?"):
            say("nothing was removed")
            return
        done = prune(root, going)
    if style == "json":
        print_json(_json(root, going, done))
    elif done is not None:
        for path, why in done.stayed.items():
            say(f"stays: {path}: {why}")
        say(f"removed {in_bytes(done.bytes)} of {in_bytes(going.total)}")


def _confirmed(question: str) -> bool:
    """The answer; where nobody can give one, it is none."""
    try:
        return click.confirm(question, err=True)
    except click.Abort:  # the end of the input; a signal is a ``KeyboardInterrupt`` there, too
        if sys.stdin.isatty():
            raise
        raise click.UsageError("nobody is there to answer: add --yes, or --dry-run") from None


def _needed(keep: tuple[str, ...], root: Path) -> set[Path]:
    from pathlib import Path

    from ....registry.discovery import default_catalogue
    from ...spec.load_spec import load_spec
    from ...survey.needed import needed
    from ..options import warn_of_broken_plugins

    warn_of_broken_plugins()
    catalogue, found = default_catalogue(), set[Path]()
    for given in keep:
        files = sorted(Path(given).glob("*.json")) if Path(given).is_dir() else [Path(given)]
        if not files:
            raise click.UsageError(f"--keep {given}: there is no spec in this folder")
        for file in files:
            found |= needed(load_spec(file, None, catalogue), catalogue, root)
    return found


def _say_going(going: Doomed, root: Path) -> None:
    for unit in going.units:
        items = ", ".join(f"{part.items:,} {part.modality}" for part in unit.parts) or "no items"
        used = f"{unit.last_use.astimezone():%Y-%m-%d}"
        say(f"{unit.stage} of {unit.model}: {items}; {in_bytes(unit.bytes)}, last used {used}")
    if going.leftovers:
        say(f"{len(going.leftovers)} leftovers of writers that died, {in_bytes(sum(going.leftovers.values()))}")
    if not going.units and not going.leftovers:
        say(f"nothing of {in_bytes(going.total)} in {root} goes")
    else:
        say(f"{in_bytes(going.bytes)} of {in_bytes(going.total)} in {root} may go")


def _json(root: Path, going: Doomed, done: Pruned | None) -> dict[str, object]:
    return {
        "root": str(root),
        "total": going.total,
        "goes": {
            "bytes": going.bytes,
            "units": [one.to_json() for one in going.units],
            "leftovers": len(going.leftovers),
        },
        "removed": None
        if done is None
        else {
            "bytes": done.bytes,
            "units": [str(one.folder) for one in done.units],
            "leftovers": done.leftovers,
            "stayed": {str(path): why for path, why in done.stayed.items()},
        },
    }
