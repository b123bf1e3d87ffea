"""Elastic weight consolidation on the trainable parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ...core.roles import Regularizer, TrainingView
from ...core.storage.tensors import read_tensors
from .fisher import fisher_diagonal
from .held import as_here, distance, values_of
from .specs import EARLIER, FISHER, EWCSpec

#: The saved parameters of a run.
TENSORS = "adapter_model.safetensors"
_STEMS = FISHER.removesuffix(".safetensors"), EARLIER.removesuffix(".safetensors")


class _Task(NamedTuple):
    """What is known of a task: where its training ended, and F there."""

    anchor: dict[str, Tensor]
    fisher: dict[str, Tensor]


class EWC(Regularizer):
    """lambda / 2 * sum_t sum_k F_tk (theta_k - theta*_tk)².

    One task t: the parameters at the start (anchor `init`), or where the run before ended (`previous`); with `every`
    all tasks so far. Sources: Kirkpatrick et al., "Overcoming catastrophic forgetting in neural networks", PNAS 2017,
    equation 3, a penalty for each task; Schwarz et al., "Progress & Compress", ICML 2018, section 3.2: one penalty at
    the latest parameters, by F* = gamma F*_before + F.
    """

    def __init__(self, spec: EWCSpec) -> None:
        self.spec = spec
        self._tasks: list[_Task] = []

    def start(self, view: TrainingView) -> None:
        """Take anchor and Fisher: of the initial parameters, or those that the previous runs saved."""
        if self.spec.anchor == "init":
            fisher = fisher_diagonal(view, self.spec.labels) if self.spec.strength else _zeros(view)
            self._tasks = [_Task(values_of(view.parameters), fisher)]
        else:
            self._tasks = _before(self.spec, view)
        if self.spec.normalize:
            self._tasks = [_Task(one.anchor, _normalized(one.fisher)) for one in self._tasks]

    def penalty(self, parameters: Mapping[str, nn.Parameter]) -> Tensor:
        """The penalty, a scalar; of one task zero at its anchor."""
        first, *others = (distance(parameters, one.anchor, one.fisher) for one in self._tasks)
        return self.spec.strength / 2 * sum(others, first)

    def finish(self, view: TrainingView) -> dict[str, dict[str, Tensor]]:
        """``fisher.safetensors``: F at the kept parameters, plus ``decay`` times the previous run's.

        With anchor `every` F alone, and ``fisher_earlier.safetensors``: anchor and F of each task before.
        """
        fisher = fisher_diagonal(view, self.spec.labels)
        own, earlier = _STEMS
        if self.spec.anchor == "every":
            return {own: fisher, earlier: _named(_before(self.spec, view))}
        if self.spec.anchor == "previous" and self.spec.decay:
            (before,) = _before(self.spec, view)
            fisher = {name: now + self.spec.decay * before.fisher[name] for name, now in fisher.items()}
        return {own: fisher}


def _before(spec: EWCSpec, view: TrainingView) -> list[_Task]:
    """What runs before this one saved, the latest last, as the parameters are here: a class that is new is not held."""
    spec.require_previous(view.previous)
    assert view.previous is not None, "the spec requires it"
    path = view.previous / FISHER
    latest = _Task(read_tensors(view.previous / TENSORS), read_tensors(path))
    tasks = [_here(latest, view, path)]
    if spec.anchor == "every" and (path := view.previous / EARLIER).is_file():
        saved = read_tensors(path)
        count = len({name.partition(".")[0] for name in saved})
        tasks = [_here(_numbered(saved, number), view, path) for number in range(count)] + tasks
    return tasks


def _here(task: _Task, view: TrainingView, path: Path) -> _Task:
    return _Task(*(as_here(one, view, path, "ewc") for one in task))


def _named(tasks: Sequence[_Task]) -> dict[str, Tensor]:
    """``NUMBER.anchor.NAME`` and ``NUMBER.fisher.NAME``."""
    return {
        f"{number}.{part}.{name}": tensor
        for number, task in enumerate(tasks)
        for part, tensors in task._asdict().items()
        for name, tensor in tensors.items()
    }


def _numbered(saved: Mapping[str, Tensor], number: int) -> _Task:
    anchor, fisher = (
        {name.removeprefix(start): one for name, one in saved.items() if name.startswith(start)}
        for start in (f"{number}.{part}." for part in _Task._fields)
    )
    return _Task(anchor, fisher)


def _zeros(view: TrainingView) -> dict[str, Tensor]:
    return {name: torch.zeros_like(parameter) for name, parameter in view.parameters.items()}


def _normalized(fisher: dict[str, Tensor]) -> dict[str, Tensor]:
    total = sum(float(values.sum()) for values in fisher.values())
    mean = total / sum(values.numel() for values in fisher.values())
    return {name: values / mean for name, values in fisher.items()} if mean > 0 else fisher
