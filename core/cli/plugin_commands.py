"""The commands that plugins bring."""

from __future__ import annotations

from functools import cache

import click

from . import COMMANDS


def plugin_commands() -> dict[str, click.Command]:
    """Name to command, of all loaded plugins. What cannot be taken is said on standard error, once."""
    from ...registry.selection import PluginSelection

    return {name: command for name, (command, _) in _mounted(PluginSelection.from_environment()).items()}


def commands_by_plugin() -> dict[str, list[str]]:
    """Plugin (``name of distribution version``) to the names of its commands."""
    from ...registry.selection import PluginSelection

    found: dict[str, list[str]] = {}
    for name, (_, plugin) in _mounted(PluginSelection.from_environment()).items():
        found.setdefault(plugin, []).append(name)
    return found


@cache
def _mounted(selection: object) -> dict[str, tuple[click.Command, str]]:
    """Asked once for what the environment selects."""
    from ...registry.discovery import default_plugins
    from ...registry.hooks import Hooks

    mounted: dict[str, tuple[click.Command, str]] = {}
    for plugin, given in Hooks(default_plugins()).commands(lambda: click.Group("graftwork")):
        if isinstance(given, str):
            click.echo(f"warning: plugin {plugin}: {given}", err=True)
            continue
        for name, command in given.commands.items():
            owner = "Graftwork" if name in COMMANDS else mounted[name][1] if name in mounted else None
            if owner:
                click.echo(f"warning: plugin {plugin}: its command `{name}` is that of {owner}; left out", err=True)
            else:
                mounted[name] = command, plugin
    return mounted
