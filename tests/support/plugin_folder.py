"""Plugin distributions as pip would install them: real modules and real metadata in a temporary folder."""

from __future__ import annotations

import importlib
import textwrap
from importlib.metadata import EntryPoint
from itertools import count
from pathlib import Path

import pytest

_NUMBERS = count()

#: The beginning of a plugin that keeps to the rules; ``DECLARE.format(type_=...)`` declares one adapter.
HEAD = """
from typing import Literal
from graftwork.registry.component import Component
from graftwork.registry.hookspecs import Check, hookimpl
from graftwork.registry.spec import Spec

GRAFTWORK_API = 1
"""
DECLARE = """
class {type_}Spec(Spec):
    type: Literal["{type_}"] = "{type_}"

{type_} = Component("adapter", "{type_}", {type_}Spec, "{type_}_module:build", "made for a test")
"""
GIVE = """
@hookimpl
def graftwork_components():
    yield {type_}
"""


def fine(type_: str) -> str:
    """The source of a plugin that declares one adapter of that type."""
    return HEAD + DECLARE.format(type_=type_) + GIVE.format(type_=type_)


class PluginFolder:
    """Writes plugins into a folder on ``sys.path``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def install(self, source: str, distribution: str = "acme-adapters", version: str = "1.2") -> EntryPoint:
        """A module with ``source``, and the metadata of the distribution that brings it; returns its entry point."""
        module = f"plugin_of_a_test_{next(_NUMBERS):04}"
        (self.folder / f"{module}.py").write_text(textwrap.dedent(source), "utf-8")
        metadata = self.folder / f"{distribution.replace('-', '_')}-{version}.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n")
        (metadata / "entry_points.txt").write_text(f"[graftwork.plugins]\n{module} = {module}\n")
        importlib.invalidate_caches()
        found = importlib.metadata.entry_points(group="graftwork.plugins", name=module)
        return next(iter(found))


def plugin_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PluginFolder:
    """An empty folder on ``sys.path`` for plugins."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    return PluginFolder(folder)
