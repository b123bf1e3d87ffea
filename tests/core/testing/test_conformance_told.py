"""What the conformance kit says of a component that raises: its kind, the place in the author's code, and once."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from graftwork.core.testing import Outcome, check_component, run_checks
from graftwork.core.testing.kinds import SPEC
from graftwork.registry.component import Component

SPECS = '''"""Specs of a plugin."""
from typing import Literal

from graftwork.core.roles import AdapterSpec, ExpertSpec


class OneSpec(AdapterSpec):
    """An adapter."""

    type: Literal["one"] = "one"


class BothSpec(ExpertSpec):
    """An expert that reads its partner, and does not say so."""

    type: Literal["both"] = "both"

    def widths(self, rank: int) -> tuple[int, int, int]:
        return rank, rank, rank

    def parameter_count(self, rank: int) -> int:
        return 0
'''
ADAPTER = """from graftwork.core.roles.adapter import Adapter


class One(Adapter):
    def __init__(self, spec, width):
        super().__init__()
        self.spec, self.output_width = spec, width
        {built}

    def forward(self, x, graph=None):
        {run}
        return x
"""
EXPERT = """from graftwork.core.roles.expert import Expert


class Both(Expert):
    def __init__(self, spec, rank):
        super().__init__()

    def forward(self, x, y, x_mask, y_mask):
        return x + y.mean()
"""
Tried = Callable[..., list[Outcome]]


@pytest.fixture
def tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Tried]:
    """The checks of a component whose module holds that code, in a package of its own."""

    def check(code: str, spec: str = "OneSpec") -> list[Outcome]:
        package = tmp_path / "acme_told"
        package.mkdir()
        (package / "__init__.py").write_text(SPECS)
        (package / "parts.py").write_text(code)
        module = __import__("acme_told")
        found = getattr(module, spec)
        kind = "adapter" if spec == "OneSpec" else "expert"
        type_ = found.model_fields["type"].default
        component = Component(kind, type_, found, f"acme_told.parts:{type_.capitalize()}", "made for a test")
        return list(run_checks(component))

    monkeypatch.syspath_prepend(str(tmp_path))
    yield check
    for name in ("acme_told", "acme_told.parts"):
        sys.modules.pop(name, None)


def failed(outcomes: list[Outcome]) -> dict[str, str]:
    return {one.check: one.detail for one in outcomes if one.status == "failed"}


def test_the_place_is_in_the_plugin(tried: Tried, tmp_path: Path) -> None:
    """Not in the library that its code calls with something wrong."""
    found = failed(tried(ADAPTER.format(built="", run="x = x * self.spec.misspelt")))["deterministic"]
    assert found == (
        "raised AttributeError: 'OneSpec' object has no attribute 'misspelt' "
        f"({tmp_path / 'acme_told' / 'parts.py'}:11)"
    )


def test_a_bare_assert_is_told_with_its_line(tried: Tried, tmp_path: Path) -> None:
    """It has no message, and is the plugin's own; what the kit asserts is its message alone."""
    found = failed(tried(ADAPTER.format(built="", run="assert graph is not None")))["shape"]
    assert found == f"raised AssertionError: assert graph is not None ({tmp_path / 'acme_told' / 'parts.py'}:11)"


@pytest.mark.parametrize(
    ("code", "told", "line"),
    [
        (ADAPTER.format(built="self.size = spec.misspelt", run=""), "raised AttributeError: 'OneSpec' object has", 8),
        ("import misspelt\n" + ADAPTER.format(built="", run=""), "No module named 'misspelt'; reinstall", 1),
    ],
    ids=["constructor", "import"],
)
def test_what_cannot_be_built_is_told_once(tried: Tried, tmp_path: Path, code: str, told: str, line: int) -> None:
    """By the first check that finds it out; the others that need one say that they were not tried."""
    outcomes = tried(code)
    (found,) = failed(outcomes).values()
    assert found.startswith("it cannot be built: raised ")
    assert told in found
    assert found.endswith(f"({tmp_path / 'acme_told' / 'parts.py'}:{line})")
    rest = [one for one in outcomes if one.check not in {check.name for check in SPEC}][1:]
    assert {(one.status, one.detail) for one in rest} == {("skipped", "not tried: it cannot be built")}


def test_an_expected_failure_hides_no_other(tried: Tried) -> None:
    """Each check that fails unexpectedly is told, also where none can be built."""
    outcomes = tried(ADAPTER.format(built="raise ValueError('no')", run=""))
    first = next(iter(failed(outcomes)))
    component = Component("adapter", "one", sys.modules["acme_told"].OneSpec, "acme_told.parts:One", "made for a test")
    with pytest.raises(AssertionError, match=r"fails 1 of \d+ checks:\n  no_network .*it cannot be built: raised Val"):
        check_component(component, expected_failures={first: "issue 12"})


def test_an_expert_that_reads_a_partner_and_does_not_say_so_is_told(tried: Tried) -> None:
    """`y` is None, and the reason stands in its spec."""
    found = failed(tried(EXPERT, "BothSpec"))["shape"]
    assert found.startswith("raised AttributeError: 'NoneType' object has no attribute 'mean' (")
    assert found.endswith("which come with `multimodal = True` in the spec")
