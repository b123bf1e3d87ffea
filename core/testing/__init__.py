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

#: Module to the names that are imported from it on first use (PEP 562).
_HOMES = {
    "case": ("Case",),
    "check": ("Check",),
    "component_checks": ("Outcome", "UnknownCheck", "check_component", "checks_for", "run_checks"),
    "installed_plugin": ("UnknownPlugin", "check_plugin"),
    "kinds": ("KINDS", "Kind"),
    "outcome": ("ConformanceError", "NotApplicable"),
    "parametrize": ("parametrize_with_checks",),
    "suites": tuple(name for name in __all__ if name.endswith("Suite")),
}


def __getattr__(name: str) -> Any:
    from importlib import import_module

    for module, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f".{module}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
