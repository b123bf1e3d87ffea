"""How much a command says beside its results: ``--quiet`` and ``--verbose``, before the command or after it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from .say import LOUDNESS, say, say_note

if TYPE_CHECKING:
    import logging

_OPTIONS = {
    "quiet": ("-q", "Say nothing beside results and errors: no progress, no table of a run, no notes."),
    "verbose": ("-v", "Say each stage and training on standard error, as the library logs them."),
}


def with_loudness(command: click.Command) -> click.Command:
    """The command, and those of a group, with both options."""
    if isinstance(command, click.Group):
        for one in command.commands.values():
            with_loudness(one)
    elif not any(one.name in _OPTIONS for one in command.params):
        command.params += loudness_options()
    return command


def loudness_options() -> list[click.Parameter]:
    """``--quiet`` and ``--verbose``."""
    return [
        click.Option([short, f"--{name}"], is_flag=True, expose_value=False, callback=_choosing(name), help=text)
        for name, (short, text) in _OPTIONS.items()
    ]


def _choosing(name: str) -> Callable[[click.Context, click.Parameter, bool], None]:
    def choose(context: click.Context, parameter: click.Parameter, value: bool) -> None:
        was = context.meta.get(LOUDNESS)
        if not value or was == name:
            return
        if was:
            raise click.UsageError("--quiet and --verbose exclude each other")
        context.meta[LOUDNESS] = name
        if name == "verbose":
            _say_log(context.find_root())

    return choose


def own_log(context: click.Context) -> None:
    """While the command runs, notes in the library's log are said as a command says notes, and Python says nothing of
    it: a run's own are its reporters' to tell. Neither does a handler that another library gave Python's root logger.
    """
    import logging

    from ..events import NOTES

    library = logging.getLogger("graftwork")
    before, library.propagate = library.propagate, False
    context.call_on_close(lambda: setattr(library, "propagate", before))
    _hear(context, library, logging.NullHandler())
    _hear(context, NOTES, _handler(lambda record: say_note(record.getMessage())))


def _say_log(context: click.Context) -> None:
    import logging

    form = logging.Formatter("%(asctime)s %(name)s %(message)s", "%H:%M:%S")
    logger, before = logging.getLogger("graftwork"), logging.getLogger("graftwork").level
    handler = _handler(lambda record: say(form.format(record), err=True))
    handler.addFilter(lambda record: record.name != "graftwork.notes")
    _hear(context, logger, handler)
    logger.setLevel(logging.INFO)
    context.call_on_close(lambda: logger.setLevel(before))


def _handler(act: Callable[[logging.LogRecord], None]) -> logging.Handler:
    import logging

    class Said(logging.Handler):
        """Prints records as a command prints everything."""

        def emit(self, record: logging.LogRecord) -> None:
            """One record."""
            act(record)

    return Said()


def _hear(context: click.Context, logger: logging.Logger, handler: logging.Handler) -> None:
    """To the end of the command."""
    logger.addHandler(handler)
    context.call_on_close(lambda: logger.removeHandler(handler))
