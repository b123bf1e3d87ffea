"""`docs/hooks.md`, made from the hook specifications, so that the page cannot say something else than the code."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Callable
from typing import Any

from ....registry.hookspecs import API_VERSION, HOOKS

#: What every specification says, by the words that begin the paragraph in its docstring.
LABELS = ("Called", "Built in", "Order", "Wrappers", "If it raises")

_HEAD = """# Hooks

Made by `make hooks` from `registry/hookspecs.py`; change it there. This is plugin API {version}; [plugins](plugins.md)
has a whole plugin, and says what is promised of the API.

A plugin is a module named by an entry point in the group `graftwork.plugins`. It sets `GRAFTWORK_API = {version}` and
implements any of these functions under `graftwork.registry.hookspecs.hookimpl`. Arguments that it does not need may be
left out.

By default implementations are called by the name of their entry point; `@hookimpl(tryfirst=True)` and
`@hookimpl(trylast=True)` move one to the front or the back. A wrapper stands around what is called: its code before
`yield` runs first, its code after `yield` last, so the first wrapper is the outermost. pluggy's
[documentation](https://pluggy.readthedocs.io) has the rest.
"""


def hook_page() -> str:
    """The page, in Markdown."""
    return "\n".join([_HEAD.format(version=API_VERSION), *(_section(name, HOOKS[name]) for name in HOOKS)])


def hooks_json() -> list[dict[str, Any]]:
    """The same, hook by hook."""
    return [
        {"name": name, "signature": str(inspect.signature(hook)).replace("'", ""), "is_for": parts.pop(""), **parts}
        for name, hook in HOOKS.items()
        for parts in [parts_of(hook)]
    ]


def parts_of(hook: Callable[..., Any]) -> dict[str, str]:
    """Of a specification's docstring: ``""`` to what the hook is for, each of ``LABELS`` to its paragraph."""
    parts, label = {"": ""}, ""
    for line in inspect.getdoc(hook).splitlines():  # type: ignore[union-attr]
        start, colon, rest = line.partition(": ")
        if colon and start in LABELS:
            label, line = start, rest
        parts[label] = f"{parts.get(label, '')} {line}".strip()
    return parts


def _section(name: str, hook: Callable[..., Any]) -> str:
    parts = {label: text.replace("``", "`") for label, text in parts_of(hook).items()}
    signature = str(inspect.signature(hook)).replace("'", "")
    lines: list[str] = [f"## {name}", f"```python\ndef {name}{signature}: ...\n```", _wrapped(parts[""]), ""]
    lines += [_wrapped(f"- **{label}**: {_sentence(parts[label])}", "  ") for label in LABELS]
    return "\n".join([*lines, ""])


def _sentence(text: str) -> str:
    """``package.module:name`` set as code."""
    target, _, rest = text.partition(" ")
    return f"`{target}` {rest}" if ":" in target else text


def _wrapped(text: str, indent: str = "") -> str:
    return textwrap.fill(text, 120, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
