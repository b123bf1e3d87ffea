"""SECURITY.md: every promise names the test that holds it, and the test is there."""

from __future__ import annotations

import ast
import re

import pytest

from ..support.paths import ROOT

PAGE = (ROOT / "SECURITY.md").read_text("utf-8")
NAMED = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", PAGE)


@pytest.mark.parametrize(("file", "test"), NAMED)
def test_a_test_that_the_page_names_is_there(file: str, test: str) -> None:
    """A file of tests, or one of them."""
    tree = ast.parse((ROOT / file).read_text("utf-8"))
    tests = [one.name for one in tree.body if isinstance(one, ast.FunctionDef) and one.name.startswith("test_")]
    assert tests
    assert not test or test in tests


def test_every_promise_names_a_test() -> None:
    """Each line of the lists."""
    promises = re.findall(r"^- (?:.+\n)(?:  .+\n)*", PAGE, re.MULTILINE)
    assert len(promises) > 15
    assert [one for one in promises if not re.search(r"`tests/", one)] == []
