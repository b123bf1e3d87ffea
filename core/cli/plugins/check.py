"""``graftwork plugins check``."""

from __future__ import annotations

import dataclasses

import click

from ..options import format_option
from ..say import print_json, say


@click.command("check", epilog="Example: graftwork plugins check graftwork-shift --kind adapter --format json")
@click.argument("name")
@click.option("--kind", help="Components of this kind alone.")
@click.option("--type", "type_", help="The component of this type alone.")
@format_option("text", "json")
def command(name: str, kind: str | None, type_: str | None, style: str) -> None:
    """Check that every component of plugin NAME (or distribution NAME) keeps what its kind promises.

    A line a check. Examples come from `graftwork_examples` in the plugin's entry module. Exit code 1 if any fails.
    """
    from ...testing.installed_plugin import check_plugin

    outcomes = []
    for one in check_plugin(name, kind=kind, type_=type_):
        outcomes.append(one)
        if style == "text":
            number = f" example {one.example}" if one.example else ""
            detail = f": {one.detail}" if one.detail else ""
            say(f"{one.status:<8} {one.component}{number} {one.check}{detail}")
    failed = sum(not one.ok for one in outcomes)
    if style == "json":
        print_json([dataclasses.asdict(one) for one in outcomes])
    else:
        say(f"{len(outcomes)} checks, {failed} to mend")
    if failed:
        raise SystemExit(1)
