"""The errors a user may meet. Each carries what, where and what to do, and the exit code of the command line."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

_PLAIN_KEY = re.compile(r"[A-Za-z_$][\w$-]*\Z", re.ASCII)


class GraftworkError(Exception):
    """Base of every error meant for a person. Exit code 1: the environment (device, disk, model) is at fault.

    Its words are ``printable``, whatever names of a stranger's files are in them.
    """

    exit_code = 1

    def __str__(self) -> str:
        return printable(super().__str__())


class UserError(GraftworkError):
    """What the user gave (spec, data, run folder) is at fault. Exit code 2."""

    exit_code = 2


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong in a spec, and where."""

    #: What is wrong, in one line.
    reason: str
    #: Keys and indices from the root of the spec to the value.
    path: tuple[str | int, ...] = ()
    #: What to do about it: the nearest name, the right section.
    hint: str | None = None
    #: The file, or ``--set KEY`` for a value given on the command line.
    source: str | None = None
    #: 1-based position of the value in that file.
    line: int | None = None
    column: int | None = None

    @property
    def json_path(self) -> str:
        """The path as ``$.graph.threshold``, ``$.reporters[0]`` or ``$.search["graph.threshold"]``."""
        return "$" + "".join(
            f".{part}" if isinstance(part, str) and _PLAIN_KEY.match(part) else f"[{json.dumps(part)}]"
            for part in self.path
        )

    def __str__(self) -> str:
        place = _clipped(self.source or "", 1000)
        if self.line is not None:
            place += f":{self.line}:{self.column}"
        lead = f"{place}: " if place else ""
        hint = f" ({_clipped(self.hint, 600)})" if self.hint else ""
        return one_line(f"{lead}{_clipped(self.json_path, 300)}: {_clipped(self.reason, 600)}{hint}")


def _clipped(text: str, most: int) -> str:
    """``text``, without its middle where it is longer than anybody would read."""
    return text if len(text) <= most else f"{text[: most // 2]} ... {text[-most // 3 :]}"


def printable(text: str) -> str:
    """``text`` with whatever a terminal would act upon written as escapes: escape sequences, carriage returns, letters
    that turn the direction of writing. Line breaks and tabs stay.
    """
    return text if text.isprintable() else "".join(map(_shown, text))


def one_line(text: str) -> str:
    """The same with line breaks and tabs as escapes, too."""
    return printable(text).replace("\n", "\\n").replace("\t", "\\t")


def _shown(letter: str) -> str:
    if letter.isprintable() or letter in "\n\t" or unicodedata.category(letter) == "Zs":
        return letter
    return letter.encode("unicode_escape", "surrogatepass").decode()


class SpecError(UserError):
    """A spec that cannot be used; holds every problem found, not only the first."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class MissingExtra(UserError):
    """An optional library is not installed; the message says how to get it."""


#: Module to the extra that brings it: what a built-in component, or a chart, needs beyond the core.
EXTRAS = {
    "av": "video",
    "datasets": "data",
    "matplotlib": "charts",
    "mlxtend": "sets",
    "open_clip": "clip",
    "optuna": "search",
    "peft": "lora",
    "resvg_py": "sets",
    "sklearn": "probes",
    "soundfile": "audio",
    "timm": "vision",
    "torch_geometric": "pyg",
    "webdataset": "data",
}


def missing_extra(error: ImportError, what: str = "this") -> MissingExtra | None:
    """The error with the command that installs what was to be imported; ``None`` where no extra brings it."""
    module = (error.name or "").partition(".")[0]
    if not isinstance(error, ModuleNotFoundError) or module not in EXTRAS:
        return None
    return MissingExtra(f'{what} needs {module}, which is not installed: pip install "graftwork[{EXTRAS[module]}]"')


def imported(module: str, what: str) -> Any:
    """A module that an extra brings. Raises ``MissingExtra`` without it."""
    from importlib import import_module

    try:
        return import_module(module)
    except ImportError as error:
        if (missing := missing_extra(error, what)) is None:
            raise
        raise missing from error


#: Verbs of several, and of one.
_OF_ONE = {"are": "is", "have": "has", "lie": "lies", "stand": "stands"}


def counted(count: int, noun: str, verb: str = "") -> str:
    """``1 item``, ``1,200 items``; with a verb ``1 item is``, ``2 items are``. ``noun`` is that of several."""
    one = noun.removesuffix("es") if noun.endswith("sses") else noun.removesuffix("s")
    words = (one, _OF_ONE.get(verb, verb)) if count == 1 else (noun, verb)
    return " ".join([f"{count:,}", *filter(None, words)])


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name most like ``name``, or ``None`` when none is near."""
    from difflib import get_close_matches  # `--help` knows every name and waits for no more than it needs

    return next(iter(get_close_matches(name, list(known), n=1, cutoff=0.6)), None)


#: What torch's CPU allocator says when it fails; on an accelerator an ``OutOfMemoryError`` of torch's is raised.
_CPU_SAYS = ("not enough memory", "can't allocate memory")


def memory_ran_out(error: BaseException) -> bool:
    """Whether there was no room for a tensor or an array, on an accelerator or on the CPU."""
    named = any(kind.__name__ == "OutOfMemoryError" for kind in type(error).__mro__)  # without importing torch
    return named or isinstance(error, MemoryError) or any(part in str(error).lower() for part in _CPU_SAYS)
