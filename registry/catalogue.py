"""The catalogue: every installed component, looked up by kind and type, never by a Python path."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from .component import Component
from .errors import GraftworkError, UserError, nearest
from .spec import Spec


@dataclass(frozen=True, slots=True)
class Plugin:
    """One discovered plugin, loaded or not."""

    #: Name of its entry point.
    name: str
    #: Distribution that provides it, and that distribution's version.
    distribution: str
    version: str
    #: Seconds its entry module took to import and register.
    seconds: float = 0.0
    #: Why it could not be loaded; ``None`` when it was.
    failure: str | None = None
    #: Its components, in the order it declared them.
    components: tuple[Component, ...] = ()
    #: The ``GRAFTWORK_API`` that it declares.
    api: int | None = None
    #: What its author should know: it imports torch, replaces a function of torch's, uses what will go.
    notes: tuple[str, ...] = ()
    #: The switch by which it was left out, unloaded.
    left_out: str | None = None
    #: What its entry point names, once loaded.
    module: Any = field(default=None, repr=False, compare=False)

    def __str__(self) -> str:
        return f"{self.distribution} {self.version}".strip()


class UnknownComponent(UserError):
    """No installed component of that kind has that type."""

    def __init__(self, reason: str, hint: str) -> None:
        self.reason, self.hint = reason, hint
        super().__init__(f"{reason} ({hint})")


class DuplicateComponent(GraftworkError):
    """Two plugins declare one type of one kind."""


class Catalogue:
    """Immutable look-up over what the plugins declared.

    Raises ``DuplicateComponent`` naming both distributions when two plugins declare one type, or one spec class.
    """

    def __init__(self, plugins: Iterable[Plugin] = ()) -> None:
        self.plugins = tuple(plugins)
        self._components: dict[tuple[str, str], Component] = {}
        self._owners: dict[tuple[str, str], Plugin] = {}
        self._by_spec: dict[type[Spec], Component] = {}
        for plugin in self.plugins:
            for component in plugin.components:
                self._add(component, plugin)

    def _add(self, component: Component, plugin: Plugin) -> None:
        key = (component.kind, component.type)
        if key in self._components:
            other = self._owners[key]
            both = (
                f"twice by {plugin}" if other is plugin else f"by both {other} and {plugin}; {_one_of(other, plugin)}"
            )
            raise DuplicateComponent(f"{component.kind} type `{component.type}` is declared {both}")
        if same := self._by_spec.get(component.spec):
            raise DuplicateComponent(
                f"spec class {component.spec.__name__} is that of both {same.name} ({self.owner(same)}) and "
                f"{component.name} ({plugin}); give each its own"
            )
        self._components[key], self._owners[key], self._by_spec[component.spec] = component, plugin, component

    def __deepcopy__(self, memo: object) -> Catalogue:
        """Itself: what is installed has no copy, and modules, which plugins are, cannot be copied."""
        return self

    def __iter__(self) -> Iterator[Component]:
        return iter(self._components.values())

    def kinds(self) -> tuple[str, ...]:
        """The kinds that have at least one type, in order of declaration."""
        return tuple(dict.fromkeys(kind for kind, _ in self._components))

    def types(self, kind: str) -> tuple[str, ...]:
        """The installed types of a kind, sorted."""
        return tuple(sorted(type_ for kind_, type_ in self._components if kind_ == kind))

    def owner(self, component: Component) -> Plugin:
        """The plugin that declared ``component``."""
        return self._owners[component.kind, component.type]

    def find(self, kind: str, type_: str) -> Component:
        """The component of that kind and type; ``UnknownComponent`` with the nearest name when there is none."""
        try:
            return self._components[kind, type_]
        except KeyError:
            raise UnknownComponent(f"unknown {kind} type `{type_}`", self._suggest(kind, type_)) from None

    def component_of(self, spec: Spec) -> Component:
        """The component whose spec class is that of ``spec``."""
        try:
            return self._by_spec[type(spec)]
        except KeyError:
            raise UnknownComponent(
                f"{type(spec).__name__} belongs to no installed component", "declare it in graftwork_components"
            ) from None

    def _suggest(self, kind: str, type_: str) -> str:
        if len(alike := [f"`{one}`" for one in self.types(kind) if type_ in one.split("_")]) > 1:
            return f"did you mean {', '.join(alike[:-1])} or {alike[-1]}?"
        if near := nearest(type_, self.types(kind)):
            return f"did you mean `{near}`?"
        if elsewhere := [other for other, name in self._components if name == type_]:
            return f"`{type_}` is of kind {elsewhere[0]}"
        broken = [
            f"; plugin {plugin} could not be loaded: {plugin.failure}" for plugin in self.plugins if plugin.failure
        ]
        broken += [f"; plugin {plugin} is left out by {plugin.left_out}" for plugin in self.plugins if plugin.left_out]
        return f"installed: {', '.join(self.types(kind)) or 'none'}{''.join(broken)}"


def _one_of(first: Plugin, second: Plugin) -> str:
    """How to be rid of one of two."""
    one = next((one for one in (second, first) if one.distribution != "graftwork"), second)
    blockable = one.distribution if first.name == second.name else one.name  # a name blocks all that have it
    return f"uninstall one of them, or leave one out with --plugins-block {blockable}"
