"""Find the installed plugins and load each on its own: a broken one costs one line and harms no other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from importlib.metadata import EntryPoint, entry_points

from .catalogue import Catalogue, DuplicateComponent, Plugin
from .errors import GraftworkError
from .hooks import Hooks
from .hookspecs import Check
from .importing import paused_collection
from .loading import load_plugin, provider
from .schema import SchemaError, component_schema
from .selection import PluginSelection

GROUP = "graftwork.plugins"
#: What the entry point of the built-ins names; they are always loaded.
BUILTIN = "graftwork.plugins"


class BrokenPlugins(GraftworkError):
    """Plugins that could not be loaded, where none may be broken."""


@paused_collection()
def load_plugins(
    entries: Iterable[EntryPoint] | None = None, selection: PluginSelection | None = None
) -> tuple[Plugin, ...]:
    """Everything installed (or ``entries``) by name, loaded or with the reason why not. Raises ``SelectionError``."""
    selection = selection or PluginSelection()
    found = sorted(entry_points(group=GROUP) if entries is None else entries, key=lambda entry: entry.name)
    selection.require_known((entry.name, provider(entry)[0]) for entry in found)
    return tuple(_load(entry, selection) for entry in found)


def _load(entry: EntryPoint, selection: PluginSelection) -> Plugin:
    distribution, version = provider(entry)
    switch = None if entry.value == BUILTIN else selection.left_out(entry.name, distribution)
    return Plugin(entry.name, distribution, version, left_out=switch) if switch else load_plugin(entry)


def discover(entries: Iterable[EntryPoint] | None = None) -> Catalogue:
    """The catalogue of everything installed (or of ``entries``)."""
    return Catalogue(load_plugins(entries))


def default_plugins() -> tuple[Plugin, ...]:
    """The plugins of this process, loaded once, as ``GRAFTWORK_PLUGINS_*`` select. Raises ``SelectionError``."""
    return _plugins_of(PluginSelection.from_environment())


def default_catalogue() -> Catalogue:
    """The catalogue of this process, made once, of what ``GRAFTWORK_PLUGINS_*`` select.

    Raises ``DuplicateComponent``; ``SelectionError``; ``BrokenPlugins`` with ``GRAFTWORK_PLUGINS_STRICT``.
    """
    return _catalogue_of(PluginSelection.from_environment())


@cache
def _plugins_of(selection: PluginSelection) -> tuple[Plugin, ...]:
    return load_plugins(selection=selection)


@cache
def _catalogue_of(selection: PluginSelection) -> Catalogue:
    plugins = _plugins_of(selection)
    if selection.strict and (broken := [one for one in plugins if one.failure]):
        lines = [f"plugin {one.name} of {one} cannot be loaded: {one.failure}" for one in broken]
        raise BrokenPlugins("\n".join([*lines, "and --strict-plugins lets no plugin be broken"]))
    return Catalogue(plugins)


def doctor_checks(plugins: Iterable[Plugin]) -> list[Check]:
    """What is wrong with the plugins themselves, then what each one's ``graftwork_doctor`` finds."""
    plugins = tuple(plugins)
    checks = [
        Check(f"plugin {plugin.name}", False, plugin.failure, f"repair or uninstall {plugin.distribution}")
        for plugin in plugins
        if plugin.failure
    ]
    for plugin in plugins:
        remedy = f"tell the author of {plugin.distribution}, or leave it out with --plugins-block {plugin.name}"
        checks += [Check(f"plugin {plugin.name}", False, note, remedy) for note in plugin.notes]
    return checks + list(_component_checks(plugins)) + Hooks(plugins).doctor()


def _component_checks(plugins: tuple[Plugin, ...]) -> Iterator[Check]:
    """Only what is wrong."""
    try:
        catalogue = Catalogue(plugins)
    except DuplicateComponent as error:
        yield Check("components", False, str(error), "until then no spec can be read")
        return
    for component in catalogue:
        try:
            component_schema(component, catalogue)
        except SchemaError as error:
            yield Check(component.name, False, str(error), "until then `graftwork schema` has nothing to give")
