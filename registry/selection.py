"""Which plugins are loaded: all that are installed, or what environment and command line leave of them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from .errors import UserError, nearest

OFF, STRICT = "GRAFTWORK_PLUGINS_OFF", "GRAFTWORK_PLUGINS_STRICT"
ALLOW, BLOCK = "GRAFTWORK_PLUGINS_ALLOW", "GRAFTWORK_PLUGINS_BLOCK"
#: The switch of the command line that sets each variable.
SWITCHES = {OFF: "--no-plugins", ALLOW: "--plugins-allow", BLOCK: "--plugins-block", STRICT: "--strict-plugins"}
_YES, _NO = {"1", "true", "yes", "on"}, {"", "0", "false", "no", "off"}


class SelectionError(UserError):
    """A switch names no installed plugin, or says neither yes nor no."""


@dataclass(frozen=True, slots=True)
class PluginSelection:
    """By name of entry point or distribution. The built-ins are always loaded."""

    off: bool = False
    #: Only these; ``None``: all.
    allow: frozenset[str] | None = None
    block: frozenset[str] = frozenset()
    #: A plugin that cannot be loaded is an error.
    strict: bool = False

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> PluginSelection:
        """From ``GRAFTWORK_PLUGINS_OFF``, ``_ALLOW``, ``_BLOCK``, ``_STRICT``. Raises ``SelectionError``."""
        given = os.environ if environment is None else environment
        allow = given.get(ALLOW)
        return cls(
            _switch(given, OFF),
            None if allow is None else _names(allow),
            _names(given.get(BLOCK, "")),
            _switch(given, STRICT),
        )

    def left_out(self, name: str, distribution: str) -> str | None:
        """The switch that leaves the plugin out; ``None`` where it is to be loaded."""
        known = {_plain(name), _plain(distribution)}
        if self.off:
            return SWITCHES[OFF]
        if self.block & known:
            return SWITCHES[BLOCK]
        return SWITCHES[ALLOW] if self.allow is not None and not self.allow & known else None

    def require_known(self, installed: Iterable[tuple[str, str]]) -> None:
        """Names that nobody has are mistakes: what is misspelt is not blocked. Raises ``SelectionError``."""
        known = {_plain(one) for pair in installed for one in pair}
        for variable, names in ((ALLOW, self.allow or ()), (BLOCK, self.block)):
            for name in sorted(set(names) - known):
                near = nearest(name, known)
                hint = f"did you mean `{near}`?" if near else f"there are: {', '.join(sorted(known)) or 'none'}"
                raise SelectionError(f"{SWITCHES[variable]} ({variable}): no plugin is called `{name}`; {hint}")


def _switch(given: Mapping[str, str], variable: str) -> bool:
    value = given.get(variable, "").strip().lower()
    if value not in _YES | _NO:
        raise SelectionError(f"{variable} is {value!r}; write 1 or 0")
    return value in _YES


def _names(text: str) -> frozenset[str]:
    return frozenset(_plain(name) for name in text.split(",") if name.strip())


def _plain(name: str) -> str:
    """As pip compares names."""
    return name.strip().lower().replace("_", "-").replace(".", "-")
