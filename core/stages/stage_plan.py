"""What a run would do, as stages with what is stored of them. Loads no model and no torch."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from .near_duplicates import NearDuplicates


@dataclass(frozen=True, slots=True)
class StagePlan:
    """One stage of a plan."""

    stage: str
    detail: str
    #: Units of work in all, and of those how many are stored already. ``None`` where nothing is stored.
    total: int | None = None
    stored: int | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run would do."""

    name: str
    stages: tuple[StagePlan, ...]
    #: Trainings: search combinations x seeds.
    trainings: int
    #: Trainable parameters of the first combination; ``None`` where only building tells.
    trainable: int | None
    frozen: int | None
    #: What must be on this machine and is not, and how to get it: the run would try to, and stop where it cannot.
    missing: tuple[str, ...] = ()
    #: What its splits nearly share, where that was asked.
    leaks: NearDuplicates | None = None

    def to_json(self) -> dict[str, Any]:
        """As plain JSON; ``leaks`` is left out where nobody asked."""
        value = asdict(self)
        return value if self.leaks else {key: one for key, one in value.items() if key != "leaks"}


def type_of(spec: Any) -> str:
    """Of a component, as its spec says."""
    return str(spec.type)
