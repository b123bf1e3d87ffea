"""What a section of a report is made of; the template draws each block. Light: no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell of a table."""

    text: str
    #: What it is sorted by; ``None``: its text.
    value: float | None = None
    #: How dark it is drawn, 0 to 1; ``None``: not at all.
    share: float | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """A table; the first cell of each row is its header. A column whose cells all have values is one of numbers."""

    caption: str
    headers: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    #: Whether its columns sort it.
    sortable: bool = True
    #: Whether its columns are many and narrow.
    matrix: bool = False
    kind: str = field(default="table", init=False)

    @property
    def numeric(self) -> list[bool]:
        """Of each column."""
        return [
            bool(self.rows) and all(row[n].value is not None for row in self.rows) for n in range(len(self.headers))
        ]


@dataclass(frozen=True, slots=True)
class Chart:
    """A drawing."""

    caption: str
    #: What it shows, in words, for who does not see it.
    alt: str
    #: ``charts.svg_of`` made it: the one thing that the template takes as it is.
    svg: str
    kind: str = field(default="chart", init=False)


@dataclass(frozen=True, slots=True)
class Lines:
    """Paragraphs."""

    lines: Sequence[str]
    #: Whether each is a note to be heeded.
    notes: bool = False
    kind: str = field(default="lines", init=False)


@dataclass(frozen=True, slots=True)
class Source:
    """Text as it is, shown on demand."""

    title: str
    text: str
    kind: str = field(default="source", init=False)


@dataclass(frozen=True, slots=True)
class Shown:
    """An item as it is shown: its picture, where there is one, and words."""

    #: A ``data:`` address; ``None``: no picture.
    picture: str | None
    title: str
    lines: Sequence[str]
    #: The support items that it heard.
    neighbours: Sequence[Shown] = ()


@dataclass(frozen=True, slots=True)
class Gallery:
    """Items with their neighbours."""

    items: Sequence[Shown]
    kind: str = field(default="gallery", init=False)


Block = Table | Chart | Lines | Source | Gallery


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a report under a heading."""

    title: str
    blocks: Sequence[Block]


@dataclass(frozen=True, slots=True)
class Missing:
    """A part that is not there, and why."""

    title: str
    why: str


Part = Section | Missing


def number(value: float, digits: int = 4) -> Cell:
    """A figure."""
    return Cell(f"{value:.{digits}f}", value)


def count(value: float) -> Cell:
    """A whole number."""
    return Cell(f"{value:,.0f}", value)


def row(name: str, *cells: Cell | str) -> list[Cell]:
    """A row of a table under its header."""
    return [Cell(name), *(Cell(one) if isinstance(one, str) else one for one in cells)]
