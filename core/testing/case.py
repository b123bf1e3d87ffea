"""One component with one example of its spec, and a folder to work in."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol, TypeVar

from ...registry.as_written import read
from ...registry.catalogue import Catalogue, Plugin
from ...registry.component import Component
from ...registry.discovery import default_catalogue
from ...registry.spec import Spec
from .outcome import NotApplicable
from .watched import WORK

R = TypeVar("R")


class BuiltBy(Protocol):
    """What a case knows of its kind."""

    @property
    def module(self) -> str:
        """Whose ``make`` and ``exercise`` build a component and use it; empty where nothing is known about building."""


def catalogue_with(component: Component, catalogue: Catalogue | None = None) -> Catalogue:
    """What is installed, and ``component`` beside it where it is not."""
    installed = catalogue or default_catalogue()
    if component in installed:
        return installed
    return Catalogue([Plugin("under_test", "under test", "", components=(component,)), *installed.plugins])


def kept_with(owner: object, prefix: str) -> Path:
    """A new folder that is removed when ``owner`` is."""
    folder = tempfile.mkdtemp(prefix=prefix)
    weakref.finalize(owner, shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)


@dataclass(frozen=True)
class Case:
    """What a check looks at."""

    component: Component
    #: The object as a user writes it; it must validate.
    example: Mapping[str, Any]
    kind: BuiltBy
    catalogue: Catalogue

    def validated(self, value: Mapping[str, Any]) -> Spec:
        """A spec of this component. Raises pydantic's ``ValidationError``."""
        return read(self.component.spec, value, {"catalogue": self.catalogue})

    @cached_property
    def spec(self) -> Any:
        """The example, validated."""
        return self.validated(self.example)

    @cached_property
    def folder(self) -> Path:
        """The work folder: the only place where the component may write. It is gone when the case is."""
        return kept_with(self, WORK)

    def build(self, role: type[R], *arguments: Any, seed: int = 0) -> R:
        """A new one, built under torch's global seed; the generator is afterwards as it was.

        Raises ``AssertionError`` where it is not of its role.
        """
        import torch

        from ...registry.build import build

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            built = build(object, self.catalogue, self.spec, *arguments)
        article = "an" if role.__name__.startswith(("A", "E")) else "a"
        assert isinstance(built, role), f"build gives a {type(built).__name__}, not {article} {role.__name__}"
        return built

    @cached_property
    def made(self) -> Any:
        """One that is built once for all checks that leave it as it is."""
        return self.make()

    def make(self) -> Any:
        """Build one as its kind is built."""
        return self._of_kind("make")

    def exercise(self) -> Any:
        """Build one and put it to use; what it gave, for comparison."""
        return self._of_kind("exercise")

    @cached_property
    def build_failure(self) -> Exception | None:
        """What is raised when one is built, tried once; ``None`` where that works."""
        try:
            self.make()
        except NotApplicable:
            return None
        except Exception as error:  # noqa: BLE001  # a component may raise anything
            return error
        return None

    @property
    def found_unbuildable(self) -> bool:
        """Whether that was tried, and failed."""
        return vars(self).get("build_failure") is not None

    def _of_kind(self, function: str) -> Any:
        return getattr(import_module(self.kind.module), function)(self)
