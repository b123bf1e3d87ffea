"""Adapters that exchange modules of towers while they run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ...roles.tower_adapter import TowerAdapter
from ...towers.tower import Tower, frozen_parameters
from ..case import Case
from ..same import assert_same
from .modules import moved

WIDTH, TOKENS, BATCH = 32, 5, 3


class _Block(nn.Module):
    """A transformer's block without anything special: attention and a feed-forward network, each with a residual."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(WIDTH)
        self.attention = nn.MultiheadAttention(WIDTH, 4, batch_first=True)
        self.up, self.down = nn.Linear(WIDTH, 2 * WIDTH), nn.Linear(2 * WIDTH, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        """[B, N, WIDTH]."""
        normed = self.norm(x)
        x = x + self.attention(normed, normed, normed, need_weights=False)[0]
        hidden: Tensor = self.down(torch.relu(self.up(x)))
        return x + hidden


class _Model(nn.Module):
    """Two blocks, one after the other."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList([_Block(), _Block()])

    def forward(self, x: Tensor) -> Tensor:
        """[B, N, WIDTH]."""
        for block in self.blocks:
            x = block(x)
        return x


def _towers() -> list[Tower]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return [Tower.of("tower", _Model())]


class Grafted(nn.Module):
    """The adapter as the only child, and the towers it was built for beside it."""

    def __init__(self, adapter: TowerAdapter, towers: Sequence[Tower]) -> None:
        super().__init__()
        self.adapter = adapter
        self.towers = list(towers)

    def forward(self, x: Tensor) -> Tensor:
        """What the adapted tower gives."""
        with self.adapter.installed():
            given: Tensor = self.towers[0].model(x)
            return given


def frozen() -> int:
    """Parameters of the tower."""
    return frozen_parameters(_towers())


def make(case: Case, seed: int = 0) -> Grafted:
    """For one tower of two blocks."""
    towers = _towers()
    adapter = case.build(TowerAdapter, towers, seed=seed)
    return Grafted(adapter, towers)


def _states() -> Tensor:
    return torch.randn(BATCH, TOKENS, WIDTH, generator=torch.Generator().manual_seed(1))


def use(case: Case, module: nn.Module) -> Mapping[str, Tensor]:
    """What the adapted tower gives."""
    return {"states": module(_states())}


def exercise(case: Case) -> Any:
    """Moved, for at the start nothing is changed."""
    return {name: value.detach() for name, value in use(case, moved(make(case)).eval()).items()}


def identity_at_start(case: Case) -> None:
    """Against the tower alone."""
    grafted = make(case).eval()
    with torch.no_grad():
        assert_same(grafted(_states()), _towers()[0].model(_states()), "before training the towers give something else")


def restored(case: Case) -> None:
    """The same objects in the same places."""
    grafted = moved(make(case)).eval()
    assert isinstance(grafted, Grafted)
    model = grafted.towers[0].model
    before, output = dict(model.named_modules()), model(_states())
    try:
        with grafted.adapter.installed():
            raise KeyError("a tower that fails while it runs")
    except KeyError:
        pass
    after = dict(model.named_modules())
    assert list(after) == list(before), "afterwards the tower has other modules"
    assert all(after[name] is before[name] for name in before), "afterwards some modules are not the frozen ones"
    assert_same(model(_states()), output, "afterwards the frozen tower gives something else")


def frozen_weights(case: Case) -> None:
    """Through a backward pass."""
    grafted = moved(make(case)).train()
    assert isinstance(grafted, Grafted)
    weights = dict(grafted.towers[0].model.named_parameters())
    before = {name: one.detach().clone() for name, one in weights.items()}
    grafted(_states()).square().sum().backward()
    reached = [name for name, one in weights.items() if one.requires_grad or one.grad is not None]
    assert not reached, f"{', '.join(reached)} of the frozen tower is trained"
    assert_same({name: one.detach() for name, one in weights.items()}, before, "the frozen weights change")
