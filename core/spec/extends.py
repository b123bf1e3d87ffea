"""`extends`: a spec that begins with other files, merged so that every value knows the file it came from.

Objects merge key by key, the later file wins: the files of `extends` in their order, then the file that names them.
An object whose `type` changes replaces the other whole, and so does everything that is no object, lists included.
A path counts from the file that names it and stays inside the root: the folder of the outermost spec, or ``root``.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Any

from ...registry.errors import Problem, SpecError, nearest
from ...registry.slot import full_form
from .json_source import MAX_BYTES, MAX_VALUES, JsonPath, JsonSource, read_json
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


KEY = "extends"
#: Files from the outermost spec down to the last that it rests on, and files in all.
MAX_CHAIN, MAX_FILES = 8, 32


@dataclass(frozen=True)
class Composition:
    """A spec of one or several files: the merged value, and the file that each part of it stands in."""

    value: Any
    origins: Mapping[JsonPath, JsonSource]
    #: Of an object that one of another type replaces: its path to the keys that so are gone, and the file of each.
    dropped: Mapping[JsonPath, Mapping[str, str]] = field(default_factory=dict)

    def place(self, path: JsonPath) -> tuple[str, int, int]:
        """File, 1-based line and column of the value at ``path``, or of its nearest ancestor that a file holds."""
        while path not in self.origins:
            path = path[:-1]
        source = self.origins[path]
        return (source.name, *source.position(path))


def read_composed(path: Path, root: Path | None = None) -> Composition:
    """Read a spec and all that it extends. Raises ``SpecError`` with every problem of every file that can be read."""
    return _Files((root or path.parent).resolve()).read(path, path, ())


def merged(below: Composition, above: Composition) -> Composition:
    """``above`` over ``below``."""
    replaced: dict[JsonPath, list[str]] = {}
    value = _merged(below.value, above.value, (), replaced)
    gone = replaced.keys()
    kept = {
        path: source
        for path, source in below.origins.items()
        if not any(path[:depth] in gone for depth in range(len(path) + 1))
    }
    dropped = {path: {key: below.origins[*path, key].name for key in keys} for path, keys in replaced.items() if keys}
    return Composition(value, {**kept, **above.origins}, {**below.dropped, **above.dropped, **dropped})


def merged_values(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """The same of objects that stand in no file."""
    value: dict[str, Any] = _merged(dict(below), dict(above), (), {})
    return value


def _merged(below: Any, above: Any, path: JsonPath, replaced: dict[JsonPath, list[str]]) -> Any:
    if (isinstance(below, str) and isinstance(above, dict)) or (_is_typed(below) and isinstance(above, str)):
        below, above = full_form(below), full_form(above)  # a component whose type alone is written
    both = isinstance(below, dict) and isinstance(above, dict)
    if not both or _type_changes(below, above):
        replaced[path] = [key for key in below if key not in above] if both else []
        return above
    out = dict(below)
    for key, value in above.items():
        out[key] = _merged(below[key], value, (*path, key), replaced) if key in below else value
    return out


def _is_typed(value: Any) -> bool:
    return isinstance(value, dict) and "type" in value


def _type_changes(below: dict[str, Any], above: dict[str, Any]) -> bool:
    return "type" in below and "type" in above and below["type"] != above["type"]


class _Files:
    """What one spec has read so far, against the limits that hold for all its files together."""

    def __init__(self, root: Path) -> None:
        self.root, self.files, self.bytes, self.values = root, 0, 0, 0

    def read(self, path: Path, named: Path, chain: tuple[tuple[Path, Path], ...]) -> Composition:
        """The file at ``path``, which messages call ``named``, over all that it extends.

        ``chain``: the files, each as (resolved, named), that led here.
        """
        source = read_json(path, str(named), MAX_BYTES - self.bytes)
        self.files, self.bytes, self.values = (
            self.files + 1,
            self.bytes + source.bytes,
            self.values + len(source.offsets),
        )
        if self.values > MAX_VALUES:
            reason = f"with the files before it more than {MAX_VALUES} values, the most that a spec holds"
            raise SpecError([Problem(reason, source=str(named))])
        own = Composition(source.value, dict.fromkeys(source.offsets, source))
        if not isinstance(source.value, dict):
            if chain:
                raise SpecError([_problem(source, (), "a file that others extend holds an object")])
            return own
        if KEY not in source.value:
            return own
        bases = self._bases(source, named, (*chain, (path.resolve(), named)))
        own = Composition({key: one for key, one in source.value.items() if key != KEY}, own.origins)
        under = bases[0] if bases else own
        for one in (*bases[1:], own):
            under = merged(under, one)
        return under

    def _bases(self, source: JsonSource, named: Path, chain: tuple[tuple[Path, Path], ...]) -> list[Composition]:
        """Each file that ``source`` extends."""
        given = source.value[KEY]
        entries = [((KEY,), given)] if not isinstance(given, list) else [((KEY, i), e) for i, e in enumerate(given)]
        found: list[Composition] = []
        problems: list[Problem] = []
        for at, text in entries:
            try:
                found.append(self._base(source, at, text, named, chain))
            except SpecError as error:
                problems += error.problems
                if self.files >= MAX_FILES:
                    break
        if problems:
            raise SpecError(list(dict.fromkeys(problems)))
        return found

    def _base(
        self, source: JsonSource, at: JsonPath, text: Any, named: Path, chain: tuple[tuple[Path, Path], ...]
    ) -> Composition:
        if reason := refusal(text):
            raise SpecError([_problem(source, at, reason, "name a file inside the root, relative to this one")])
        path = self._file(source, at, text, named.parent)
        shown = Path(os.path.normpath(named.parent / text))
        if path in (known := [resolved for resolved, _ in chain]):
            links = [*(str(name) for _, name in chain[known.index(path) :]), str(shown)]
            raise SpecError([_problem(source, at, f"files extend each other: {' extends '.join(links)}")])
        if len(chain) >= MAX_CHAIN:
            reason = f"the {len(chain) + 1}th file in a chain of `{KEY}`; the most is {MAX_CHAIN}"
            raise SpecError([_problem(source, at, reason)])
        if self.files >= MAX_FILES:
            raise SpecError([_problem(source, at, f"more than {MAX_FILES} files, the most that a spec is made of")])
        return self.read(path, shown, chain)

    def _file(self, source: JsonSource, at: JsonPath, text: str, folder: Path) -> Path:
        """Where ``text`` leads, links followed: a regular file inside the root."""
        try:
            path = (folder / text).resolve()
            if not path.is_relative_to(self.root):  # before anything is said of what is there
                hint = "--root FOLDER names a root further up"
                raise SpecError([_problem(source, at, f"`{text}` leads out of the root {self.root}", hint)])
            if not stat.S_ISREG(path.stat().st_mode):
                raise SpecError([_problem(source, at, f"`{text}` is no regular file")])
        except FileNotFoundError:
            near = nearest(Path(text).name, _names_in((folder / text).parent))
            meant = f"did you mean `{(Path(text).parent / near).as_posix()}`?" if near else None
            raise SpecError([_problem(source, at, f"`{text}` is not there", meant)]) from None
        except (OSError, RuntimeError) as error:  # links in a circle, a name too long, no permission
            reason = getattr(error, "strerror", None) or str(error)
            raise SpecError([_problem(source, at, f"`{text}` cannot be read: {reason}")]) from None
        return path


def _names_in(folder: Path) -> list[str]:
    return [one.name for one in islice(folder.iterdir(), 1000)] if folder.is_dir() else []


def _problem(source: JsonSource, path: JsonPath, reason: str, hint: str | None = None) -> Problem:
    return Problem(reason, path, hint, source.name, *source.position(path))
