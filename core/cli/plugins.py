"""``graftwork plugins``."""

from __future__ import annotations

import click

from .options import format_option, print_json
from .plugin_check import command as check


@click.group("plugins")
def command() -> None:
    """The packages that components come from."""


command.add_command(check)


@command.command("list", epilog="Example: graftwork plugins list --format json")
@format_option("text", "json")
def list_(style: str) -> None:
    """List every plugin found, loaded or not, and why not."""
    from ...registry.discovery import default_catalogue

    plugins = default_catalogue().plugins
    if style == "json":
        print_json(
            [
                {
                    "name": one.name,
                    "distribution": one.distribution,
                    "version": one.version,
                    "load_seconds": round(one.seconds, 4),
                    "failure": one.failure,
                    "components": [component.name for component in one.components],
                }
                for one in plugins
            ]
        )
        return
    for one in plugins:
        state = (
            f"not loaded: {one.failure}"
            if one.failure
            else f"{len(one.components)} components, {one.seconds * 1e3:.0f} ms"
        )
        click.echo(f"{one.name:<16} {one!s:<28} {state}")
