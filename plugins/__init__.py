"""The built-in plugin: everything that ships with Graftwork, registered through the hooks that are open to everyone.

One folder a kind: its ``__init__`` holds the light specs and declarations, the modules beside it the implementations,
imported on first use.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ..registry.component import Component
from ..registry.hookspecs import Check, hookimpl
from . import (
    adapters,
    captioners,
    datasets,
    encoders,
    experts,
    graphs,
    heads,
    optimizers,
    regularizers,
    reporters,
    tasks,
)
from .examples import graftwork_examples as graftwork_examples

GRAFTWORK_API = 1
_SUITES = Path(__file__).resolve().parent / "suites"

_FOLDERS = (
    datasets,
    captioners,
    encoders,
    graphs,
    adapters,
    experts,
    heads,
    tasks,
    regularizers,
    optimizers,
    reporters,
)


@hookimpl
def graftwork_components() -> Iterator[Component]:
    """Every built-in component."""
    for folder in _FOLDERS:
        yield from folder.COMPONENTS


@hookimpl
def graftwork_commands(cli: Any) -> None:
    """Training the pocket models."""
    from .pocket.command import command

    cli.add_command(command)


@hookimpl
def graftwork_suites() -> Mapping[str, Path]:
    """The files of ``suites/``."""
    return {name: _SUITES / f"{name}.json" for name in ("few_shot", "probes", "towers")}


@hookimpl
def graftwork_doctor() -> Iterable[Check]:
    """Look at torch, open_clip and the pocket model."""
    from .doctor import checks

    return checks()
