"""Find the installed plugins and load each on its own: a broken one costs one line and harms no other."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType
from typing import Any

import pluggy

from . import hookspecs
from .catalogue import Catalogue, Plugin
from .component import Component
from .hookspecs import API_VERSION, PROJECT, Check
from .nearest import nearest

GROUP = "graftwork.plugins"
#: A plugin that calls sys.exit() at import must not end the command that only wanted to list it.
_BREAKAGE = (Exception, SystemExit)


class PluginRejected(Exception):
    """The plugin imported, but does not keep to the API; the message says how."""


def _manager() -> pluggy.PluginManager:
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(hookspecs)
    return manager


def _mistaken_hook(module: ModuleType) -> str | None:
    """What is wrong with a hook that pluggy would silently never call."""
    marker = f"{PROJECT}_impl"
    known = [name for name in vars(hookspecs) if name.startswith(f"{PROJECT}_")]
    for name, value in vars(module).items():
        if hasattr(value, marker) and name not in known:
            near = nearest(name, known)
            return f"implements unknown hook `{name}`" + (f"; did you mean `{near}`?" if near else "")
        if name in known and not hasattr(value, marker):
            return f"defines hook `{name}` without the decorator @hookimpl"
    return None


def _register(module: ModuleType) -> tuple[Component, ...]:
    api = getattr(module, "GRAFTWORK_API", None)
    if api != API_VERSION:
        raise PluginRejected(f"declares GRAFTWORK_API = {api!r}; this Graftwork speaks {API_VERSION}")
    if reason := _mistaken_hook(module):
        raise PluginRejected(reason)
    manager = _manager()
    manager.register(module)
    manager.check_pending()
    components = tuple(component for given in manager.hook.graftwork_components() for component in given)
    for component in components:
        if not isinstance(component, Component):
            raise PluginRejected(f"graftwork_components gave a {type(component).__name__}, not a Component")
    Catalogue([Plugin(module.__name__, module.__name__, "", components=components)])  # refuses what it declares twice
    return components


def load_plugin(entry: EntryPoint) -> Plugin:
    """Import one entry point and take its components, all or none; any failure ends up in ``Plugin.failure``."""
    distribution, version = (entry.dist.name, entry.dist.version) if entry.dist else ("unknown", "")
    start = time.perf_counter()
    components: tuple[Component, ...] = ()
    failure = None
    try:
        components = _register(entry.load())
    except _BREAKAGE as error:
        reason = str(error) if isinstance(error, PluginRejected) else f"{type(error).__name__}: {error}"
        failure = " ".join(reason.split())
    return Plugin(entry.name, distribution, version, time.perf_counter() - start, failure, components)


def discover(entries: Iterable[EntryPoint] | None = None) -> Catalogue:
    """The catalogue of everything installed (or of ``entries``)."""
    found = entry_points(group=GROUP) if entries is None else entries
    return Catalogue(load_plugin(entry) for entry in sorted(found, key=lambda entry: entry.name))


@cache
def default_catalogue() -> Catalogue:
    """The catalogue of this process, discovered once."""
    return discover()


def doctor_checks(catalogue: Catalogue) -> list[Check]:
    """Ask every loaded plugin's ``graftwork_doctor``; one that breaks becomes a failed check of its own."""
    checks = [
        Check(f"plugin {plugin.name}", False, plugin.failure, f"repair or uninstall {plugin.distribution}")
        for plugin in catalogue.plugins
        if plugin.failure
    ]
    loaded = {plugin.name for plugin in catalogue.plugins if not plugin.failure}
    for entry in entry_points(group=GROUP):
        if entry.name in loaded:
            checks += _isolated(entry.name, getattr(entry.load(), "graftwork_doctor", None))
    return checks


def _isolated(name: str, hook: Callable[[], Any] | None) -> list[Check]:
    try:
        checks = list(hook()) if hook else []
        if stray := next((one for one in checks if not isinstance(one, Check)), None):
            raise TypeError(f"it gave a {type(stray).__name__}, not a Check")
        return checks
    except _BREAKAGE as error:
        return [Check(f"plugin {name}", False, f"its doctor hook failed: {error}", "report it to the plugin's author")]
