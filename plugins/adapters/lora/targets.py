"""Which layers of a tower LoRA adapts: found by structure, in the blocks alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn

from ....core.towers.errors import NO_BLOCKS, TowerError
from ....core.towers.tower import Tower
from ....registry.errors import nearest

#: Ends of paths, or in one word: every linear layer, or convolutions, too.
Names = Sequence[str] | Literal["all-linear", "all"]
#: Queries', keys' and values' projection in one parameter, as torch's and open_clip's attention have it.
PACKED = "in_proj_weight"


@dataclass(frozen=True, slots=True)
class Target:
    """A frozen matrix, and every place where its module stands."""

    tower: str
    #: Index of its block and path in it: ``3.self_attn.q_proj``, ``3.attn.in_proj_weight``.
    path: str
    module: nn.Module
    #: A linear layer, a convolution (a matrix [out, in * k * k]), or whatever holds the matrix ``in_proj_weight``.
    kind: Literal["linear", "convolution", "packed"]
    #: (parent, name of the child) wherever the module stands.
    places: list[tuple[nn.Module, str]]

    @property
    def sizes(self) -> tuple[int, int]:
        """Both widths of the matrix; LoRA of rank r has r times their sum of parameters."""
        weight = self.module.in_proj_weight if self.kind == "packed" else self.module.weight
        assert isinstance(weight, Tensor)
        return weight.shape[0], weight[0].numel()


def find_targets(towers: Sequence[Tower], names: Names) -> list[Target]:
    """The layers of all towers that have blocks.

    A matrix that stands in several places, or towers, is one target. Raises ``TowerError`` where a tower has none of
    ``names``, or a name is nowhere.
    """
    known = {tower.name: list(_layers(tower)) for tower in towers if tower.blocks}
    if not known:
        raise TowerError(f"adapter `lora` {NO_BLOCKS}")
    for name in () if isinstance(names, str) else names:
        everywhere = [one for here in known.values() for one in here]
        if not any(_ends_with(one.path, name) for one in everywhere):
            raise TowerError(f"adapter.targets: {_none_of([name], everywhere)}")
    found: dict[tuple[int, str], Target] = {}
    for tower, here in known.items():
        chosen = [one for one in here if _is_chosen(one, names)]
        if not chosen:
            raise TowerError(f"adapter.targets: in tower `{tower}` there is {_none_of(names, here)}")
        for one in chosen:
            first = found.setdefault((id(one.module), one.kind), one)
            first.places.extend(place for place in one.places if place not in first.places)
    return list(found.values())


def _layers(tower: Tower) -> Iterator[Target]:
    for index, block in enumerate(tower.blocks):
        modules = {name: module for name, module in block.named_modules() if name}
        # torch's attention reads its out_proj's weight and never calls it: a layer in its place would not be heard.
        mute = {f"{name}.out_proj" for name, module in modules.items() if isinstance(module, nn.MultiheadAttention)}
        for name, module in modules.items():
            if _packs(module):
                yield Target(tower.name, f"{index}.{name}.{PACKED}", module, "packed", _places(block, module))
            elif _is_linear(module) and name not in mute:
                yield Target(tower.name, f"{index}.{name}", module, "linear", _places(block, module))
            elif _is_convolution(module):
                yield Target(tower.name, f"{index}.{name}", module, "convolution", _places(block, module))


def _is_chosen(one: Target, names: Names) -> bool:
    if isinstance(names, str):
        return names == "all" or one.kind != "convolution"
    return any(_ends_with(one.path, name) for name in names)


def _is_linear(module: nn.Module) -> bool:
    """GPT-2's linear layers are transformers' Conv1D."""
    kind = type(module)
    return isinstance(module, nn.Linear) or (kind.__name__, kind.__module__) == (
        "Conv1D",
        "transformers.pytorch_utils",
    )


def _is_convolution(module: nn.Module) -> bool:
    """One that peft's layer computes alike: over all channels (no groups), without dilation. timm's subclass pads by
    the size of what it sees, and peft makes another of it."""
    kind = type(module)
    known = kind is nn.Conv2d or (kind.__name__ == "Conv2dSame" and kind.__module__.startswith("timm."))
    return known and isinstance(module, nn.Conv2d) and module.groups == 1 and module.dilation == (1, 1)


def _packs(module: nn.Module) -> bool:
    weight = getattr(module, PACKED, None)
    return isinstance(weight, Tensor) and weight.ndim == 2


def _places(block: nn.Module, module: nn.Module) -> list[tuple[nn.Module, str]]:
    return [(parent, name) for parent in block.modules() for name, child in parent.named_children() if child is module]


def _ends_with(path: str, name: str) -> bool:
    return path == name or path.endswith(f".{name}")


def _none_of(names: Names, known: Sequence[Target]) -> str:
    ends = list(dict.fromkeys(one.path.rpartition(".")[2] for one in known))
    if not ends:
        return "no linear layer in its blocks"
    if isinstance(names, str):
        return f'no linear layer in its blocks; take "targets": "all", or name its convolutions: {", ".join(ends)}'
    near = nearest(names[0], ends) if len(names) == 1 else None
    return f"no layer `{'`, `'.join(names)}`; " + (
        f"did you mean `{near}`?" if near else f"there are: {', '.join(ends)}"
    )
