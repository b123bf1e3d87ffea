"""The conformance kit: what is promised of a component of each kind, checked on yours.

    from graftwork.core.testing import check_component

    check_component(component, examples=[{"type": "shift", "scale": 2.0}])

The same checks run as `graftwork plugins check NAME`, as `@parametrize_with_checks([...])` over a pytest function, and
as a class suite (`class TestShift(AdapterSuite)`). `docs/conformance.md` lists them. Drawn specs need hypothesis
(`pip install graftwork[testing]`). Importing this imports nothing else: its pytest plugin is loaded in every session.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .case import Case
    from .check import Check
    from .component_checks import Outcome, UnknownCheck, check_component, checks_for, run_checks
    from .installed_plugin import UnknownPlugin, check_plugin
    from .kinds import KINDS, Kind
    from .outcome import ConformanceError, NotApplicable
    from .parametrize import parametrize_with_checks
    from .suites import (
        AdapterSuite,
        CaptionerSuite,
        ComponentSuite,
        DatasetSuite,
        EncoderSuite,
        ExpertSuite,
        GraphSuite,
        HeadSuite,
        OptimizerSuite,
        RegularizerSuite,
        ReporterSuite,
        TaskSuite,
    )

#: Imported on first use (PEP 562).
_HOMES = {
    "KINDS": "kinds",
    "AdapterSuite": "suites",
    "CaptionerSuite": "suites",
    "Case": "case",
    "Check": "check",
    "ComponentSuite": "suites",
    "ConformanceError": "outcome",
    "DatasetSuite": "suites",
    "EncoderSuite": "suites",
    "ExpertSuite": "suites",
    "GraphSuite": "suites",
    "HeadSuite": "suites",
    "Kind": "kinds",
    "NotApplicable": "outcome",
    "OptimizerSuite": "suites",
    "Outcome": "component_checks",
    "RegularizerSuite": "suites",
    "ReporterSuite": "suites",
    "TaskSuite": "suites",
    "UnknownCheck": "component_checks",
    "UnknownPlugin": "installed_plugin",
    "check_component": "component_checks",
    "check_plugin": "installed_plugin",
    "checks_for": "component_checks",
    "parametrize_with_checks": "parametrize",
    "run_checks": "component_checks",
}

__all__ = [
    "KINDS",
    "AdapterSuite",
    "CaptionerSuite",
    "Case",
    "Check",
    "ComponentSuite",
    "ConformanceError",
    "DatasetSuite",
    "EncoderSuite",
    "ExpertSuite",
    "GraphSuite",
    "HeadSuite",
    "Kind",
    "NotApplicable",
    "OptimizerSuite",
    "Outcome",
    "RegularizerSuite",
    "ReporterSuite",
    "TaskSuite",
    "UnknownCheck",
    "UnknownPlugin",
    "check_component",
    "check_plugin",
    "checks_for",
    "parametrize_with_checks",
    "run_checks",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f".{_HOMES[name]}", __name__), name)


def __dir__() -> list[str]:
    return __all__
