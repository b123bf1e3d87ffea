"""Check every component of an installed plugin on the examples that it brings."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, entry_points, version
from pathlib import Path
from typing import Any

from ...registry.catalogue import Catalogue, Plugin
from ...registry.component import Component
from ...registry.discovery import GROUP, default_catalogue
from ...registry.errors import GraftworkError, UserError, nearest
from .case import Case
from .check import Check
from .component_checks import Outcome, cases, known_checks, run_check
from .kinds import kind_of
from .outcome import ConformanceError

Examples = Sequence[Mapping[str, Any]] | str
#: ``kind.type`` to its examples, or to the reason why it cannot be tried here; or to a function that gives either, and
#: writes the files that its examples name into a folder.
ExampleTable = Mapping[str, Examples | Callable[[Path], Examples]]


class UnknownPlugin(UserError):
    """No installed plugin, or none of its components, is called that."""


class BrokenPlugin(GraftworkError):
    """The plugin could not be loaded, so there is nothing to check."""


def find_plugin(name: str, catalogue: Catalogue) -> Plugin:
    """By its own name or its distribution's. Raises ``UnknownPlugin``, ``BrokenPlugin``."""
    known = {one: plugin for plugin in catalogue.plugins for one in (plugin.distribution, plugin.name)}
    if name not in known:
        near = nearest(name, known)
        hint = f"did you mean `{near}`?" if near else f"installed: {', '.join(one.name for one in catalogue.plugins)}"
        if _is_installed(name):
            hint = (
                f"a package of that name is installed, and has no entry point in the group {GROUP}: see its pyproject"
            )
        raise UnknownPlugin(f"no plugin is called `{name}`; {hint}")
    plugin = known[name]
    if plugin.failure:
        raise BrokenPlugin(f"plugin {plugin.name} of {plugin} could not be loaded: {plugin.failure}")
    return plugin


def _is_installed(distribution: str) -> bool:
    try:
        return bool(version(distribution))
    except (PackageNotFoundError, ValueError):
        return False


def plugin_attribute(plugin: Plugin, name: str) -> Any:
    """That attribute of the plugin's entry module; ``None`` where it has none."""
    for entry in entry_points(group=GROUP, name=plugin.name):
        return getattr(entry.load(), name, None)
    return None


def examples_of(plugin: Plugin, component: Component, folder: Path) -> Examples | None:
    """What ``graftwork_examples`` of the plugin has for that component; files lie in a folder of its own."""
    table: ExampleTable = plugin_attribute(plugin, "graftwork_examples") or {}
    given = table.get(component.name)
    if not callable(given):
        return given
    own = folder / component.name
    own.mkdir(parents=True, exist_ok=True)
    return given(own)


def chosen(plugin: Plugin, kind: str | None, type_: str | None) -> list[Component]:
    """Its components of that kind and type. Raises ``UnknownPlugin`` with the nearest where there is none."""
    for what, wanted, of in (("kind", kind, "kind"), ("type", type_, "type")):
        there = [getattr(one, of) for one in plugin.components]
        if wanted is not None and wanted not in there:
            near = nearest(wanted, there)
            hint = f"did you mean `{near}`?" if near else f"it has: {', '.join(dict.fromkeys(there)) or 'none'}"
            raise UnknownPlugin(f"plugin {plugin.name} has no component of {what} `{wanted}`; {hint}")
    return [one for one in plugin.components if kind in (None, one.kind) and type_ in (None, one.type)]


def check_plugin(
    name: str, *, kind: str | None = None, type_: str | None = None, catalogue: Catalogue | None = None
) -> Iterator[Outcome]:
    """Every check of every component of a plugin (or of those of one kind and type), as they are done.

    Its entry module may bring ``graftwork_examples`` (an ``ExampleTable``) and ``graftwork_expected_failures``
    (``kind.type`` to check to reason). Raises ``UnknownPlugin``, ``BrokenPlugin``, ``UnknownCheck``.
    """
    found = catalogue or default_catalogue()
    plugin = find_plugin(name, found)
    components = chosen(plugin, kind, type_)
    with tempfile.TemporaryDirectory(prefix="graftwork-examples-") as folder:
        for component, check, case, number, expected in planned(plugin, components, Path(folder), found):
            if isinstance(case, Outcome):
                yield case
            else:
                assert check is not None, component
                yield run_check(check, case, number, expected)


Planned = tuple[Component, Check | None, Case | Outcome, int, str | None]


def require_known_tables(plugin: Plugin) -> None:
    """Whether its tables name its own components: what is misspelt is not tried. Raises ``UnknownPlugin``."""
    names = [one.name for one in plugin.components]
    for table in ("graftwork_examples", "graftwork_expected_failures"):
        for name in plugin_attribute(plugin, table) or {}:
            if name not in names:
                near = nearest(name, names)
                hint = f"did you mean `{near}`?" if near else f"it has: {', '.join(names) or 'none'}"
                raise UnknownPlugin(f"{table} of plugin {plugin.name} names `{name}`, which it does not bring; {hint}")


def planned(plugin: Plugin, components: Sequence[Component], folder: Path, catalogue: Catalogue) -> Iterator[Planned]:
    """Each check to come with its case; in the place of a case, what is already known of a component without one."""
    require_known_tables(plugin)
    failing: Mapping[str, Mapping[str, str]] = plugin_attribute(plugin, "graftwork_expected_failures") or {}
    for component in components:
        expected = known_checks(component, failing.get(component.name))
        given = examples_of(plugin, component, folder)
        if isinstance(given, str):
            yield component, None, Outcome(component.name, "example", 0, "skipped", given), 0, None
            continue
        try:
            made = cases(component, given, catalogue)
        except ConformanceError as error:
            yield component, None, Outcome(component.name, "example", 0, "failed", str(error)), 0, None
            continue
        for number, case in enumerate(made):
            for check in kind_of(component).checks:
                yield component, check, case, number, expected.get(check.name)
