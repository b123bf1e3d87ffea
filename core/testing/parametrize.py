"""Every check of every component as a test of its own, under pytest."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pytest

from ...registry.catalogue import Catalogue
from ...registry.component import Component
from .case import Case
from .check import Check
from .component_checks import Examples, Outcome, cases, known_checks, run_check
from .kinds import kind_of
from .outcome import ConformanceError


class PytestCheck:
    """A check of one case; called, it passes, fails, skips or xfails as a test does."""

    def __init__(self, check: Check, case: Case, example: int, expected: str | None) -> None:
        self.check, self.case, self.example, self.expected = check, case, example, expected

    def __repr__(self) -> str:
        number = f"-{self.example}" if self.example else ""
        return f"{self.case.component.name}{number}-{self.check.name}"

    def __call__(self) -> None:
        """Run it. A stale expectation fails."""
        tell(run_check(self.check, self.case, self.example, self.expected))


def tell(outcome: Outcome) -> None:
    """What came of a check, in pytest's terms."""
    if outcome.status == "skipped":
        pytest.skip(outcome.detail)
    if outcome.status == "expected":
        pytest.xfail(outcome.detail)
    if not outcome.ok:
        raise ConformanceError(f"{outcome.component}, check {outcome.check}: {outcome.detail}")


def pytest_checks(
    components: Iterable[Component],
    examples: Mapping[str, Examples] | None = None,
    expected_failures: Mapping[str, Mapping[str, str]] | None = None,
    catalogue: Catalogue | None = None,
) -> Iterator[PytestCheck]:
    """The tests of these components, in order."""
    for component in components:
        expected = known_checks(component, (expected_failures or {}).get(component.name))
        for number, case in enumerate(cases(component, (examples or {}).get(component.name), catalogue)):
            for check in kind_of(component).checks:
                yield PytestCheck(check, case, number, expected.get(check.name))


def parametrize_with_checks(
    components: Iterable[Component],
    *,
    examples: Mapping[str, Examples] | None = None,
    expected_failures: Mapping[str, Mapping[str, str]] | None = None,
    catalogue: Catalogue | None = None,
) -> Any:
    """Decorate ``def test_conformance(check): check()``: a test for each check of each component and example.

    ``examples`` and ``expected_failures`` are keyed by ``kind.type``; an expected failure that passes fails as stale.
    Raises ``ConformanceError`` for an example that does not validate, ``UnknownCheck`` for one that is no check.
    """
    checks = list(pytest_checks(components, examples, expected_failures, catalogue))
    return pytest.mark.parametrize("check", checks, ids=repr)
