"""What every command answers, in one process: exit code, standard output and error."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from unittest import mock

from graftwork.core.cli import main
from graftwork.core.cli.plugins import mount as plugin_commands
from graftwork.core.cli.signals import WORDS
from graftwork.registry import discovery

Answers = dict[str, dict[str, Any]]


def forget_plugins() -> None:
    """As a new process: plugins are found and loaded again."""
    for cached in (discovery._plugins_of, discovery._catalogue_of, plugin_commands._mounted):
        cached.cache_clear()


def answers(commands: Mapping[str, Sequence[str]]) -> Answers:
    """The answer to each, as the console script gives it."""
    return {name: answer(arguments) for name, arguments in commands.items()}


@contextlib.contextmanager
def handlers_put_back() -> Iterator[None]:
    """Of signals, which a command that one of them ended leaves ignored."""
    before = {one: signal.getsignal(one) for one in map(signal.Signals.__getitem__, WORDS)}
    try:
        yield
    finally:
        for one, was in before.items():
            signal.signal(one, was)


@contextlib.contextmanager
def signals_as_in_a_terminal() -> Iterator[None]:
    """Whoever runs the tests may have had signals ignored (`nohup`, a script's `&`), which what they start inherits."""
    with handlers_put_back():
        for name in WORDS:
            usual = signal.default_int_handler if name == "SIGINT" else signal.SIG_DFL
            signal.signal(signal.Signals[name], usual)
        yield


def answer(arguments: Sequence[str]) -> dict[str, Any]:
    """Of one command. The switches that it writes into the environment are gone afterwards."""
    out, err, code = io.StringIO(), io.StringIO(), 0
    with (
        mock.patch.dict(os.environ),
        mock.patch.object(sys, "argv", ["graftwork", *arguments]),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        handlers_put_back(),
    ):
        try:
            main()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
    return {"code": code, "out": out.getvalue(), "err": err.getvalue()}
