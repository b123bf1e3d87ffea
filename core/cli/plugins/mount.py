"""The commands that plugins bring."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

import click

from ..say import say_note


def plugin_commands(taken: Iterable[str]) -> dict[str, click.Command]:
    """Name to command, of all plugins, without names that are ``taken``; that is said on standard error, once."""
    return {name: command for name, (command, _) in _mounted_here(taken).items()}


def commands_by_plugin(taken: Iterable[str]) -> dict[str, list[str]]:
    """Plugin (``name of distribution version``) to the names of its commands."""
    found: dict[str, list[str]] = {}
    for name, (_, plugin) in _mounted_here(taken).items():
        found.setdefault(plugin, []).append(name)
    return found


def _mounted_here(taken: Iterable[str]) -> dict[str, tuple[click.Command, str]]:
    from ....registry.selection import PluginSelection

    return _mounted(PluginSelection.from_environment(), frozenset(taken))


@cache
def _mounted(selection: object, taken: frozenset[str]) -> dict[str, tuple[click.Command, str]]:
    """Asked once for what the environment selects."""
    from ....registry.discovery import default_plugins
    from ....registry.hooks import Hooks

    mounted: dict[str, tuple[click.Command, str]] = {}
    for plugin, given in Hooks(default_plugins()).commands(lambda: click.Group("graftwork")):
        if isinstance(given, str):
            say_note(f"plugin {plugin}: {given}", "warning")
            continue
        for name, command in given.commands.items():
            owner = "Graftwork" if name in taken else mounted[name][1] if name in mounted else None
            if owner:
                say_note(f"plugin {plugin}: its command `{name}` is that of {owner}; left out", "warning")
            else:
                mounted[name] = command, plugin
    return mounted
