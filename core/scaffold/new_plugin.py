"""Write a plugin package from the templates beside this module. Light: no torch."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from ...registry.discovery import load_plugins
from ...registry.errors import UserError, nearest
from ...registry.selection import PluginSelection

TEMPLATES = Path(__file__).parent / "plugin_templates"
#: Files of every package, whatever its kind.
COMMON = "common"
_SUFFIX = ".template"

#: PEP 508: letters and digits, with ., - and _ between.
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?\Z", re.ASCII)
_TYPE = re.compile(r"[a-z][a-z0-9_]*\Z")


class NewPluginError(UserError):
    """The package cannot be written under that name, of that kind or in that place."""


def kinds() -> tuple[str, ...]:
    """The kinds that there are templates of, sorted."""
    return tuple(sorted(path.name for path in TEMPLATES.iterdir() if path.is_dir() and path.name != COMMON))


def new_plugin(name: str, kind: str, out: Path, type_: str | None = None) -> Path:
    """Write package ``name`` with one component of ``kind`` into ``out / name``; returns that folder.

    Its plugin is called by the package's name without ``graftwork-``, in snake case; so is the component's type, unless
    ``type_`` says another.
    Raises ``NewPluginError`` for a name that pip or Python cannot take, a type that Graftwork itself has, an unknown
    kind, or a folder that is there.
    """
    words = _words(name, kind, type_)
    folder = out / name
    if folder.exists():
        raise NewPluginError(f"{folder} is there already; take another name, or another --out")
    try:
        for source, target in _files(kind):
            path = folder / _filled(target, words)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(_filled(source.read_text(encoding="utf-8"), words), encoding="utf-8")
    except OSError as error:
        raise NewPluginError(f"cannot write {folder}: {error.strerror or error}; check --out") from error
    return folder


def _words(name: str, kind: str, chosen: str | None) -> dict[str, str]:
    """What stands in the templates to what takes its place."""
    if kind not in kinds():
        near = nearest(kind, kinds())
        hint = f"did you mean `{near}`?" if near else f"there are: {', '.join(kinds())}"
        raise NewPluginError(f"no template of kind `{kind}`; {hint}")
    if not _NAME.match(name):
        raise NewPluginError(
            f"`{name}` is no name of a package: letters and digits, with `-`, `_` or `.` between (graftwork-{kind})"
        )
    module = re.sub(r"[-_.]+", "_", name).lower()
    type_ = chosen or module.removeprefix("graftwork_")
    if chosen and not _TYPE.match(chosen):
        raise NewPluginError(f"--type `{chosen}` is no type: small letters, digits and `_`, a letter first (gated_mlp)")
    if not _TYPE.match(type_) or module == "graftwork":
        raise NewPluginError(
            f"`{name}` gives the type `{type_}`, and a type begins with a letter (and is not graftwork); "
            f"take a name such as graftwork-my-{kind}, or name one with --type"
        )
    if (kind, type_) in _built_in():
        raise NewPluginError(f"Graftwork has its own {kind} `{type_}`, and a type has one owner; name one with --type")
    return {
        "plugin-dist": name,
        "plugin_module": module,
        "plugin_entry": module.removeprefix("graftwork_"),
        "plugin_type": type_,
        "plugin_kind": kind,
        "PluginClass": "".join(part.capitalize() for part in type_.split("_")),
        "PluginSuite": "".join(part.capitalize() for part in kind.split("_")) + "Suite",
    }


def _built_in() -> set[tuple[str, str]]:
    """Kind and type of what Graftwork itself brings; no other plugin is looked at."""
    plugins = load_plugins(selection=PluginSelection(off=True))
    return {(component.kind, component.type) for plugin in plugins for component in plugin.components}


def _files(kind: str) -> Iterator[tuple[Path, str]]:
    """Each template with the path of what is made of it."""
    for root in (TEMPLATES / COMMON, TEMPLATES / kind):
        for path in sorted(root.rglob(f"*{_SUFFIX}")):
            yield path, path.relative_to(root).as_posix().removesuffix(_SUFFIX)


def _filled(text: str, words: dict[str, str]) -> str:
    for word, value in words.items():
        text = text.replace(word, value)
    return text
