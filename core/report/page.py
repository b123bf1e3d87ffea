"""From the parts of a report to its HTML. Everything from data is escaped; the page asks nothing of anyone."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from ...registry import __version__
from .blocks import Missing, Part, Section

_TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True, slots=True)
class Chapter:
    """One run, or their comparison."""

    title: str
    parts: Sequence[Part]

    @property
    def sections(self) -> list[Section]:
        """What is there."""
        return [one for one in self.parts if isinstance(one, Section)]

    @property
    def missing(self) -> list[Missing]:
        """What is not."""
        return [one for one in self.parts if isinstance(one, Missing)]


def page_of(title: str, chapters: Sequence[Chapter]) -> str:
    """The whole page."""
    script = (_TEMPLATES / "sort.js").read_text("utf-8")
    return (
        _environment()
        .get_template("report.html")
        .render(
            title=title,
            chapters=chapters,
            version=__version__,
            style=Markup((_TEMPLATES / "style.css").read_text("utf-8")),  # a file of ours
            script=Markup(script),  # a file of ours
            script_digest=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
            drawn=Markup,
        )
    )


@cache
def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
