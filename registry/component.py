"""A component: one installable building block, declared by data and imported on first use."""

from __future__ import annotations

import hashlib
import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, get_args

from .as_written import unkept_fields
from .errors import GraftworkError
from .spec import Spec

SpecClass = type[Spec]

#: Of a file that was read: its state, and the sha256 of what it held. A run asks dozens of times.
_READ: dict[str, tuple[tuple[int, int, int], str]] = {}
#: Nanoseconds after which a file that changes again has another time, on every file system.
_SETTLED_NS = 3_000_000_000
_OURS = __name__.partition(".")[0]

_NAME = re.compile(r"[a-z][a-z0-9_]*\Z")
_TARGET = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*\Z")


class SpecClassError(GraftworkError):
    """pydantic cannot build the spec class of a component."""


@dataclass(frozen=True, slots=True)
class Component:
    """One type that a spec may name, as a plugin declares it in ``graftwork_components``.

    Raises ``ValueError`` when the declaration contradicts itself.
    """

    #: The role it plays: ``adapter``, ``encoder``, ``dataset`` ... A new kind needs no new API.
    kind: str
    #: The name that stands under ``"type"`` in a spec; unique within its kind.
    type: str
    #: The pydantic class of its object in a spec. Its module must stay light: no torch.
    spec: SpecClass
    #: ``"package.module:attribute"``, imported when first built. What it is called with: its role's base class says.
    build: str
    #: One line for ``graftwork components list``.
    summary: str
    #: Raise it whenever the same spec starts to give other outputs: it is part of every cache key.
    #: (So is a digest of a third party's source; but what a component needs may lie outside its package.)
    version: int = 1

    def __post_init__(self) -> None:
        if not (_NAME.match(self.kind) and _NAME.match(self.type)):
            raise ValueError(f"component {self.kind}.{self.type}: kind and type are lower_snake_case names")
        if not _TARGET.match(self.build):
            raise ValueError(f"component {self.name}: build is {self.build!r}; write 'package.module:attribute'")
        if not (isinstance(self.spec, type) and issubclass(self.spec, Spec)):
            raise ValueError(f"component {self.name}: spec must be a subclass of graftwork.registry.spec.Spec")
        field = self.spec.model_fields.get("type")
        if field is None or get_args(field.annotation) != (self.type,) or field.default != self.type:
            raise ValueError(
                f'component {self.name}: {self.spec.__name__} must declare type: Literal["{self.type}"] = "{self.type}"'
            )
        if unkept := unkept_fields(self.spec):
            raise ValueError(f"component {self.name}: {'; '.join(unkept)}")

    @property
    def name(self) -> str:
        """``kind.type``, the name in the exported schema."""
        return f"{self.kind}.{self.type}"

    @property
    def implementation(self) -> int | str:
        """What its outputs are kept under: its version, and of a third party's also a digest of its package's source.

        So an edit counts at once, whether or not its author has raised ``version``.
        """
        source = source_digest(self.spec.__module__)
        return self.version if source is None else f"{self.version}, source {source}"

    def ready_spec(self) -> SpecClass:
        """The spec class, its validator built. Raises ``SpecClassError``."""
        try:
            self.spec.model_rebuild()  # does nothing the second time
        except Exception as error:  # what a third party wrote may raise anything
            reason = f"{type(error).__name__}: {error}".splitlines()[0]
            raise SpecClassError(f"its spec class {self.spec.__name__} cannot be built: {reason}") from error
        return self.spec

    def load(self) -> Callable[..., Any]:
        """Import and return what ``build`` names."""
        module, attribute = self.build.split(":")
        return getattr(import_module(module), attribute)  # type: ignore[no-any-return]


def components(kind: str, package: str, *rows: tuple[SpecClass, str, str]) -> tuple[Component, ...]:
    """Those of one kind in a package, a row each: the spec, which names the type; ``build`` inside it; the summary."""
    return tuple(
        Component(kind, spec.model_fields["type"].default, spec, f"{package}.{build}", summary)
        for spec, build, summary in rows
    )


def source_digest(module: str) -> str | None:
    """What code is by content: sha256 (16 hex digits) over the Python files of the package that ``module`` is of, tests
    among them.

    ``None`` for Graftwork's own, whose components have versions and are released together, and without any file.
    """
    package = module.partition(".")[0]
    found = sys.modules.get(package)
    if package == _OURS or found is None:
        return None
    folders = [str(folder) for folder in getattr(found, "__path__", ())]
    files = sorted(pair for folder in folders for pair in _python_files(folder))
    if not folders and getattr(found, "__file__", None):
        files = [(package, str(found.__file__))]
    digest = hashlib.sha256()
    for name, path in files:
        digest.update(f"{name}\0{_sha256(path)}\n".encode())
    return digest.hexdigest()[:16] if files else None


def _python_files(folder: str) -> Iterator[tuple[str, str]]:
    """Path below the folder, with slashes, and where it is."""
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name != "__pycache__"]
        below = os.path.relpath(place, folder).replace(os.sep, "/")
        for name in names:
            if name.endswith(".py"):
                yield name if below == "." else f"{below}/{name}", os.path.join(place, name)


def _sha256(path: str) -> str:
    """In hex. Read anew where the file's time, size or number is another than when it was read."""
    status = os.stat(path)
    state = (status.st_mtime_ns, status.st_size, status.st_ino)
    known = _READ.get(path)
    if known is not None and known[0] == state:
        return known[1]
    digest = hashlib.sha256(Path(path).read_bytes()).hexdigest()
    if time.time_ns() - status.st_mtime_ns > _SETTLED_NS:
        _READ[path] = (state, digest)
    return digest
