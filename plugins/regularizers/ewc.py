"""Elastic weight consolidation on the trainable parameters."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from ...core.roles import Regularizer, TrainingView
from ...core.storage.run_folder import RunFolderError
from ...core.storage.tensors import read_tensors
from .specs import FISHER, EWCSpec

FILE = FISHER.removesuffix(".safetensors")
#: Samples whose gradients are held at once.
CHUNK = 64


def fisher_diagonal(view: TrainingView, labels: str = "empirical") -> dict[str, Tensor]:
    """F_k: the mean over items of the squared gradient of that item's own loss (Kirkpatrick et al. 2017).

    Squares of per-sample gradients, not the square of a batch's mean gradient. In a graph an item's loss also depends
    on parameters through its neighbours' messages; the neighbours' input vectors are constants. Shaped as the
    parameters.
    """
    parameters = list(view.parameters.values())
    logits = view.logits()
    targets = view.targets
    if labels == "sampled":
        probabilities = logits.detach().softmax(dim=-1).cpu()
        targets = torch.multinomial(probabilities, 1, generator=view.generator).squeeze(1).to(logits.device)
    losses = view.losses(logits, targets)
    sums = [torch.zeros_like(parameter) for parameter in parameters]
    each = torch.eye(len(losses), device=losses.device, dtype=losses.dtype)
    for start in range(0, len(losses), CHUNK):
        chunk = each[start : start + CHUNK]
        gradients = torch.autograd.grad(
            losses, parameters, chunk, retain_graph=True, is_grads_batched=True, allow_unused=True
        )
        for total, gradient in zip(sums, gradients, strict=True):
            if gradient is not None:
                total += gradient.square().sum(dim=0)
    return {name: total / len(losses) for name, total in zip(view.parameters, sums, strict=True)}


class EWC(Regularizer):
    """lambda / 2 * sum_k F_k (theta_k - theta*_k)²."""

    def __init__(self, spec: EWCSpec) -> None:
        self.spec = spec
        self._anchor: dict[str, Tensor] = {}
        self._fisher: dict[str, Tensor] = {}

    def start(self, view: TrainingView) -> None:
        """Take anchor and Fisher: of the initial parameters, or those that the previous run saved."""
        if self.spec.anchor == "init":
            self._anchor = {name: parameter.detach().clone() for name, parameter in view.parameters.items()}
            self._fisher = fisher_diagonal(view, self.spec.labels)
        else:
            self._anchor, self._fisher = _previous(self.spec, view)
        if self.spec.normalize:
            self._fisher = _normalized(self._fisher)

    def penalty(self, parameters: Mapping[str, nn.Parameter]) -> Tensor:
        """The penalty, a scalar; zero at the anchor."""
        terms = [
            (self._fisher[name] * (parameter - self._anchor[name]).square()).sum()
            for name, parameter in parameters.items()
        ]
        return self.spec.strength / 2 * torch.stack(terms).sum()

    def finish(self, view: TrainingView) -> dict[str, dict[str, Tensor]]:
        """``fisher.safetensors``: F at the kept parameters, plus ``decay`` times the previous run's."""
        fisher = fisher_diagonal(view, self.spec.labels)
        if self.spec.anchor == "previous" and self.spec.decay:
            before = _previous(self.spec, view)[1]
            fisher = {name: now + self.spec.decay * before[name] for name, now in fisher.items()}
        return {FILE: fisher}


def _previous(spec: EWCSpec, view: TrainingView) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Anchor and Fisher of the run before, as the parameters are here: a class that it did not know is not held."""
    spec.require_previous(view.previous)
    assert view.previous is not None, "the spec requires it"
    path = view.previous / FISHER
    anchor, fisher = read_tensors(view.previous / "adapter_model.safetensors"), read_tensors(path)
    anchors, importances = {}, {}
    for name, parameter in view.parameters.items():
        if name not in fisher or name not in anchor or fisher[name].shape != anchor[name].shape:
            raise RunFolderError(f"ewc: {path} does not fit this pipeline at {name}")
        rows = view.rows_before.get(name)
        anchors[name], importances[name] = (_as_here(one[name], rows, parameter) for one in (anchor, fisher))
        if importances[name].shape != parameter.shape:
            raise RunFolderError(f"ewc: {path} does not fit this pipeline at {name}")
    return anchors, importances


def _as_here(before: Tensor, rows: Tensor | None, parameter: Tensor) -> Tensor:
    """A tensor of the run before with its rows in this run's order, zeros for new classes."""
    if rows is None:
        return before.to(parameter.device)
    here = before.new_zeros(len(rows), *before.shape[1:])
    here[rows >= 0] = before[rows[rows >= 0]]
    return here.to(parameter.device)


def _normalized(fisher: dict[str, Tensor]) -> dict[str, Tensor]:
    total = sum(float(values.sum()) for values in fisher.values())
    mean = total / sum(values.numel() for values in fisher.values())
    return {name: values / mean for name, values in fisher.items()} if mean > 0 else fisher
