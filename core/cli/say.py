"""All that commands write: letters that a terminal would act upon, from names in a stranger's files, are escaped.

Nothing else in the command line prints; a test holds it to that.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from io import StringIO
from typing import Any

import click


def printable(text: str) -> str:
    """As ``registry.errors.printable``, which is imported when something is printed."""
    from ...registry.errors import printable

    return printable(text)


def say(text: object, *, err: bool = False, nl: bool = True) -> None:
    """Print lines, on standard error with ``err``."""
    click.echo(printable(str(text)), err=err, nl=nl)


def say_checked(good: bool, text: str) -> None:
    """Print a line after a coloured ``ok`` or ``FAIL``."""
    mark = click.style("ok  ", fg="green") if good else click.style("FAIL", fg="red")
    click.echo(f"{mark} {printable(text)}")


def say_usage(error: click.ClickException) -> None:
    """Print what click says of wrong arguments; a shell may have made them of a stranger's file names."""
    said = StringIO()
    error.show(said)
    say(said.getvalue(), err=True, nl=False)


def print_json(value: Any) -> None:
    """Print JSON on standard output: letters as they are where it takes UTF-8 and a terminal does not act upon them."""
    click.echo(_as_json(value))


def print_json_list(values: Iterable[Any]) -> None:
    """The same of a list, each value printed when it is there; whole where ``values`` ends by an error, too."""
    before = "[\n"
    try:
        for value in values:
            click.echo(before + "  " + _as_json(value).replace("\n", "\n  "), nl=False)
            before = ",\n"
    finally:
        click.echo("[]" if before == "[\n" else "\n]")


def _as_json(value: Any) -> str:
    import json
    import sys

    utf8 = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    text = json.dumps(value, indent=2, ensure_ascii=not utf8)
    return text if printable(text) == text else json.dumps(value, indent=2)


def print_table(headers: Sequence[str], rows: Sequence[Sequence[str]], title: str, left: int = 1) -> None:
    """Print a table on standard output, numbers to the right after ``left`` columns of words.

    In a pipe its lines are as long as they need be.
    """
    import sys

    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=Text(printable(title)) if title else None, title_justify="left")
    for index, header in enumerate(headers):
        table.add_column(Text(printable(header)), justify="left" if index < left else "right", overflow="fold")
    for row in rows:
        table.add_row(*(Text(printable(cell)) for cell in row))
    Console(highlight=False, width=None if sys.stdout.isatty() else 400).print(table)
