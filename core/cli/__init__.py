"""The command line. Little is imported before signals are caught: until then Ctrl-C is a traceback of Python's."""

from __future__ import annotations

import errno
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .commands import COMMANDS, cli
    from .signals import Received

__all__ = ["COMMANDS", "cli", "main"]


def main() -> None:
    """Entry point. Exit codes: 0 done, 2 the user's input is at fault, 1 the environment is, 130 interrupted, 143
    terminated.
    """
    from .signals import caught_signals

    with caught_signals() as received:
        from .streams import dropping_streams

        with dropping_streams():
            _run(received)


def _run(received: Received) -> None:
    """Run the command of ``sys.argv``, and say how it ended."""
    try:
        received.raises = True
        from .commands import cli

        try:
            cli.main(prog_name="graftwork", standalone_mode=False, obj=received)
        finally:
            sys.stdout.flush()
    except SystemExit as end:
        received.raises = False
        if not (received.signal and end.code):  # what it ended as may come of the signal
            raise
        sys.exit(received.said())
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001  # said, or raised again
        received.raises = False
        interrupted = received.signal or isinstance(error, KeyboardInterrupt)
        sys.exit(received.said() if interrupted else _say(error, received))
    finally:
        received.raises = False


def _say(error: Exception | KeyboardInterrupt, received: Received) -> int:
    """Say what went wrong; the exit code. Raises what is neither a user's mistake nor a plugin's."""
    import click

    from ...registry.errors import GraftworkError, memory_ran_out, missing_extra, one_line
    from .say import say, say_usage

    if isinstance(error, click.Abort):
        return received.said()
    if isinstance(error, click.ClickException):
        say_usage(error)
        return error.exit_code
    if isinstance(error, GraftworkError):
        say(f"error: {error}", err=True)
        return error.exit_code
    if isinstance(error, ImportError) and (missing := missing_extra(error)):
        say(f"error: {missing}", err=True)
        return missing.exit_code
    if memory_ran_out(error):
        asked = one_line(str(error).partition("\n")[0] or type(error).__name__)
        say(f"error: memory ran out: {asked}; a smaller batch_size, fewer items or fewer edges take less", err=True)
        return 1
    if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:
        say(f"error: {one_line(str(error.filename))[:60]}...: no file can have so long a name, or path", err=True)
        return 2
    from .plugins.fault import plugin_fault

    if (told := plugin_fault(error)) is None:
        raise error
    say(told, err=True)
    return 1


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from . import commands

    return getattr(commands, name)
