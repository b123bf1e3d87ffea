"""The layout: no folder too large, no import in a circle, and pages that draw and list the folders that are there."""

import graphlib
import importlib.util
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import grimp
import pytest

from ..support.paths import ROOT
from .test_packaging import modules, tracked

MOST_FILES = 16
#: Of the package, and of its tests. More need a reason that a reader of the tree accepts.
MOST_FOLDERS, MOST_TEST_FOLDERS = 78, 45
#: Folders of tests that mirror no folder of the package.
OWN = {"api_versions", "fixtures", "repository", "support"}


@pytest.fixture(scope="module")
def drawing() -> ModuleType:
    """What draws the architecture; it is part of the documentation, not of the package."""
    spec = importlib.util.spec_from_file_location("architecture", ROOT / "docs" / "_ext" / "architecture.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def rows(drawing: ModuleType) -> dict[str, int]:
    """Folders of core, and modules beside them, with their row in the contract: the command line's is 0."""
    return {box.path: number for number, row in enumerate(drawing.rows()) for box in row}


def files_of_tests() -> list[str]:
    """Files of tests and their helpers."""
    return [name for name in tracked() if name.startswith("tests/") and name.endswith(".py")]


@pytest.mark.parametrize(("files", "most"), [(modules, MOST_FOLDERS), (files_of_tests, MOST_TEST_FOLDERS)])
def test_no_folder_is_too_large_and_folders_are_few(files: Callable[[], list[str]], most: int) -> None:
    """Python files without ``__init__``; printed, so that `pytest -rP` says where the house stands."""
    sizes = Counter(Path(name).parent.as_posix() for name in files() if not name.endswith("__init__.py"))
    folders = {Path(name).parent for name in files()}
    (largest, size), *_ = sizes.most_common(1)
    print(f"{len(folders)} folders, {sizes.total()} modules; the largest is {largest} with {size}")
    assert {name: size for name, size in sizes.items() if size > MOST_FILES} == {}
    assert len(folders) <= most


def test_no_module_imports_another_that_imports_it() -> None:
    """Neither directly nor by others in between; imports for types alone count."""
    graph = grimp.build_graph("graftwork", exclude_type_checking_imports=False, cache_dir=None)
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    assert len(imports) > 300
    assert sum(map(len, imports.values())) > 1000
    graphlib.TopologicalSorter(imports).prepare()  # raises with the circle


def test_the_readme_draws_what_the_contract_says(drawing: ModuleType) -> None:
    """`make architecture` draws it anew."""
    assert drawing.BLOCK.findall((ROOT / "README.md").read_text("utf-8")) == [drawing.mermaid()]


def test_the_drawing_has_every_folder_of_core(rows: dict[str, int]) -> None:
    """The contract is exhaustive, and so is what is drawn of it."""
    beside = {path.name for path in (ROOT / "core").glob("*.py")} - {"__init__.py"}
    folders = {f"{path.parent.name}/" for path in (ROOT / "core").glob("*/__init__.py")}
    assert sorted(rows) == sorted(beside | folders)


def test_contributing_has_a_line_for_every_folder(rows: dict[str, int]) -> None:
    """Once each, from the bottom of the drawing to its top."""
    _, table = (ROOT / "CONTRIBUTING.md").read_text("utf-8").split("| folder of `core/` |")
    lines = re.findall(r"^\| (`.*?`) \|", table.split("\n\n")[0], re.MULTILINE)
    stand_in_order([name for line in lines for name in re.findall(r"`(.+?)`", line)], rows)


def test_the_page_on_the_architecture_has_a_section_for_every_folder(drawing: ModuleType, rows: dict[str, int]) -> None:
    """Where a box of the drawing links to; once each, from the bottom to the top."""
    page = (ROOT / drawing.PAGE).with_suffix(".md").read_text("utf-8")
    names = {path.removesuffix("/").removesuffix(".py"): row for path, row in rows.items()}
    stand_in_order(re.findall(r"^### (\w+)$", page, re.MULTILINE), names)


def stand_in_order(named: list[str], rows: dict[str, int]) -> None:
    """Each of ``rows`` once, the last row first."""
    assert sorted(named) == sorted(rows)
    assert [rows[name] for name in named] == sorted(rows.values(), reverse=True)


def test_tests_mirror_the_package() -> None:
    """What tests a folder is found under its path."""
    tests = {Path(name).relative_to("tests").parent for name in files_of_tests() if Path(name).name.startswith("test_")}
    mirrored = {folder for folder in tests if folder.parts[0] not in OWN}
    assert mirrored - {Path(name).parent for name in modules()} == set()
    assert len(mirrored) > 20
