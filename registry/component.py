"""A component: one installable building block, declared by data and imported on first use."""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, get_args

from .as_written import unkept_fields
from .errors import GraftworkError
from .spec import Spec

SpecClass = type[Spec]

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
    folders = [Path(folder) for folder in getattr(found, "__path__", ())]
    files = sorted((path.relative_to(folder).as_posix(), path) for folder in folders for path in folder.rglob("*.py"))
    if not folders and getattr(found, "__file__", None):
        files = [(package, Path(str(found.__file__)))]
    digest = hashlib.sha256()
    for name, path in files:
        digest.update(f"{name}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()[:16] if files else None
