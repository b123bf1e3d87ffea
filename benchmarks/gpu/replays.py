"""What is recorded as a CUDA graph and replayed: captures that fail on purpose, and steps inside towers, taken by the
training's own code as ever and replayed. Needs pydantic and greenlet."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Generator, Tensor

from ...core.pipeline import Pipeline
from ...core.roles.regularizer import TrainingView
from ...core.roles.tower_specs import TowerAdapterSpec
from ...core.training import recorders
from ...core.training.learner import Learner, OfLogits, Rank, TrainableModel
from ...core.training.recorders import Compute, CudaGraphs
from ...core.training.replayed import TRIALS, WARM_UP
from ...core.training.steps import Steps
from ...registry.discovery import default_catalogue
from .few_shot import SPEC
from .measuring import Row
from .towers import SPECS, Ms, Towers, grafted, lost, towers

#: Steps of each training that are compared: one beyond those that are tried.
STEPS = WARM_UP + TRIALS + 1
#: How far their losses may be from one another, of the largest: both are in bfloat16.
NEAR = 0.02


def failing(device: torch.device) -> Iterator[Row]:
    """After a capture that fails, stream, memory and generator are as they were, and others can be captured."""
    x = torch.ones(1 << 20, device=device)

    def reads() -> list[Tensor]:
        return [x * float(x.sum())]

    def draws() -> list[Tensor]:
        return [torch.rand_like(x), x * float(x.sum())]

    def waits() -> list[Tensor]:
        torch.cuda.synchronize()
        return [x + 1]

    def raises() -> list[Tensor]:
        if torch.cuda.is_current_stream_capturing():
            raise RuntimeError("of Python's own")
        return [torch.rand_like(x)]

    for what, call in {"reads": reads, "draws, then reads": draws, "waits": waits, "raises": raises}.items():
        yield {"what": f"a capture of what {what}", **_failed(call, x)}
    gc.collect()
    drops: Callable[[], list[Tensor]] = lambda: [torch.nn.functional.dropout(x)]  # noqa: E731
    replay, state = CudaGraphs(device)(drops), torch.cuda.get_rng_state()
    replayed = [_copied(replay()) for _ in range(2)]
    torch.cuda.set_rng_state(state)
    same = all(torch.equal(one, _copied(drops())) for one in replayed)
    yield {"what": "dropout, replayed after them", "right": same and not torch.equal(*replayed)}


def _failed(call: Compute, x: Tensor) -> Row:
    record, here, state = CudaGraphs(x.device), torch.cuda.current_stream(), torch.cuda.get_rng_state()
    torch.cuda.empty_cache()
    expected, before, said = torch.rand(8, device=x.device), torch.cuda.memory_reserved(), ""
    try:
        record(call)
    except Exception as problem:  # noqa: BLE001  (that it fails is what is asked)
        said = f"{type(problem).__name__}: {str(problem)[:100]}"
    row: Row = {"said": said, "stream": torch.cuda.current_stream() == here}
    try:
        torch.cuda.set_rng_state(state)
        row["generator"] = torch.equal(expected, torch.rand(8, device=x.device))
        del record
        gc.collect()
        torch.cuda.empty_cache()
        row["memory"] = torch.cuda.memory_reserved() <= before
    except RuntimeError as problem:
        return {**row, "right": False, "failed": str(problem)[:200]}
    return {**row, "right": bool(said) and row["stream"] and row["generator"] and row["memory"]}


def _copied(found: Sequence[Any]) -> Tensor:
    copied: Tensor = found[0].clone()
    return copied


class _Model(TrainableModel):
    def __init__(self, of: Towers, spec: TowerAdapterSpec) -> None:
        super().__init__()
        self.head, self.grafted = None, grafted(of, spec)


class _Learner(Learner):
    """Of one batch, whose items come in another order each time."""

    def __init__(self, of: Towers, spec: TowerAdapterSpec) -> None:
        self.model: _Model = _Model(of, spec)
        self._of, self.items = of, len(of.inputs["image"]["pixel_values"])
        self.gathers = self.calls = 0

    def gathered(self, rows: Tensor) -> Any:
        """What the towers take."""
        self.gathers += 1
        by = self.gathers % self.items
        return {name: {key: one.roll(by, 0) for key, one in of.items()} for name, of in self._of.inputs.items()}

    def loss_of(self, gathered: Any) -> tuple[Tensor, Sequence[Tensor]]:
        """Of both towers."""
        self.calls += 1
        return lost(self.model.grafted, gathered), ()

    def asks(self) -> Sequence[object]:
        """The towers."""
        return self._of.vision, self._of.text

    def loss(self, rows: Tensor, of_logits: OfLogits | None = None) -> Tensor:
        """As ever."""
        return self.loss_of(self.gathered(rows))[0]

    def fit(self) -> None:
        """There is no head."""

    def rank(self) -> Rank | None:
        """There is no other split."""

    def final_loss(self) -> float:
        """It is not asked."""
        raise NotImplementedError

    def view(self, previous: Path | None, generator: Generator) -> TrainingView:
        """There are no regularizers."""
        raise NotImplementedError


def trained(device: torch.device, ms: Ms) -> Iterator[Row]:
    """Steps of LoRA and HMMoE as a training takes them: loss, gradients, optimizer."""
    dry = device.type == "cpu"
    of = towers(device, 2 if dry else 64, dry)
    for name in ("HMMoE",) if dry else ("LoRA", "HMMoE"):
        right: list[float] | None = None
        for way in ("as ever", "replayed"):
            row: Row = {"what": f"{name}, a training's step, {way}"}
            try:
                found, losses = _trained(of, SPECS[name], way == "replayed", ms)
            except RuntimeError as problem:
                yield {**row, "ms": None, "right": False, "failed": str(problem)[-300:]}
                continue
            right = right or losses
            near = all(abs(a - b) <= NEAR * max(map(abs, right)) for a, b in zip(right, losses, strict=True))
            yield {**row, **found, "right": near}


def _trained(of: Towers, spec: TowerAdapterSpec, replays: bool, ms: Ms) -> tuple[Row, list[float]]:
    torch.manual_seed(0)
    learner = _Learner(of, spec)
    more = {
        "trainer.epochs": 200,
        "trainer.precision": "bf16" if of.kind == "cuda" else "fp32",
        "trainer.optimizer.lr": 1e-4,
    }
    before = dict(recorders.RECORDERS), os.environ.get("GRAFTWORK_REPLAY")
    recorders.RECORDERS.setdefault("cpu", lambda device: lambda compute: compute)  # dry: a replay is Python
    os.environ["GRAFTWORK_REPLAY"] = str(int(replays))
    try:
        steps = Steps(Pipeline.from_dict(SPEC, more).spec, default_catalogue(), learner, [0])
    finally:
        recorders.RECORDERS.clear()
        recorders.RECORDERS.update(before[0])
        os.environ["GRAFTWORK_REPLAY"] = before[1] or ""
    course = steps.epochs([], lambda: None)
    if on_gpu := of.kind == "cuda":
        torch.cuda.reset_peak_memory_stats()
    losses = [float(next(course)[0][0]) for _ in range(STEPS)]
    calls = learner.calls
    took = ms(lambda: next(course))
    found: Row = {"ms": took, "python ran": learner.calls > calls}
    if on_gpu:
        found["peak GB"] = round(torch.cuda.max_memory_allocated() / 1e9, 2)
        found["reserved GB"] = round(torch.cuda.memory_reserved() / 1e9, 2)
    return found, losses
