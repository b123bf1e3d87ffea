"""``graftwork init``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ..options import (
    Place,
    cache_option,
    force_option,
    format_option,
    require_free,
    set_option,
    warn_of_broken_plugins,
)
from ..say import print_json, print_table, say, say_progress

if TYPE_CHECKING:
    from ...events import Event

#: Letters of a line of the table: with its frame and first column it fits 80.
_WIDE = 60


@click.command(
    "init", epilog="Example: graftwork init pictures && graftwork compare --methods few_shot pictures/spec.json"
)
@click.argument("path", metavar="FOLDER|FILE", type=click.Path())
@set_option
@click.option(
    "--out", type=Place(dir_okay=False), help="The spec to write. [default: spec.json in FOLDER, or beside FILE]"
)
@force_option
@format_option("text", "json")
@cache_option
def command(path: str, settings: tuple[str, ...], out: str | None, force: bool, style: str, cache: str | None) -> None:
    """Look at your data and write a pipeline for it, which runs as it is, with a README of what to try.

    FOLDER: a folder a class of pictures, sounds or clips, with or without split folders; or pictures with a list of
    their classes (CSV, JSON lines). FILE: such a list by itself, or vectors (.npy, .npz, .parquet) with labels.
    Nothing is fetched: the encoder is one that is on this machine, or that --set encoder=... names.
    """
    import textwrap
    from pathlib import Path

    from ....registry.discovery import default_catalogue
    from ...spec.overrides import parse_set
    from ...storage.root import store_root
    from ...survey.draft import draft
    from ...survey.readme import next_commands, rows
    from ...survey.write import place_of, write_draft

    warn_of_broken_plugins()
    target = Path(out) if out else place_of(Path(path))
    require_free(target, force)
    made = draft(path, parse_set(settings), default_catalogue(), store_root(cache), _say)
    spec, page = write_draft(made, target)
    following = next_commands(made, spec)[0][1]
    if style == "json":
        written = {"spec": str(spec), "page": str(page)}
        print_json({**written, "seen": dict(rows(made)), "notes": list(made.notes), "next": following})
        return
    shown = [(name, "\n".join(textwrap.wrap(value, _WIDE))) for name, value in rows(made)]
    print_table(("what", "seen"), shown, str(path), left=2)
    for note in made.notes:
        say(f"note: {note}")
    say(f"written: {spec} and {page.name}")
    say(f"next: {following}")


def _say(event: Event) -> None:
    """What takes a while, on standard error."""
    from ...events import StageAdvanced, StageStarted

    if isinstance(event, StageStarted) and event.total > 1000:
        say_progress(f"{event.stage}: {event.total:,}")
    elif isinstance(event, StageAdvanced) and event.done % 10_000 < 256:
        say_progress(f"{event.stage}: {event.done:,}")
