"""``graftwork plugins``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from ....registry.errors import counted
from ..options import format_option
from ..say import print_json, say
from .check import command as check

if TYPE_CHECKING:
    from ....registry.catalogue import Plugin


@click.group("plugins")
def command() -> None:
    """The packages that components come from."""


command.add_command(check)


@command.command("list", epilog="Example: graftwork plugins list --format json")
@format_option("text", "json")
@click.pass_context
def list_(context: click.Context, style: str) -> None:
    """List every plugin found, loaded or not, and why not.

    Exit code 1 where what was found cannot be used together, or (--strict-plugins) where a plugin is broken.
    """
    from ....registry.discovery import default_catalogue, default_plugins
    from .mount import commands_by_plugin

    group = context.find_root().command
    commands = commands_by_plugin(group.list_commands(context) if isinstance(group, click.Group) else ())
    plugins = [(one, commands.get(f"{one.name} of {one}", [])) for one in default_plugins()]
    if style == "json":
        print_json([_json(one, names) for one, names in plugins])
    else:
        for one, names in plugins:
            say("\n".join(_lines(one, names)))
    default_catalogue()


@command.command("hooks", epilog="Example: graftwork plugins hooks > hooks.md")
@format_option("markdown", "json")
def hooks(style: str) -> None:
    """Print the reference of all hooks, in Markdown."""
    from .hook_page import hook_page, hooks_json

    if style == "json":
        print_json(hooks_json())
    else:
        say(hook_page(), nl=False)


def _json(plugin: Plugin, commands: list[str]) -> dict[str, Any]:
    return {
        "name": plugin.name,
        "distribution": plugin.distribution,
        "version": plugin.version,
        "api": plugin.api,
        "load_seconds": round(plugin.seconds, 4),
        "failure": plugin.failure,
        "left_out": plugin.left_out,
        "notes": list(plugin.notes),
        "components": [component.name for component in plugin.components],
        "commands": commands,
    }


def _lines(plugin: Plugin, commands: list[str]) -> list[str]:
    state = f"API {plugin.api}, {counted(len(plugin.components), 'components')}, {plugin.seconds * 1e3:.0f} ms"
    if plugin.failure:
        state = f"not loaded: {plugin.failure}"
    if plugin.left_out:
        state = f"left out by {plugin.left_out}"
    more = [f"commands: {', '.join(commands)}"] if commands else []
    return [f"{plugin.name:<16} {plugin!s:<28} {state}", *(f"{'':<16} {line}" for line in (*plugin.notes, *more))]
