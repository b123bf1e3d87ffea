"""All that commands write: letters that a terminal would act upon, from names in a stranger's files, are escaped.

Nothing else in the command line prints; a test holds it to that.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from io import StringIO
from typing import TYPE_CHECKING, Any, TextIO

import click

if TYPE_CHECKING:
    from rich.console import JustifyMethod


#: Where a command's context has ``quiet`` or ``verbose``, if it was asked to be.
LOUDNESS = "graftwork.loudness"
#: Letters of a table's frame, a column; one more stands at the end of a line.
FRAME = 3


def is_quiet() -> bool:
    """Whether the command that runs was asked to be."""
    context = click.get_current_context(silent=True)
    return context is not None and context.meta.get(LOUDNESS) == "quiet"


def printable(text: str) -> str:
    """As ``registry.errors.printable``, which is imported when something is printed."""
    from ...registry.errors import printable

    return printable(text)


def say(text: object, *, err: bool = False, nl: bool = True) -> None:
    """Print lines, on standard error with ``err``."""
    click.echo(printable(str(text)), file=_above_bars() if err else None, err=err, nl=nl)


def _above_bars() -> TextIO | None:
    """Standard error while bars are redrawn there, which click would write past: lines then stand above them."""
    import sys

    return sys.stderr if hasattr(sys.stderr, "rich_proxied_file") else None


def say_note(text: object, word: str = "note") -> None:
    """A line on standard error of what should be known beside the results: a ``note``, or a ``warning``."""
    if not is_quiet():
        click.echo(f"{click.style(word, fg='yellow')}: {printable(str(text))}", file=_above_bars(), err=True)


def say_progress(text: object) -> None:
    """A line on standard error of how far it has come."""
    if not is_quiet():
        say(text, err=True)


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


def print_json_list(values: Iterable[Any]) -> int:
    """The same of a list, each value printed when it is there; whole where ``values`` ends by an error, too. How many
    they were."""
    count = 0
    try:
        for value in values:
            click.echo((",\n  " if count else "[\n  ") + _as_json(value).replace("\n", "\n  "), nl=False)
            count += 1
    finally:
        click.echo("\n]" if count else "[]")
    return count


def _as_json(value: Any) -> str:
    import json
    import sys

    utf8 = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    text = json.dumps(value, indent=2, ensure_ascii=not utf8)
    return text if printable(text) == text else json.dumps(value, indent=2)


def width() -> int:
    """Letters of a line: those of the terminal (or ``COLUMNS``); 80 where there is none."""
    import shutil

    return max(40, shutil.get_terminal_size((80, 24)).columns)


def print_table(
    headers: Sequence[str], rows: Sequence[Sequence[str]], title: str, left: int = 1, again: int | None = None
) -> None:
    """Print a table on standard output, numbers to the right after ``left`` columns of words.

    No line is wider than the terminal: columns that do not fit stand below, again after those of words (the first
    ``again`` of them alone), and long words are wrapped. Whoever wants a line a row asks for JSON.
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    room, cells = width(), [[printable(cell) for cell in row] for row in (headers, *rows)]
    for number, columns in enumerate(_parts(cells, left, room, left if again is None else again)):
        shown = Text(printable(title)) if title and not number else None
        table = Table(title=shown, title_justify="left")
        fixed = _of_figures(cells, columns, left, room)
        for index in columns:
            justify: JustifyMethod = "left" if index < left else "right"
            table.add_column(Text(cells[0][index]), justify=justify, overflow="fold", width=fixed.get(index))
        for row in cells[1:]:
            table.add_row(*(Text(row[index]) for index in columns))
        Console(highlight=False, width=room).print(table)


def _parts(cells: Sequence[Sequence[str]], left: int, room: int, again: int) -> list[list[int]]:
    """Which columns stand beside each other: those of words, of which later parts have the first ``again``, and of the
    others as many as fit.

    Words may be wrapped: where figures stand beside them, half of the line is theirs at most.
    """
    words = list(range(left))
    beside = room - 1 - min(sum(_needed(cells, one) for one in words), room // 2)
    parts, free = [list(words)], beside
    for column in range(left, len(cells[0])):
        needed = _needed(cells, column)
        if needed > free and len(parts[-1]) > (left if len(parts) == 1 else again):
            parts.append(words[:again])
            free = beside if again == left else room - 1 - sum(_needed(cells, one) for one in words[:again])
        parts[-1].append(column)
        free -= needed
    return parts


def _of_figures(cells: Sequence[Sequence[str]], columns: Sequence[int], left: int, room: int) -> dict[int, int]:
    """Letters of each column that is none of words: what it needs, and its header in one line where there is room."""
    from rich.cells import cell_len

    found = {one: min(_needed(cells, one) - FRAME, room // 2) for one in columns if one >= left}
    words = sum(_needed(cells, one) for one in columns if one < left)
    free = room - 1 - words - sum(one + FRAME for one in found.values())
    for one, letters in found.items():
        more = max(0, min(free, cell_len(cells[0][one]) - letters))
        found[one], free = letters + more, free - more
    return found


def _needed(cells: Sequence[Sequence[str]], column: int) -> int:
    """Letters of a column with its frame: headers are wrapped between words, figures are not."""
    from rich.cells import cell_len

    header = max(map(cell_len, cells[0][column].split()), default=0)
    return FRAME + max([header, *(cell_len(line) for row in cells[1:] for line in row[column].split("\n"))])
