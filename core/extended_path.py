"""Which strings may stand under `extends`: paths that mean the same file on every system, and nothing but a file."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any

from .variables import variable_in

MAX_LENGTH = 1024
#: What Windows opens as a device, whatever the folder and the ending.
_DEVICES = {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10))}


def refusal(text: Any) -> str | None:
    """Why ``text`` is no path that a spec may extend; ``None`` where it is one. Looks at the text alone."""
    if not isinstance(text, str) or not text:
        return "expected a file's path, or a list of them"
    if len(text) > MAX_LENGTH:
        return f"a path of {len(text)} letters; the most is {MAX_LENGTH}"
    if not text.isprintable():
        return "a path with a letter that cannot be printed"
    if name := variable_in(text):
        return f"`{name}` looks like an environment variable, and specs read none"
    if "://" in text:
        return f"`{text[:80]}` is a URL; specs extend files alone"
    if text.startswith(("\\\\", "//")):
        return f"`{text[:80]}` is a network path; specs extend files beside them"
    if text.startswith(("/", "~")) or text[1:3] in (":\\", ":/"):
        return f"`{text[:80]}` is an absolute path; it would mean another file on another machine"
    if ":" in text:
        return f"`{text[:80]}` holds a colon, as drives, streams and URLs do"
    if "\\" in text:
        return f"`{text[:80]}` holds a backslash; write / between folders"
    parts = PurePosixPath(text).parts
    if device := next((part for part in parts if part.partition(".")[0].strip().lower() in _DEVICES), None):
        return f"`{device}` is a device on Windows"
    return None
