"""Tables that a notebook shows: HTML without scripts, whatever is in the words. Light."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from ...registry.errors import printable


def html_table(
    headers: Sequence[str], rows: Sequence[Sequence[str]], title: str = "", notes: Sequence[str] = (), left: int = 1
) -> str:
    """A table with a title above and notes below; figures stand to the right after ``left`` columns of words."""
    caption = f"<caption>{_text(title)}</caption>" if title else ""
    head = "".join(f'<th scope="col">{_text(one)}</th>' for one in headers)
    body = "".join(f"<tr>{''.join(_cell(one, index < left) for index, one in enumerate(row))}</tr>" for row in rows)
    below = f"<ul>{''.join(f'<li>{_text(one)}</li>' for one in notes)}</ul>" if notes else ""
    return f"<div><table>{caption}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{below}</div>"


def _cell(text: str, is_word: bool) -> str:
    return f'<td style="text-align: {"left" if is_word else "right"}">{_text(text)}</td>'


def _text(text: str) -> str:
    return escape(printable(text))
