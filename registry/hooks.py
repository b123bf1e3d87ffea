"""The hooks of the loaded plugins, called: one typed function a hook.

pluggy registers, checks and orders the implementations. They are called one by one, so that one plugin's exception is
that plugin's alone, and so that a stage can be a ``with`` block (decision 32).
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Generator, Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pluggy

from .catalogue import Plugin
from .errors import GraftworkError
from .hookspecs import Check, StageContext
from .loading import BREAKAGE, new_manager, said

G = TypeVar("G")


class HookError(GraftworkError):
    """A plugin's hook failed where the run cannot go on without it."""


class Hooks:
    """The hooks of plugins, and of the objects that one run adds."""

    def __init__(self, plugins: Iterable[Plugin] = ()) -> None:
        self._manager = new_manager()
        self._deaf: set[str] = set()
        for plugin in reversed([one for one in plugins if one.module is not None]):  # pluggy calls the last one first
            if not self._manager.is_registered(plugin.module):
                self._manager.register(plugin.module, f"{plugin.name} of {plugin}")

    def add(self, listener: object, name: str) -> None:
        """Let an object's ``@hookimpl`` methods be called as well."""
        self._manager.register(listener, name)

    def commands(self, group: Callable[[], G]) -> Iterator[tuple[str, G | str]]:
        """Plugin, and ``group()`` with its commands, or the reason why it has none."""
        for call in self._calls("graftwork_commands"):
            cli = group()
            try:
                with contextlib.redirect_stdout(sys.stderr):
                    _called(call, cli=cli)
            except BREAKAGE as error:
                yield call.plugin_name, f"its graftwork_commands failed: {said(error)}"
            else:
                yield call.plugin_name, cli

    def run_event(self, event: object) -> list[str]:
        """Let everyone hear it; a line for each plugin that raised and is told nothing more by this object."""
        failures = []
        for call in self._calls("graftwork_run_event"):
            if call.plugin_name in self._deaf:
                continue
            try:
                _called(call, event=event)
            except Exception as error:  # noqa: BLE001  # an observer must not end the run it observes
                self._deaf.add(call.plugin_name)
                failures.append(
                    f"plugin {call.plugin_name}: its graftwork_run_event failed, and it hears no more of this run: "
                    f"{said(error)}"
                )
        return failures

    @contextlib.contextmanager
    def stage(self, stage: str, context: StageContext) -> Iterator[None]:
        """The block is a stage, within everybody's wrappers. Raises ``HookError`` where one of them fails."""
        with contextlib.ExitStack() as around:
            for call in self._calls("graftwork_stage"):
                around.enter_context(_wrapped(call, stage, context))
            yield

    def doctor(self) -> list[Check]:
        """Everybody's checks; a hook that breaks is a failed check of its own."""
        return [check for call in self._calls("graftwork_doctor") for check in _checked(call)]

    def suites(self) -> list[tuple[str, str, Path]]:
        """Plugin, name and file of everybody's suites of methods. Raises ``HookError`` where a hook fails."""
        return [one for call in self._calls("graftwork_suites") for one in _named_files(call)]

    def _calls(self, hook: str) -> list[pluggy.HookImpl]:
        """In the order of calling; wrappers from the outside in."""
        return list(reversed(getattr(self._manager.hook, hook).get_hookimpls()))


def _called(call: pluggy.HookImpl, **arguments: object) -> Any:
    """The implementation with those of the arguments that it takes."""
    return call.function(*(arguments[name] for name in call.argnames))


def _checked(call: pluggy.HookImpl) -> list[Check]:
    try:
        with contextlib.redirect_stdout(sys.stderr):
            checks = list(_called(call))
        if stray := next((one for one in checks if not isinstance(one, Check)), None):
            raise TypeError(f"it gave a {type(stray).__name__}, not a Check")
        return checks
    except BREAKAGE as error:
        name = call.plugin_name.partition(" of ")[0]
        return [Check(f"plugin {name}", False, f"its doctor hook failed: {error}", "report it to the plugin's author")]


def _named_files(call: pluggy.HookImpl) -> list[tuple[str, str, Path]]:
    try:
        return [(call.plugin_name, str(name), Path(path)) for name, path in _called(call).items()]
    except GraftworkError:
        raise
    except BREAKAGE as error:
        raise HookError(f"plugin {call.plugin_name}: its graftwork_suites failed: {said(error)}") from error


@contextlib.contextmanager
def _wrapped(call: pluggy.HookImpl, stage: str, context: StageContext) -> Iterator[None]:
    """One wrapper around a block, whose exception stays raised whatever the wrapper does with it."""
    wrapper: Generator[None, None, None] = _called(call, stage=stage, context=context)
    with _own_failure(call, f"before stage `{stage}`"):
        if not hasattr(wrapper, "send") or next(wrapper, wrapper) is wrapper:
            raise TypeError("a wrapper yields once, and this one does not")
    try:
        yield
    except BaseException as error:
        with contextlib.suppress(BaseException):  # what the wrapper raises now would hide why the stage failed
            wrapper.throw(error)
        raise
    with _own_failure(call, f"after stage `{stage}`"):
        if next(wrapper, wrapper) is not wrapper:
            raise TypeError("a wrapper yields once, and this one does again")


@contextlib.contextmanager
def _own_failure(call: pluggy.HookImpl, when: str) -> Iterator[None]:
    try:
        yield
    except GraftworkError:
        raise
    except BREAKAGE as error:
        name = call.plugin_name.partition(" of ")[0]
        raise HookError(
            f"plugin {call.plugin_name}: its graftwork_stage failed {when}: {said(error)}; --plugins-block {name} "
            "leaves the plugin out"
        ) from error
