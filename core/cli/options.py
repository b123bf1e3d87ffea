"""Arguments and options that several commands share."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

import click

from .say import say_note

if TYPE_CHECKING:
    from pathlib import Path

    from ..pipeline import Pipeline
    from ..run.jobs.machine import Jobs

F = TypeVar("F", bound=Callable[..., Any])
_ROOT = "graftwork.root"
#: Seeds that a number alone may ask for: nobody trains so often, and it may be a seed that was meant.
MOST_SEEDS = 10_000


class Place(click.Path):
    """Where something is written. None at all, as a shell makes it of a variable that is not set, is no default."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The path."""
        if not os.fspath(value):
            self.fail("the path is empty; name one, or leave the option out", param, ctx)
        return super().convert(value, param, ctx)


class SpecFile(click.Path):
    """A file with a spec; of a folder it is said which spec is in it."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The path."""
        if os.path.isdir(value):
            self.fail(f"{os.fspath(value)} is a folder; {spec_in(value)}", param, ctx)
        return super().convert(value, param, ctx)


def spec_in(folder: str | os.PathLike[str]) -> str:
    """Where the spec of a folder of data is, in words."""
    usual = os.path.join(folder, "spec.json")
    return f"its spec is {usual}" if os.path.isfile(usual) else f"graftwork init {os.fspath(folder)} writes a spec"


def force_option(function: F) -> F:
    """``--force``."""
    return click.option("--force", is_flag=True, help="Replace a file that is there.")(function)


def require_free(path: str | os.PathLike[str], force: bool, *, ours: bytes = b"", streams: bool = False) -> None:
    """Before anything is done: a file can be written there, and none is replaced but with ``force``.

    ``ours``: where nobody named the place, what the first bytes of a file hold that the command itself wrote there: it
    is written anew. ``streams``: pipes and devices are written to. Raises ``UserError``, and ``StorageError`` as
    ``require_writable``.
    """
    from pathlib import Path

    from ...registry.errors import UserError
    from ..storage.files import require_writable

    place = Path(path)
    if place.is_dir():
        raise UserError(f"{place} is a folder; name a file in it with --out")
    if place.is_file() and not force and not (ours and ours in _beginning(place)):
        raise UserError(f"{place} is there already; --force replaces it, --out FILE writes another")
    if not streams:
        require_writable(place)


def _beginning(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(2048)
    except OSError:
        return b""


def spec_argument(function: F) -> F:
    """SPEC, ``--root`` and ``--set``."""
    return root_option(set_option(click.argument("spec", type=SpecFile(dir_okay=False))(function)))


def root_option(function: F) -> F:
    """``--root``; ``read_pipeline`` finds it in the context."""
    return click.option(
        "--root",
        type=click.Path(file_okay=False, exists=True),
        expose_value=False,
        callback=lambda ctx, param, value: ctx.meta.__setitem__(_ROOT, value),
        help="What SPEC `extends` must lie in here. [default: the folder of SPEC]",
    )(function)


def set_option(function: F) -> F:
    """``--set``."""
    return click.option(
        "--set",
        "settings",
        multiple=True,
        metavar="KEY=VALUE",
        help="Override a value: a dotted path and JSON (or plain text). KEY+=ITEM appends, KEY- removes. Repeatable.",
    )(function)


def cache_option(function: F) -> F:
    """``--cache``."""
    return click.option(
        "--cache",
        type=Place(file_okay=False),
        envvar="GRAFTWORK_CACHE",
        help="Where encoded vectors are stored. [env: GRAFTWORK_CACHE; default: ~/.cache/graftwork]",
    )(function)


def format_option(*choices: str) -> Callable[[F], F]:
    """``--format``; the first choice is the default."""
    return click.option(
        "--format", "style", type=click.Choice(choices), default=choices[0], show_default=True, help="Output format."
    )


class _Seeds(click.ParamType):  # type: ignore[type-arg]  # generic from click 8.3 on
    """``3`` is seeds 0, 1, 2; ``0,4,7`` or ``[0,4,7]`` are those."""

    name = "seeds"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        """The seeds as a tuple."""
        parts = [part.strip() for part in value.strip("[] ").split(",")] if isinstance(value, str) else []
        if not parts or not all(part.isdecimal() for part in parts):
            self.fail(f"{value!r} is neither a number of seeds (3) nor a list of them (0,4,7)", param, ctx)
        numbers = tuple(int(part) for part in parts)
        if len(numbers) == 1 and numbers[0] > MOST_SEEDS and not value.startswith("["):
            self.fail(f"{value} seeds; the most is {MOST_SEEDS:,}", param, ctx)
        if len(set(numbers)) < len(numbers):
            self.fail(f"{value!r} has a seed twice", param, ctx)
        return numbers if len(numbers) > 1 or value.startswith("[") else tuple(range(numbers[0]))


def seeds_option(function: F) -> F:
    """``--seeds``."""
    return click.option(
        "--seeds",
        type=_Seeds(),
        metavar="N|LIST",
        help="So many seeds (3: 0, 1 and 2), or these (0,4,7). [default: the spec's]",
    )(function)


class _Number(click.ParamType):  # type: ignore[type-arg]  # generic from click 8.3 on
    """A number of processes, or ``auto``."""

    name = "jobs"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Jobs:
        """The number, from 1, or ``auto``."""
        if value == "auto":
            return "auto"
        if isinstance(value, str) and (not value.isdecimal() or not int(value)):
            self.fail(f"{value!r} is neither a number of processes, from 1, nor auto", param, ctx)
        return int(value)


def jobs_option(function: F) -> F:
    """``--jobs``."""
    return click.option(
        "--jobs",
        type=_Number(),
        metavar="N|auto",
        default="auto",
        show_default=True,
        help="Processes that train beside each other and share the cores; auto: as many as pay, each with all threads "
        "that one alone has.",
    )(function)


def checkpoint_option(function: F) -> F:
    """``--checkpoint-every``."""
    return click.option(
        "--checkpoint-every",
        type=click.FloatRange(0.0),
        metavar="SECONDS",
        default=60.0,
        show_default=True,
        help="How often it is written how far a training came; later where that would take more than 2 % of its time.",
    )(function)


def resume_option(function: F) -> F:
    """``--resume`` and ``--restart`` of a command that goes on by itself."""
    return click.option(
        "--resume/--restart",
        default=True,
        show_default=True,
        help="Go on within a run that was interrupted, or begin it anew. Finished runs are found either way.",
    )(function)


def lock_beside(spec: str) -> str:
    """The lock of SPEC, where none is named: ``spec.lock.json`` beside ``spec.json``."""
    return f"{spec.removesuffix('.json')}.lock.json"


def read_pipeline(spec: str, settings: tuple[str, ...]) -> Pipeline:
    """The pipeline of SPEC with its overrides; broken plugins are named on standard error."""
    from ..pipeline import Pipeline
    from ..spec.overrides import parse_set

    warn_of_broken_plugins()
    return Pipeline.from_file(spec, parse_set(settings), root=click.get_current_context().meta.get(_ROOT))


def goes_on(how: str) -> None:
    """Where the command is ended before its time, it is said that ``how`` goes on with it."""
    from .signals import Received

    received = click.get_current_context().find_root().obj
    if isinstance(received, Received):
        received.goes_on = f"{how} goes on with it"


def warn_of_broken_plugins() -> None:
    """One line on standard error for each plugin that could not be loaded, and for what else is odd about one."""
    from ...registry.discovery import default_catalogue

    for plugin in default_catalogue().plugins:
        if plugin.failure:
            say_note(f"plugin {plugin.name} of {plugin} is left out: {plugin.failure}", "warning")
        for note in plugin.notes:
            say_note(f"plugin {plugin.name} of {plugin} {note}", "warning")


@contextlib.contextmanager
def warnings_said() -> Iterator[None]:
    """What loading a run warns of, on standard error: another policy than the run's as a note."""
    import warnings

    from ..run.load import CodeWarning, PolicyWarning, ReadingWarning, UnsealedWarning

    with warnings.catch_warnings(record=True) as caught:
        for category in (PolicyWarning, CodeWarning, ReadingWarning, UnsealedWarning):
            warnings.simplefilter("always", category)
        yield
    for one in caught:
        say_note(one.message, "note" if issubclass(one.category, PolicyWarning) else "warning")
