"""Prefix tuning as a tower adapter: hooks on the frozen attention while the towers run, and none otherwise."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from graftwork.core.graft import Tower, TowerError
from graftwork.core.roles import TowerAdapter
from graftwork.core.towers.tower import frozen_parameters

from . import PrefixSpec
from .attention import Attention, find_attentions


class LearnedPrefix(nn.Module):
    """tanh(g) softmax(Q P_k^T / sqrt(width)) P_v, added to what the heads give.

    Keys and values are learned as such, for each block (Li & Liang, ACL 2021); they have a softmax of their own behind
    a gate that starts at zero, one a head (Zhang et al., LLaMA-Adapter, arXiv 2303.16199, section 3.3), so that nothing
    changes at first and neither mask, position nor causality concern them.
    """

    def __init__(self, length: int, heads: int, width: int) -> None:
        super().__init__()
        self.keys = nn.Parameter(torch.randn(heads, length, width) * width**-0.5)
        self.values = nn.Parameter(torch.randn(heads, length, width) * width**-0.5)
        self.gate = nn.Parameter(torch.zeros(heads))

    def forward(self, queries: Tensor) -> Tensor:
        """[..., heads * width] to the same shape and dtype."""
        heads, _, width = self.keys.shape
        split = queries.unflatten(-1, (heads, width)).float()
        scores = torch.einsum("...hw,hpw->...hp", split, self.keys.float()) * width**-0.5
        read = torch.einsum("...hp,hpw->...hw", scores.softmax(-1), self.values.float())
        return (read * self.gate.float().tanh()[:, None]).flatten(-2).to(queries.dtype)


class Prefix(TowerAdapter):
    """A ``LearnedPrefix`` in every block of every tower. Not for two threads at once."""

    def __init__(self, spec: PrefixSpec, towers: Sequence[Tower]) -> None:
        super().__init__()
        attentions = find_attentions(towers)
        self.spec: PrefixSpec = _sized(spec, attentions, frozen_parameters(towers))
        self.prefixes = nn.ModuleDict()
        # In a plain list: the frozen projections are not this module's.
        self._entered: list[tuple[Attention, LearnedPrefix]] = []
        for one in attentions:
            prefix = LearnedPrefix(self.spec.own_length, one.heads, one.width)
            self.prefixes[f"{one.tower}_{one.block}"] = prefix
            self._entered.append((one, prefix))

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Hooks on both projections; gone afterwards, also after an exception."""
        with ExitStack() as hooks:
            for attention, prefix in self._entered:
                heard: list[Tensor] = []
                hooks.callback(attention.query.register_forward_hook(_keep(heard)).remove)
                hooks.callback(attention.output.register_forward_pre_hook(_add(prefix, heard)).remove)
            yield


def _keep(heard: list[Tensor]) -> Any:
    def hear(module: nn.Module, inputs: tuple[Any, ...], queries: Tensor) -> None:
        heard[:] = [queries]

    return hear


def _add(prefix: LearnedPrefix, heard: list[Tensor]) -> Any:
    def add(module: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        given, *rest = inputs
        return (given + prefix(heard.pop()).reshape(given.shape), *rest)

    return add


def _sized(spec: PrefixSpec, attentions: Sequence[Attention], frozen: int) -> PrefixSpec:
    """With the longest prefix that the budget allows. Raises ``TowerError``."""
    if spec.budget is None:
        return spec
    gates = sum(one.heads for one in attentions)
    of_one = sum(2 * one.query.out_features for one in attentions)
    length = int((spec.budget.trainable_share * frozen - gates) / of_one)
    if length < 1:
        raise TowerError(
            f"adapter.budget: trainable_share {spec.budget.trainable_share:g} is too little: length 1 is "
            f"{(of_one + gates) / frozen:.2g} already"
        )
    return spec.with_length(length)
