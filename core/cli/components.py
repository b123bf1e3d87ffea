"""``graftwork components``."""

from __future__ import annotations

import click

from .options import format_option, print_json, warn_of_broken_plugins


@click.group("components")
def command() -> None:
    """What a spec may name."""


@command.command("list", epilog="Example: graftwork components list --kind adapter")
@click.option("--kind", help="One kind alone: adapter, encoder, dataset ...")
@format_option("text", "json")
def list_(kind: str | None, style: str) -> None:
    """List the installed components."""
    from ...registry.discovery import default_catalogue
    from ...registry.nearest import nearest

    warn_of_broken_plugins()
    catalogue = default_catalogue()
    if kind is not None and kind not in catalogue.kinds():
        near = nearest(kind, catalogue.kinds())
        hint = f"did you mean '{near}'?" if near else f"known: {', '.join(catalogue.kinds())}"
        raise click.BadParameter(f"no component is of kind '{kind}'; {hint}", param_hint="--kind")
    rows = [
        {"kind": one.kind, "type": one.type, "summary": one.summary, "plugin": str(catalogue.owner(one))}
        for one in catalogue
        if kind in (None, one.kind)
    ]
    if style == "json":
        print_json(rows)
        return
    for row in rows:
        click.echo(f"{row['kind']:<12} {row['type']:<16} {row['summary']}  [{row['plugin']}]")
