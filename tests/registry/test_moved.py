"""A plugin written for the paths of before is told where each is now: when it is loaded, and when it is built."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

import pytest

from graftwork.registry.build import BuildError, build
from graftwork.registry.catalogue import Catalogue
from graftwork.registry.loading import load_plugin, said
from graftwork.registry.moved import moved, moves

from ..support.plugin_folder import DECLARE, GIVE, HEAD, plugin_folder

ADAPTER = "graftwork.core.adapter is graftwork.core.roles now: from graftwork.core.roles import Adapter"
TOWERS = "graftwork.core.towers is graftwork.core.graft now: from graftwork.core.graft import GraftedTowers"
CASES = [
    ("from graftwork.core.adapter import Adapter\n", ADAPTER),
    ("import graftwork.core.adapter as role\n", ADAPTER),
    ("from graftwork.core.towers import GraftedTowers\n", TOWERS),
    (
        "from graftwork.core.dataset import Dataset, Item\n",
        "graftwork.core.dataset is graftwork.core.roles and graftwork.core.data.items now: from graftwork.core.roles "
        "import Dataset; from graftwork.core.data.items import DataError, DatasetContent, Item, Media",
    ),
    (
        "from graftwork.triton_kernels.propagate import propagate\n",
        "graftwork.triton_kernels.propagate is graftwork.triton_kernels now: from graftwork.triton_kernels import "
        "propagate",
    ),
    ("from graftwork.core import adapter\n", ADAPTER),
    (
        "from graftwork.core import tokens\n",
        "graftwork.core.tokens is graftwork.core.data.tokens now: from graftwork.core.data.tokens import Tokens",
    ),
]
#: The module is there, and lacks the name; or an error of the plugin's own stands before Python's.
GRAPH = "graftwork.core.graph is graftwork.core.roles now: from graftwork.core.roles import GraphBuilder"
OTHERWISE = [
    ("import graftwork.core.graph as g\n\nBase = g.GraphBuilder\n", GRAPH),
    ("import graftwork.core.roles\n\nBase = graftwork.core.adapter.Adapter\n", ADAPTER),
    *(
        (
            f"try:\n    {line}\nexcept {kind} as error:\n    raise RuntimeError('no base') {cause}\n",
            told,
        )
        for cause in ("from error", "from None", "")
        for kind, line, told in (
            ("ImportError", "from graftwork.core.adapter import Adapter", ADAPTER),
            ("AttributeError", "import graftwork.core.graph as g; g.GraphBuilder", GRAPH),
        )
    ),
]


@pytest.mark.parametrize(("source", "told"), CASES)
def test_a_plugin_that_imports_an_old_path_is_told_the_new_one(
    source: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the line that says why it is left out; it is an ImportError as ever."""
    found = load_plugin(plugin_folder(tmp_path, monkeypatch).install(source))
    assert found.failure is not None
    assert re.match("(ModuleNotFound|Import)Error: ", found.failure)
    assert found.failure.endswith(f"({told})")


@pytest.mark.parametrize(("source", "told"), OTHERWISE)
def test_an_old_path_is_found_behind_another_error(
    source: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the plugin is loaded."""
    failure = load_plugin(plugin_folder(tmp_path, monkeypatch).install(source)).failure
    assert failure is not None
    assert re.match("(Attribute|Runtime)Error: ", failure)
    assert failure.endswith(f"({told})")


@pytest.mark.parametrize(("source", "told"), OTHERWISE)
def test_an_old_path_behind_another_error_is_found_when_a_component_is_built(
    source: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Likewise."""
    folder = plugin_folder(tmp_path, monkeypatch)
    module = f"behind_{OTHERWISE.index((source, told))}"
    (folder.folder / f"{module}.py").write_text(source)
    declared = DECLARE.format(type_="late").replace("late_module", module)
    plugin = load_plugin(folder.install(HEAD + declared + GIVE.format(type_="late")))
    with pytest.raises(BuildError) as raised:
        build(object, Catalogue([plugin]), plugin.components[0].spec())
    assert str(raised.value).endswith(f"({told})")


@pytest.mark.parametrize(("source", "told"), CASES)
def test_a_component_that_imports_an_old_path_is_told_the_new_one(
    source: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its spec is light and loads; the mistake shows when it is built, and nothing is to be reinstalled."""
    folder = plugin_folder(tmp_path, monkeypatch)
    module = f"late_{len(source)}"
    (folder.folder / f"{module}.py").write_text(f"{source}build = None\n")
    declared = DECLARE.format(type_="late").replace("late_module", module)
    plugin = load_plugin(folder.install(HEAD + declared + GIVE.format(type_="late")))
    (component,) = plugin.components
    with pytest.raises(BuildError) as raised:
        build(object, Catalogue([plugin]), component.spec())
    assert str(raised.value).endswith(f"; {told}")


@pytest.mark.parametrize(
    "source",
    [
        "import a_module_that_is_not_there\n",
        "from graftwork.core.towers import Elsewhere\n",
        "raise ImportError\n",
        "import graftwork.core.graph as g\n\ng.Elsewhere\n",
        "object().GraphBuilder\n",
    ],
)
def test_other_imports_are_told_as_ever(source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What never was here has not moved."""
    failure = load_plugin(plugin_folder(tmp_path, monkeypatch).install(source)).failure
    assert failure is not None
    assert " now: " not in failure
    assert moved(ValueError("x")) is None
    assert said(ImportError("x")) == "ImportError: x"


def test_errors_that_are_each_others_cause_have_an_end() -> None:
    first, second = ValueError("x"), ValueError("y")
    first.__cause__, second.__cause__ = second, first
    assert moved(first) is None


def test_the_table_is_true() -> None:
    """Each name is where the table says, and no longer where it was."""
    for old, names in moves().items():
        for name, new in names.items():
            assert hasattr(import_module(new), name), f"{new} has no {name}"
            with pytest.raises(ImportError) as raised:
                exec(f"from {old} import {name}")
            assert moved(raised.value) is not None, f"{old}.{name}"
