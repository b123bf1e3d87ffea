"""Overrides: dotted paths to values, put into a spec before it is validated.

    {"graph.threshold": 0.8}                     set, objects on the way are made
    {"reporters+": [{"type": "jsonl"}]}          append these items to a list, or to its default where none is written
    {"graph-": None}                             remove

On the command line: ``--set graph.threshold=0.8``, ``--set 'reporters+={"type": "jsonl"}'`` (one item each time),
``--set graph-``.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise
from typing import Any

from ...registry.errors import Problem, SpecError, nearest
from .json_source import MAX_DEPTH, JsonPath, parse_json

_OPTION = "--set "
#: Where an override has put something: path to the override's key.
Touched = dict[JsonPath, str]
#: The items of the list at a path where a spec (its raw value) does not write it; ``None``: that is no list.
Defaults = Callable[[JsonPath, Any], list[Any] | None]


def parse_set(options: Iterable[str]) -> dict[str, Any]:
    """``["graph.threshold=0.8", "name=x"]`` as overrides: the value is JSON where it parses as such, else a string."""
    overrides: dict[str, Any] = {}
    for option in options:
        key, equals, text = option.partition("=")
        if key.endswith("-") and len(key) > 1 and not equals:
            overrides[key] = None
        elif not equals or not key.rstrip("+"):
            hint = "write --set KEY=VALUE, for example --set graph.threshold=0.8"
            raise SpecError([Problem(hint, source=f"--set {option}")])
        elif key.endswith("+"):
            overrides.setdefault(key, []).append(_parsed(text, key))
        else:
            overrides[key] = _parsed(text, key)
    return overrides


def _parsed(text: str, key: str) -> Any:
    try:
        return parse_json(text, f"--set {key}").value
    except SpecError:
        return text


@contextmanager
def given_by(option: str, below: str = "") -> Iterator[None]:
    """Within it a problem with an override is said of another option than ``--set``, whose paths begin ``below``."""
    try:
        yield
    except SpecError as error:
        said = [one.source or "" for one in error.problems]
        sources = [one.replace(_OPTION + below, f"{option} ", 1) if one.startswith(_OPTION) else one for one in said]
        raise SpecError(
            [replace(one, source=source or None) for one, source in zip(error.problems, sources, strict=True)]
        ) from None


def apply_overrides(
    value: Any, overrides: Mapping[str, Any], defaults: Defaults = lambda path, value: None
) -> tuple[Any, Touched]:
    """A copy of ``value`` with every override, and where each has changed it.

    Raises ``SpecError`` where a path leads through a non-object, and for what cannot be removed or appended to.
    """
    value = copy.deepcopy(value)
    touched: Touched = {}
    for key, new in overrides.items():
        bare = key.removesuffix("+").removesuffix("-") if key[-1:] in "+-" else key
        *parents, last = bare.split(".")
        if len(parents) >= MAX_DEPTH:
            raise SpecError([Problem(f"a path of more than {MAX_DEPTH} steps", source=f"--set {key[:40]}...")])

        def default(at: JsonPath) -> list[Any] | None:
            return defaults(at, value)

        node, path = _walk(value, [*parents, last], key, touched, default)
        if key.endswith("-"):
            _remove(node, last, path, key)
        elif key.endswith("+"):
            _append(node, last, path, key, new, touched, default)
        else:
            step = _step_into(node, last, path, key)
            node[step] = copy.deepcopy(new)
            touched[*path, step] = key
    return value, touched


def _walk(
    value: Any, steps: list[str], key: str, touched: Touched, default: Callable[[JsonPath], list[Any] | None]
) -> tuple[Any, JsonPath]:
    """The object or list that holds the last step of a path. What is not there on the way is made."""
    node: Any = value
    path: JsonPath = ()
    for part, following in pairwise(steps):
        step = _step_into(node, part, path, key)
        if isinstance(node, dict) and node.get(part) is None:
            if key.endswith("-"):
                raise _not_there(node, part, path, key)
            listed = default((*path, step)) if following.isdecimal() else None
            node[part] = {} if listed is None else listed
            touched.setdefault((*path, step), key)
        node, path = node[step], (*path, step)
    return node, path


def _step_into(node: Any, part: str, path: JsonPath, key: str) -> str | int:
    """The step that ``part`` is: a key, or an index that is there."""
    if isinstance(node, dict):
        return part
    if not isinstance(node, list):
        raise SpecError([Problem("is no object, so nothing can be set inside it", path, source=f"--set {key}")])
    if not (part.isascii() and part.isdecimal() and len(part) < 10 and int(part) < len(node)):
        reason = f"`{part}` is no index into a list of {len(node)}"
        raise SpecError([Problem(reason, path, source=f"--set {key}")])
    return int(part)


def _remove(node: Any, last: str, path: JsonPath, key: str) -> None:
    step = _step_into(node, last, path, key)
    if isinstance(node, dict) and last not in node:
        raise _not_there(node, last, path, key)
    del node[step]


def _append(
    node: Any,
    last: str,
    path: JsonPath,
    key: str,
    items: Any,
    touched: Touched,
    default: Callable[[JsonPath], list[Any] | None],
) -> None:
    step = _step_into(node, last, path, key)
    path = (*path, step)
    if isinstance(node, dict) and node.get(last) is None:
        node[last] = default(path) or []
        touched[path] = key
    if not isinstance(node[step], list) or not isinstance(items, (list, tuple)):
        raise SpecError([Problem("is no list, so nothing can be appended to it", path, source=f"--set {key}")])
    for item in items:
        touched[*path, len(node[step])] = key
        node[step].append(copy.deepcopy(item))


def _not_there(node: dict[str, Any], part: str, path: JsonPath, key: str) -> SpecError:
    near = nearest(part, node)
    hint = f"did you mean `{near}`?" if near else f"written here: {', '.join(node)}"[:200]
    return SpecError([Problem(f"`{part}` is not there to be removed", path, hint, f"--set {key}")])
