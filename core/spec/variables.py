"""Environment variables inside specs: recognised, and refused.

A spec says the same wherever it is read; what a machine adds comes through ``--set``. Refused are ``${NAME}`` anywhere,
and ``$NAME``, ``%NAME%`` where a string looks like a path or a name: a folder separator stands beside them, or the
string holds no blank. Text are a dollar in a sentence (``a $5 bill``, ``$HOME sweet home``), a field called ``$id``
and a pattern's ``.png$``. ``"$schema"`` is for editors and not looked at.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from ...registry.errors import Problem
from .json_source import JsonPath

_ANYWHERE = re.compile(r"\$\{[A-Za-z_]\w*[^{}]{0,100}\}", re.ASCII)
_BESIDE_A_SEPARATOR = re.compile(
    r"(?:^|(?<=[/\\]))(?:\$[A-Za-z_]\w*|%[A-Za-z_]\w*%)(?=[/\\])|(?<=[/\\])(?:\$[A-Z_][A-Z0-9_]*|%[A-Za-z_]\w*%)$",
    re.ASCII,
)
_IN_A_NAME = re.compile(r"\$[A-Z_][A-Z0-9_]*(?![a-z])|%[A-Z_][A-Z0-9_]*%", re.ASCII)


def variable_in(text: str) -> str | None:
    """The first thing in ``text`` that reads as an environment variable."""
    if "$" not in text and "%" not in text:
        return None
    patterns = [_ANYWHERE, _BESIDE_A_SEPARATOR, *([] if any(map(str.isspace, text)) else [_IN_A_NAME])]
    found = next((match for pattern in patterns if (match := pattern.search(text))), None)
    return found.group() if found else None


def variables(value: Any, path: JsonPath = ()) -> Iterator[Problem]:
    """A problem for each string of a JSON value that holds one."""
    if isinstance(value, str):
        if path != ("$schema",) and (name := variable_in(value)):
            hint = "write the value itself, or give it on the command line: --set KEY=VALUE"
            yield Problem(f"`{name}` looks like an environment variable, and specs read none", path, hint)
        return
    children = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, (list, tuple)) else ()
    )
    for key, child in children:
        yield from variables(child, (*path, key))
