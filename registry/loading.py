"""Load one plugin: all of it or, with the reason, nothing."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterable
from importlib.metadata import EntryPoint
from types import ModuleType
from typing import Any

import pluggy

from . import hookspecs
from .catalogue import Catalogue, Plugin
from .component import Component
from .errors import nearest
from .hookspecs import API_VERSION, HOOKS, PROJECT, WRAPPED
from .importing import replaced_in_torch, watched_import

#: A plugin that calls sys.exit() at import must not end the command that only wanted to list it.
BREAKAGE = (Exception, SystemExit)


class PluginRejected(Exception):
    """The plugin imported, but does not keep to the API; the message says how."""


def new_manager() -> pluggy.PluginManager:
    """pluggy's, knowing our hooks."""
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(hookspecs)
    return manager


def load_plugin(entry: EntryPoint) -> Plugin:
    """Import one entry point and take its components, all or none; any failure ends up in ``Plugin.failure``."""
    distribution, version = provider(entry)
    start = time.perf_counter()
    components: tuple[Component, ...] = ()
    module = failure = None
    notes: list[str] = []
    try:
        with watched_import(entry.name, f"{distribution} {version}".strip()) as notes:
            module = entry.load()
            components = _register(module, notes)
    except BREAKAGE as error:
        failure = said(error)
        if isinstance(error, ModuleNotFoundError) and error.name == entry.value.partition(":")[0]:
            failure += f", which its entry point `{entry.name} = {entry.value}` in group {entry.group} names; "
            failure += f"install {distribution} again, or remove it: pip uninstall {distribution}"
    if isinstance(module, ModuleType) and (names := replaced_in_torch(module)):
        notes.append(f"puts its own in place of {_few(names)}: numbers may differ from those without it")
    api = getattr(module, "GRAFTWORK_API", None)
    seconds = time.perf_counter() - start
    kept = None if failure else module
    return Plugin(entry.name, distribution, version, seconds, failure, components, api, tuple(notes), module=kept)


def provider(entry: EntryPoint) -> tuple[str, str]:
    """Distribution and version that an entry point is of."""
    return (entry.dist.name, entry.dist.version) if entry.dist else ("unknown", "")


def said(error: BaseException) -> str:
    """An exception in one line; where an import led to it that has moved, with its place now."""
    from .moved import moved  # a table that is read only where something failed

    text = str(error) if isinstance(error, PluginRejected) else f"{type(error).__name__}: {error}"
    place = moved(error)
    return " ".join([*text.split(), *([f"({place})"] if place else [])])


def _register(module: Any, notes: list[str]) -> tuple[Component, ...]:
    api = getattr(module, "GRAFTWORK_API", None)
    if api != API_VERSION:
        hint = f"; write GRAFTWORK_API = {API_VERSION} into {module.__name__}" if api is None else ""
        raise PluginRejected(f"declares GRAFTWORK_API = {api!r}; this Graftwork speaks {API_VERSION}{hint}")
    if reason := _mistaken_hook(module):
        raise PluginRejected(reason)
    manager = new_manager()
    with warnings.catch_warnings(record=True) as caught:  # warn_on_impl_args speaks of arguments that will go
        warnings.simplefilter("always")
        manager.register(module)
    notes += [" ".join(str(one.message).split()) for one in caught]
    manager.check_pending()
    given = manager.hook.graftwork_components()
    for one in given:
        if not isinstance(one, Iterable):
            raise PluginRejected(
                f"graftwork_components gave one {type(one).__name__}, not several: yield it, or return a list"
            )
    components = tuple(component for several in given for component in several)
    for component in components:
        if not isinstance(component, Component):
            raise PluginRejected(f"graftwork_components gave a {type(component).__name__}, not a Component")
    Catalogue([Plugin(module.__name__, module.__name__, "", components=components)])  # refuses what it declares twice
    return components


def _mistaken_hook(module: ModuleType) -> str | None:
    """What is wrong with a hook that pluggy would silently never call, or call otherwise than meant."""
    for name, value in vars(module).items():
        options = getattr(value, f"{PROJECT}_impl", None)
        if not isinstance(options, dict):
            if name in HOOKS and value is not HOOKS[name]:
                return f"defines hook `{name}` without the decorator @hookimpl"
            continue
        hook = options.get("specname") or name
        if hook not in HOOKS:
            near = nearest(hook, HOOKS)
            return f"implements unknown hook `{hook}`" + (f"; did you mean `{near}`?" if near else "")
        if hook in WRAPPED and not options.get("wrapper"):
            return f"implements hook `{hook}` without wrapping it; write @hookimpl(wrapper=True) and one yield"
        if hook not in WRAPPED and (options.get("wrapper") or options.get("hookwrapper")):
            return f"wraps hook `{hook}`, which takes no wrappers; write @hookimpl alone"
    return None


def _few(names: list[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"{', '.join(names[:3])}{more}"
