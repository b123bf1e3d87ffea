"""A comparison: inputs, and candidates that do the same with them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

Call = Callable[[], object]


@dataclass(frozen=True)
class Candidate:
    """One way to do it."""

    name: str
    prepare: Callable[[Any], Call]
    """From the case's inputs to the call that is measured; imports and conversions belong here."""
    needs: str | None = None
    """A package that is not a dependency."""
    memory: bool = True
    """Whether its peak memory is worth a process of its own."""

    @property
    def missing(self) -> str | None:
        """Why it cannot run here, or None."""
        try:
            found = self.needs is None or find_spec(self.needs) is not None
        except ValueError:  # what is marked as missing in sys.modules
            found = False
        return None if found else f"{self.name}: {self.needs} is not installed (pip install 'graftwork[bench]')"


@dataclass(frozen=True)
class Case:
    """Candidates for the same inputs; the first is the limit, the second ours."""

    title: str
    inputs: Callable[[], Any]
    candidates: tuple[Candidate, ...]
    rounds: int = 5
    """After one call to warm up; a single round has none."""

    @property
    def limit(self) -> str:
        """What "of the limit" divides by."""
        return self.candidates[0].name

    @property
    def ours(self) -> str:
        """What ratios divide by."""
        return self.candidates[1].name
