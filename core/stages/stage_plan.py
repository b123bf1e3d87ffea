"""What a run would do, as stages with what is stored of them. Loads no model and no torch."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ...registry.catalogue import Catalogue
from ..spec.node_kinds import modalities_of
from ..spec.pipeline_spec import PipelineSpec
from .describe import CaptionerStage


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

    def to_json(self) -> dict[str, Any]:
        """As plain JSON."""
        return asdict(self)


def type_of(spec: Any) -> str:
    """Of a component, as its spec says."""
    return str(spec.type)


def no_device() -> Any:
    """For stages that look at what is stored and load nothing."""
    raise AssertionError("a plan or a lock loads no model")


def captioner_stage(spec: PipelineSpec, catalogue: Catalogue, store: Path) -> CaptionerStage | None:
    """The captioner of a pipeline that uses one."""
    if spec.captioner is None or (spec.level == "features" and "text" not in modalities_of(spec.graph, spec.dataset)):
        return None
    return CaptionerStage(spec.captioner, catalogue, store, no_device)


def lacks_its_file(captioner: CaptionerStage) -> bool:
    """Whether asking for its descriptions would fail: a file of them that is not there."""
    return captioner.spec.written and captioner.spec.missing_files() is not None
