"""What the classes of a classifier are called: a published list, or a file with a name a line. Light: no torch."""

from __future__ import annotations

import ast
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from ...core.storage.files import read_regular
from ...core.storage.text_files import lines_of

#: The 1,000 classes of ImageNet's challenge, in the order of their synsets, by the names that OpenAI wrote for CLIP
#: (ambiguous words made plain: `construction crane`; two stand twice). open_clip ships them under the MIT licence.
IMAGENET = "imagenet-1k"


def names_in(source: str) -> tuple[str, ...] | None:
    """The names of ``imagenet-1k``, or the lines of a file, blank ones at its end left out; ``None``: not there.

    Raises ``ValueError`` for a file that is no text, and for a line without a name.
    """
    if source == IMAGENET:
        return _imagenet()
    try:
        content = read_regular(Path(source))
    except OSError:
        return None
    try:
        lines = [one for line in lines_of(content.rstrip()) for one in line.removesuffix("\r").split("\r")]
    except ValueError as error:
        raise ValueError(f"{source}: {error}") from error
    while lines and not lines[-1].strip():
        lines.pop()
    for number, line in enumerate(lines, 1):
        if not line.strip():
            raise ValueError(f"{source}, line {number} names no class; a line is the name of one class, in order")
    return tuple(line.strip() for line in lines)


@cache
def _imagenet() -> tuple[str, ...] | None:
    """Read from open_clip's source text; it is not imported."""
    found = find_spec("open_clip")
    try:
        text = (
            (Path(found.origin).parent / "zero_shot_metadata.py").read_text("utf-8") if found and found.origin else ""
        )
        tree = ast.parse(text)
    except (OSError, SyntaxError, ValueError):
        return None
    for node in tree.body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "IMAGENET_CLASSNAMES":
            return tuple(ast.literal_eval(node.value))
    return None
