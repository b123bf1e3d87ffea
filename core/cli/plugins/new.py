"""``graftwork plugin``: for authors of plugins."""

from __future__ import annotations

from pathlib import Path

import click

from ..options import Place, format_option
from ..say import print_json, say


class _Kind(click.Option):
    """Its help names the kinds that there are templates of, read when it is asked for."""

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """Name and help."""
        from ...scaffold.new_plugin import kinds

        self.help = f"What it brings: {', '.join(kinds())}."
        return super().get_help_record(ctx)


@click.group("plugin")
def command() -> None:
    """Write a plugin of your own."""


@command.command("new", epilog="Example: graftwork plugin new graftwork-shift --kind adapter")
@click.argument("name")
@click.option("--kind", cls=_Kind, required=True)
@click.option("--type", "type_", help="What a spec calls it. [default: NAME in snake case, without `graftwork-`]")
@click.option(
    "--out",
    type=Place(file_okay=False, path_type=Path),
    default=Path(),
    help="The folder to write the package's folder into. [default: here]",
)
@format_option("text", "json")
def new(name: str, kind: str, type_: str | None, out: Path, style: str) -> None:
    """Write package NAME: a component that works, its tests, the kit, and a pipeline that trains with it."""
    from ...scaffold.new_plugin import new_plugin

    folder = new_plugin(name, kind, out, type_)
    if style == "json":
        print_json({"folder": str(folder)})
        return
    say(f'wrote {folder}\n\n  cd {folder}\n  pip install -e ".[test]"\n  pytest\n  graftwork run example.json')
