"""The checks of an installed plugin as pytest's parameters."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ...registry.discovery import default_catalogue
from .component_checks import Outcome
from .installed_plugin import chosen, find_plugin, planned
from .parametrize import PytestCheck, tell


class Known:
    """A test of which it is already known how it ends."""

    def __init__(self, outcome: Outcome) -> None:
        self.outcome = outcome

    def __repr__(self) -> str:
        return f"{self.outcome.component}-{self.outcome.check}"

    def __call__(self) -> None:
        """Tell."""
        tell(self.outcome)


def plugin_checks(
    name: str, *, folder: Path, kind: str | None = None, type: str | None = None
) -> list[Callable[[], None]]:
    """A test for each check of the plugin's components. Raises as ``check_plugin``."""
    catalogue = default_catalogue()
    plugin = find_plugin(name, catalogue)
    own = folder / plugin.name
    tests: list[Callable[[], None]] = []
    for _, check, case, number, expected in planned(plugin, chosen(plugin, kind, type), own, catalogue):
        if isinstance(case, Outcome) or check is None:
            assert isinstance(case, Outcome)
            tests.append(Known(case))
        else:
            tests.append(PytestCheck(check, case, number, expected))
    return tests
