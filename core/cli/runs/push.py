"""``graftwork push``."""

from __future__ import annotations

import click

from ..options import format_option
from ..say import print_json, say


@click.command("push", epilog="Example: graftwork push runs/digits owner/digits --private --dry-run")
@click.argument("run", type=click.Path())
@click.argument("repo_id", metavar="OWNER/NAME")
@click.option("--private", is_flag=True, default=None, help="A private repository, where it is made now.")
@click.option(
    "--example", metavar="FILE|TEXT", help="A picture, sound or text to show on the card, with the run's answer."
)
@click.option("--dry-run", is_flag=True, help="Upload nothing: print the files and the card.")
@format_option("text", "json")
def command(run: str, repo_id: str, private: bool | None, example: str | None, dry_run: bool, style: str) -> None:
    """Put a finished RUN into a repository of the Hugging Face hub, with a card of what was measured.

    load("OWNER/NAME") and `graftwork predict OWNER/NAME` get it back. Pictures, texts and predictions stay here, but
    for --example. Choose a licence on the card.
    """
    from ...export.push import push

    done = push(run, repo_id, private=private, example=example, dry_run=dry_run)
    if style == "json":
        print_json({"address": done.address, "files": dict(done.files), "card": done.card, "note": done.note})
        return
    if done.address is None:
        for name, size in done.files.items():
            say(f"{size:>12,} {name}")
        say(f"\n{done.card}")
    else:
        say(done.address)
    say(f"{'would be' if dry_run else 'was'} pushed: {done.note}", err=True)
