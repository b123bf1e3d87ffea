"""Run the checks of a component's kind on examples of its spec."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import ValidationError

from ...registry.catalogue import Catalogue
from ...registry.component import Component
from ...registry.errors import UserError, nearest
from .case import Case, catalogue_with
from .check import Check
from .kinds import KINDS, SPEC, Kind, kind_of
from .outcome import ConformanceError, NotApplicable
from .told import told

Examples = Sequence[Mapping[str, Any]]
Status = Literal["passed", "failed", "skipped", "expected", "stale"]


class UnknownCheck(UserError):
    """There is no check, or no kind, of that name."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one check on one example."""

    #: ``kind.type`` of the component.
    component: str
    check: str
    #: Index into the examples.
    example: int
    #: ``expected``: it failed, as the author said it would. ``stale``: it passed, and the author said it would not.
    status: Status
    #: Why it failed, was skipped, or was expected to fail.
    detail: str = ""

    @property
    def ok(self) -> bool:
        """Whether nothing needs mending."""
        return self.status not in ("failed", "stale")


def checks_for(kind: str | Component) -> tuple[Check, ...]:
    """The checks of a kind (``adapter``, ``layer_adapter`` ...), or of a component. Raises ``UnknownCheck``."""
    if isinstance(kind, Component):
        return kind_of(kind).checks
    return _named(kind).checks


def _named(name: str) -> Kind:
    known = {kind.name: kind for kind in KINDS}
    if name not in known:
        near = nearest(name, known)
        raise UnknownCheck(
            f"no kind `{name}`; " + (f"did you mean `{near}`?" if near else f"known: {', '.join(known)}")
        )
    return known[name]


def cases(
    component: Component, examples: Examples | None = None, catalogue: Catalogue | None = None
) -> tuple[Case, ...]:
    """A case for each example; without examples, the spec's defaults. Raises ``ConformanceError`` for an invalid one.

    ``catalogue``: where components that stand in this one's spec are looked up; default: what is installed.
    """
    found = catalogue_with(component, catalogue)
    made = tuple(
        Case(component, {"type": component.type, **example}, kind_of(component), found) for example in examples or ({},)
    )
    for case in made:
        try:
            _ = case.spec
        except ValidationError as error:
            remedy = "mend the example" if examples else 'give it one that validates (examples=[{"field": value}])'
            raise ConformanceError(
                f"{component.name}: {dict(case.example)} does not validate: {error}; {remedy}"
            ) from None
    return made


def run_check(check: Check, case: Case, example: int = 0, expected: str | None = None) -> Outcome:
    """One check on one case; ``expected``: why it is known to fail. Whatever is raised becomes a failed outcome.

    Where the component cannot even be built, the check that finds this out says so, and those after it are skipped.
    """
    name = case.component.name
    if case.found_unbuildable and check not in SPEC:
        return Outcome(name, check.name, example, "skipped", "not tried: it cannot be built")
    try:
        check(case)
    except NotApplicable as reason:
        return Outcome(name, check.name, example, "skipped", str(reason))
    except Exception as error:  # noqa: BLE001  # a component may raise anything, and that is what is reported
        if expected is not None:
            return Outcome(name, check.name, example, "expected", expected)
        detail = told(error, check, case)
        if check not in SPEC and case.build_failure is not None:
            detail = f"it cannot be built: {told(case.build_failure, check, case)}"
        return Outcome(name, check.name, example, "failed", detail)
    if expected is not None:
        return Outcome(
            name, check.name, example, "stale", f"it passes now; remove it from expected_failures ({expected})"
        )
    return Outcome(name, check.name, example, "passed")


def run_checks(
    component: Component,
    *,
    examples: Examples | None = None,
    expected_failures: Mapping[str, str] | None = None,
    catalogue: Catalogue | None = None,
) -> Iterator[Outcome]:
    """Every check of the component's kind on each example, one after the other as they are asked for.

    Raises ``UnknownCheck`` for an expected failure that is no check of this kind.
    """
    expected = known_checks(component, expected_failures)
    for number, case in enumerate(cases(component, examples, catalogue)):
        for check in kind_of(component).checks:
            yield run_check(check, case, number, expected.get(check.name))


def known_checks(component: Component, expected: Mapping[str, str] | None) -> Mapping[str, str]:
    """``expected`` itself. Raises ``UnknownCheck`` where it names no check of the component's kind."""
    names = [check.name for check in checks_for(component)]
    for name in expected or {}:
        if name not in names:
            near = nearest(name, names)
            hint = f"did you mean `{near}`?" if near else f"there are: {', '.join(names)}"
            raise UnknownCheck(f"{component.name} has no check `{name}`; {hint}")
    return expected or {}


def check_component(
    component: Component,
    *,
    examples: Examples | None = None,
    expected_failures: Mapping[str, str] | None = None,
    catalogue: Catalogue | None = None,
) -> list[Outcome]:
    """Check that a component keeps what its kind promises.

    Args:
        component: the declaration, as in `graftwork_components`.
        examples: objects as they stand in a pipeline (`type` may be left out); each is checked. Default: the spec's
            defaults.
        expected_failures: check to the reason why it is known to fail; one that passes is an error, so that the list
            stays true.
        catalogue: where the components in its spec are looked up; default: what is installed.

    Returns:
        What came of each check; those that did not apply say why.

    Raises:
        ConformanceError: naming every check that failed.
        UnknownCheck: an expected failure that is no check of this kind.
    """
    outcomes = list(run_checks(component, examples=examples, expected_failures=expected_failures, catalogue=catalogue))
    if failed := [one for one in outcomes if not one.ok]:
        lines = "".join(f"\n  {one.check} (example {one.example}): {one.detail}" for one in failed)
        raise ConformanceError(f"{component.name} fails {len(failed)} of {len(outcomes)} checks:{lines}")
    return outcomes
