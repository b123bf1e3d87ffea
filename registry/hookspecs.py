"""Every hook that Graftwork calls, on one page; `docs/hooks.md` is made from it.

A plugin is a module named by an entry point in the group ``graftwork.plugins``. It sets ``GRAFTWORK_API = 1`` and
implements any of these functions under ``@hookimpl``:

    from graftwork.registry.hookspecs import hookimpl

    GRAFTWORK_API = 1

    @hookimpl
    def graftwork_components():
        yield Component("adapter", "prefix", PrefixSpec, "my_package.prefix:Prefix", "Learned prefix vectors")

The built-ins come in by the same door (``graftwork.plugins``). The entry module must import nothing heavy: it is
imported for every command, ``--help`` excepted. An implementation may leave out arguments that it does not need.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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


@dataclass(frozen=True, slots=True)
class StageContext:
    """The run that a stage is part of."""

    #: The pipeline's name.
    name: str
    #: Its spec as JSON would hold it, defaults filled in, before any search value.
    spec: Mapping[str, Any]
    #: Where it computes: ``cpu``, ``cuda:0``.
    device: str


@hookspec
def graftwork_components() -> Iterable[Component]:  # type: ignore[empty-body]
    """Declare the component types that this plugin brings.

    Called: once a process, when the plugin is discovered; all or none of the components are taken.
    Built in: graftwork.plugins:graftwork_components declares everything that ships.
    Order: by name of the entry point; it decides nothing, since no two plugins may declare one type.
    Wrappers: none.
    If it raises: the plugin is left out, with a line on standard error.
    """


@hookspec
def graftwork_commands(cli: Any) -> None:
    """Add commands to ``cli``, a ``click.Group``; a module that takes long to import is imported inside the command.

    Called: when `graftwork` is asked for a command that it does not have itself, and by `plugins list`. `--help` calls
    no plugin: it must work whatever is installed.
    Built in: graftwork.plugins:graftwork_commands adds `graftwork pocket`, which trains the pocket models.
    Order: by name of the entry point. Each plugin gets a group of its own; a name that Graftwork or another plugin has
    already is refused and said.
    Wrappers: none.
    If it raises: its commands are left out, with a line on standard error.
    """


@hookspec
def graftwork_run_event(event: Any) -> None:
    """Hear what happens during a run: one of the records in `graftwork.core.events`. Look, and change nothing.

    Called: for every event of `graftwork run` and of each run of `sweep` and `compare`, in order, in the run's process.
    Built in: graftwork.core.run.reporters:Reporters.graftwork_run_event passes them on to the spec's reporters.
    Order: the spec's reporters first, then plugins by name of the entry point; `tryfirst` and `trylast` move one.
    Wrappers: none.
    If it raises: a note of the run says so, the plugin hears no more of that run, and the run goes on.
    """


@hookspec
def graftwork_stage(stage: str, context: StageContext) -> Generator[None, None, None]:  # type: ignore[empty-body]
    """Stand around a stage of a run (`dataset`, `describe`, `encode`, `read`, `graph`, `train`, `evaluate`).

    Called: each time that a stage runs; a stage may run several times in a run. What comes before the one `yield`
    happens before the stage, what comes after it afterwards; an exception of the stage is raised at the `yield`.
    Built in: graftwork.core.run.meter:Meter.graftwork_stage measures wall time and peak memory.
    Order: plugins by name of the entry point from the outside in, the meter innermost; `tryfirst` is further out,
    `trylast` further in.
    Wrappers: nothing else; write `@hookimpl(wrapper=True)`. The stage gives no result, and its exception stays raised
    whatever a wrapper does with it.
    If it raises: the run ends with exit code 1 and the plugin's name; a `GraftworkError` of its own is shown as it is.
    """


@hookspec
def graftwork_doctor() -> Iterable[Check]:  # type: ignore[empty-body]
    """Look at what this plugin needs from the machine; may import heavy packages.

    Called: by `graftwork doctor`.
    Built in: graftwork.plugins:graftwork_doctor looks at torch, open_clip, transformers and the pocket models.
    Order: by name of the entry point.
    Wrappers: none.
    If it raises: that is a failed check of its own.
    """


@hookspec
def graftwork_suites() -> Mapping[str, Path]:  # type: ignore[empty-body]
    """Name suites of methods for `graftwork compare --methods`: name to JSON file, laid out as
    `graftwork.core.studies.suites` says.

    Called: by `graftwork compare --methods`.
    Built in: graftwork.plugins:graftwork_suites names few_shot, probes and towers.
    Order: by name of the entry point. A name that another plugin has already is refused.
    Wrappers: none.
    If it raises: the command ends with exit code 1 and the plugin's name.
    """


#: The hooks by name, in the order of this page.
HOOKS = {name: value for name, value in list(globals().items()) if name.startswith(f"{PROJECT}_")}
#: Those that are implemented by wrappers, and by nothing else.
WRAPPED = frozenset({"graftwork_stage"})
