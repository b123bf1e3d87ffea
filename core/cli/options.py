"""Arguments and options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from ..pipeline import Pipeline

F = TypeVar("F", bound=Callable[..., Any])


def spec_argument(function: F) -> F:
    """SPEC and ``--set``."""
    function = click.argument("spec", type=click.Path(dir_okay=False))(function)
    return click.option(
        "--set",
        "settings",
        multiple=True,
        metavar="KEY=VALUE",
        help="Override a value: a dotted path and JSON (or plain text). Repeatable.",
    )(function)


def cache_option(function: F) -> F:
    """``--cache``."""
    return click.option(
        "--cache",
        type=click.Path(file_okay=False),
        envvar="GRAFTWORK_CACHE",
        help="Where encoded vectors are stored. [env: GRAFTWORK_CACHE; default: ~/.cache/graftwork]",
    )(function)


def format_option(*choices: str) -> Callable[[F], F]:
    """``--format``; the first choice is the default."""
    return click.option(
        "--format", "style", type=click.Choice(choices), default=choices[0], show_default=True, help="Output format."
    )


def read_pipeline(spec: str, settings: tuple[str, ...]) -> Pipeline:
    """The pipeline of SPEC with its overrides; broken plugins are named on standard error."""
    from ..load_spec import parse_set
    from ..pipeline import Pipeline

    warn_of_broken_plugins()
    return Pipeline.from_file(spec, parse_set(settings))


def warn_of_broken_plugins() -> None:
    """One line on standard error for each plugin that could not be loaded."""
    from ...registry.discovery import default_catalogue

    for plugin in default_catalogue().plugins:
        if plugin.failure:
            click.echo(f"warning: plugin {plugin.name} of {plugin} is left out: {plugin.failure}", err=True)


def print_json(value: Any) -> None:
    """Print JSON on standard output: letters as they are where it takes UTF-8, else escaped."""
    import json
    import sys

    utf8 = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    click.echo(json.dumps(value, indent=2, ensure_ascii=not utf8))
