"""Every hook that Graftwork calls, on one page.

A plugin is a module named by an entry point in the group ``graftwork.plugins``. It sets ``GRAFTWORK_API = 1`` and
implements any of these functions under ``@hookimpl``:

    from graftwork.registry.hookspecs import hookimpl

    GRAFTWORK_API = 1

    @hookimpl
    def graftwork_components():
        yield Component("adapter", "prefix", PrefixSpec, "my_package.prefix:Prefix", "Learned prefix vectors")

The built-ins come in by the same door (``graftwork.plugins``). The entry module must import nothing heavy: it is
imported for every command, ``--help`` excepted.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import pluggy

from .component import Component

PROJECT = "graftwork"
#: The version of this page. A plugin names the one it was written for as ``GRAFTWORK_API``.
API_VERSION = 1

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@dataclass(frozen=True, slots=True)
class Check:
    """One line of ``graftwork doctor``."""

    #: What was looked at.
    name: str
    #: Whether it is as it should be.
    ok: bool
    #: What was found.
    detail: str
    #: What to do if it is not ok.
    remedy: str = ""


@hookspec
def graftwork_components() -> Iterable[Component]:  # type: ignore[empty-body]
    """Declare the component types that this plugin brings. Called once, when the plugin is discovered."""


@hookspec
def graftwork_doctor() -> Iterable[Check]:  # type: ignore[empty-body]
    """Look at what this plugin needs from the machine. Called by ``graftwork doctor``; may import heavy packages."""
