"""A class to subclass for each kind: every check of the kind is a test method of its own.

    class TestShift(AdapterSuite):
        spec = {"type": "shift", "scale": 2.0}

A check that does not fit can be overridden by a method of that name, and is visibly so.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from ...registry.component import Component
from ...registry.discovery import default_catalogue
from .case import Case
from .check import Check
from .component_checks import cases, checks_for, known_checks, run_check
from .kinds import KINDS, kind_of


class ComponentSuite:
    """What the suites share; subclass the one of your kind."""

    #: The kind in a ``Component``.
    kind: ClassVar[str]
    #: The object as it stands in a pipeline; its ``type`` says which installed component is meant.
    spec: ClassVar[Mapping[str, Any]] = {}
    #: Where the component is not installed: its declaration.
    component: ClassVar[Component | None] = None
    #: Check to the reason why it is known to fail.
    expected_failures: ClassVar[Mapping[str, str]] = {}

    _case: ClassVar[Case | None] = None

    def __init_subclass__(cls, kind: str | None = None, **keywords: Any) -> None:
        """With ``kind``: a test method for each check of the kind and of its forms."""
        super().__init_subclass__(**keywords)
        cls._case = None
        if kind is None:
            return
        cls.kind = kind
        names = {check.name: check for form in KINDS if form.kind == kind for check in checks_for(form.name)}
        for name, check in names.items():
            setattr(cls, f"test_{name}", _method(check))

    @classmethod
    def case(cls) -> Case:
        """What is checked. Raises ``ConformanceError`` where the spec does not validate."""
        if cls._case is None:
            component = cls.component or default_catalogue().find(cls.kind, cls.spec.get("type", ""))
            known_checks(component, cls.expected_failures)
            (cls._case,) = cases(component, [cls.spec])
        return cls._case


def _method(check: Check) -> Any:
    def test(self: ComponentSuite) -> None:
        import pytest

        from .parametrize import tell

        case = self.case()
        (own,) = [one for one in kind_of(case.component).checks if one.name == check.name] or (None,)
        if own is None:
            pytest.skip(f"{case.component.name} is of another form than this check")
        tell(run_check(own, case, 0, self.expected_failures.get(check.name)))

    test.__name__ = test.__qualname__ = f"test_{check.name}"
    test.__doc__ = check.summary
    return test


class DatasetSuite(ComponentSuite, kind="dataset"):
    """For datasets."""


class CaptionerSuite(ComponentSuite, kind="captioner"):
    """For captioners."""


class EncoderSuite(ComponentSuite, kind="encoder"):
    """For encoders."""


class GraphSuite(ComponentSuite, kind="graph"):
    """For graph builders."""


class AdapterSuite(ComponentSuite, kind="adapter"):
    """For adapters of every level."""


class ExpertSuite(ComponentSuite, kind="expert"):
    """For experts."""


class HeadSuite(ComponentSuite, kind="head"):
    """For heads."""


class TaskSuite(ComponentSuite, kind="task"):
    """For tasks."""


class RegularizerSuite(ComponentSuite, kind="regularizer"):
    """For regularizers."""


class OptimizerSuite(ComponentSuite, kind="optimizer"):
    """For optimizers."""


class ReporterSuite(ComponentSuite, kind="reporter"):
    """For reporters."""
