"""LoRA as a tower adapter: peft's layers stand in the frozen ones' places while the towers run."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from ....core.roles import TowerAdapter, parameter_name
from ....core.towers.errors import TowerError
from ....core.towers.tower import Tower, frozen_parameters
from .layers import adapted_convolution, adapted_linear, adapted_parameter, import_peft
from .spec import LoraSpec
from .targets import PACKED, Target, find_targets


class Lora(TowerAdapter):
    """W x + (alpha / r) B A x for every adapted W (Hu et al. 2022, eq. 3), B zero at the start.

    The frozen modules are never changed: peft's layers hold them and take their places within ``installed()`` alone.
    Not for two threads at once.
    """

    def __init__(self, spec: LoraSpec, towers: Sequence[Tower]) -> None:
        super().__init__()
        targets = find_targets(_adapted(spec, towers), spec.targets)
        self.spec: LoraSpec = _sized(spec, targets, frozen_parameters(towers))
        self.lora, self._targets = nn.ModuleDict(), targets
        # In a plain list: the frozen weights that peft's layers hold are not this module's.
        self._installed: list[tuple[nn.Module, str, nn.Module]] = []
        self._packed: list[tuple[nn.Module, nn.Module]] = []
        for target in targets:
            layer = _layer(self.spec, target)
            self.lora[parameter_name(target.tower, target.path)] = _trainable(layer)
            self._installed += [(parent, child, layer) for parent, child in target.places]
            if target.kind == "packed":
                self._packed.append((layer, target.module))

    def first_block(self, tower: Tower) -> int:
        """The first with a layer of ours."""
        ours = {id(parent) for parent, _, _ in self._installed}
        enters = (any(id(module) in ours for module in block.modules()) for block in tower.blocks)
        return next((index for index, entered in enumerate(enters) if entered), 0)

    def sites(self) -> Sequence[str]:
        """Tower, block and path of each adapted matrix."""
        return [f"{target.tower}.{target.path}" for target in self._targets]

    def merge(self) -> None:
        """W + (alpha / r) B A in place of every W.

        Raises ``TowerError`` for numbers that are not finite, and for quantised weights; nothing is changed then.
        """
        for target in self._targets:
            weight = target.module.in_proj_weight if target.kind == "packed" else target.module.weight
            if type(weight) is not nn.Parameter or not weight.is_floating_point():
                raise TowerError(
                    f"{target.tower}: the weights of `{target.path}` are quantised ({type(weight).__name__}); merge "
                    "into the model that they were made of"
                )
        if not all(bool(parameter.isfinite().all()) for parameter in self.parameters()):
            raise TowerError("numbers of this adapter are not finite; merged, they would spoil the frozen weights")
        for _, _, layer in {id(one[2]): one for one in self._installed}.values():
            layer.merge()  # type: ignore[operator]  # peft's

    def peft_names(self, tower: str) -> Mapping[str, str]:
        """Those of A and B of each linear layer; a packed projection has none in PEFT."""
        names: dict[str, str] = {}
        for target in self._targets:
            if target.tower != tower:
                continue
            if target.kind == "packed":
                raise TowerError(
                    f"{tower}: `{target.path}` is a parameter of several projections, which PEFT's folders know "
                    "otherwise; train with `targets` that leave it out"
                )
            own = parameter_name(target.tower, target.path)
            names |= {f"lora.{own}.{matrix}.weight": f"{target.path}.lora_{matrix}.weight" for matrix in ("A", "B")}
        return names

    @contextmanager
    def installed(self) -> Iterator[None]:
        """peft's layers in place; the frozen ones are back afterwards, also after an exception."""
        before = [getattr(parent, child) for parent, child, _ in self._installed]
        try:
            for parent, child, layer in self._installed:
                setattr(parent, child, layer)
            for layer, frozen in self._packed:  # once what it calls is in place
                layer.base_layer = _sharing(frozen)
            with _no_fused_layers(parent for parent, _, _ in self._installed):
                yield
        finally:
            for (parent, child, _), module in zip(self._installed, before, strict=True):
                setattr(parent, child, module)


def _adapted(spec: LoraSpec, towers: Sequence[Tower]) -> Sequence[Tower]:
    """The towers that the spec names. Raises ``TowerError`` for a name of none, or of one without blocks."""
    enterable = [tower.name for tower in towers if tower.blocks]
    for name in spec.towers or ():
        if name not in enterable:
            why = "has no blocks to enter" if any(tower.name == name for tower in towers) else "is none of these"
            raise TowerError(f"adapter.towers: `{name}` {why}; towers with blocks are {', '.join(enterable) or 'none'}")
    return [tower for tower in towers if spec.towers is None or tower.name in spec.towers]


def _sized(spec: LoraSpec, targets: Sequence[Target], frozen: int) -> LoraSpec:
    """With the largest rank that the budget allows. Raises ``TowerError``."""
    narrowest = min(targets, key=lambda target: min(target.sizes))
    width = min(narrowest.sizes)
    if spec.budget is None:
        if spec.own_rank > width:
            raise TowerError(
                f"adapter.rank {spec.own_rank} is above the width {width} of {narrowest.tower}'s `{narrowest.path}`; "
                f"take {width} at most, or name other `targets`"
            )
        return spec
    of_one = sum(sum(target.sizes) for target in targets)
    rank = min(int(spec.budget.trainable_share * frozen / of_one), width)
    if rank < 1:
        raise TowerError(
            f"adapter.budget: trainable_share {spec.budget.trainable_share:g} is too little: rank 1 is "
            f"{of_one / frozen:.2g} already; name fewer `targets`"
        )
    return spec.with_rank(rank)


def _layer(spec: LoraSpec, target: Target) -> nn.Module:
    """peft's layer around a frozen one."""
    # Conv1D holds W's transpose, which merging must know.
    transposed = target.kind == "linear" and not isinstance(target.module, nn.Linear)
    of_spec = {"r": spec.own_rank, "lora_alpha": spec.alpha}
    config = import_peft().LoraConfig(**of_spec, lora_dropout=spec.dropout, fan_in_fan_out=transposed)
    sizes: dict[str, Any] = {"config": config, **of_spec}
    if target.kind == "convolution":
        return adapted_convolution()(target.module, "default", **sizes)
    if target.kind == "linear":
        return adapted_linear()(target.module, "default", fan_in_fan_out=transposed, **sizes)
    if spec.dropout:
        raise TowerError(
            f"adapter.dropout: {target.tower}'s `{target.path}` is a parameter and no layer, so its update sees no "
            "inputs to drop; take dropout 0, or `targets` without it"
        )
    return adapted_parameter()(_sharing(target.module), "default", PACKED, **sizes)


def _sharing(module: nn.Module) -> nn.Module:
    """The same module with the same weights, in lists of its own: peft changes those while it runs."""
    copied = copy.copy(module)
    copied._parameters, copied._modules = dict(module._parameters), dict(module._modules)
    return copied


def _trainable(layer: Any) -> nn.Module:
    """A, B and the dropout of peft's layer; the frozen one stays out."""
    parts = {"A": layer.lora_A["default"], "B": layer.lora_B["default"], "dropout": layer.lora_dropout["default"]}
    trainable = nn.ModuleDict(parts)
    if next(trainable.parameters()).dtype in (torch.float16, torch.bfloat16):
        trainable.float()  # half a precision is too little to train in; peft's layers cast their inputs
    return trainable


@contextmanager
def _no_fused_layers(parents: Iterable[nn.Module]) -> Iterator[None]:
    """torch's fused TransformerEncoderLayer reads weights past the layers that hold them; off while one is adapted."""
    before = torch.backends.mha.get_fastpath_enabled()
    fused = any(isinstance(parent, nn.TransformerEncoderLayer) for parent in parents)
    torch.backends.mha.set_fastpath_enabled(before and not fused)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)
