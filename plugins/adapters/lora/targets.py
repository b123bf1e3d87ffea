"""Which layers of a tower LoRA adapts: found by structure, in the blocks alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from ....core.towers.errors import TowerError
from ....core.towers.tower import Tower
from ....registry.errors import nearest

#: Queries', keys' and values' projection in one parameter, as torch's and open_clip's attention have it.
PACKED = "in_proj_weight"


@dataclass(frozen=True, slots=True)
class Target:
    """A frozen matrix, and every place where its module stands."""

    tower: str
    #: Index of its block and path in it: ``3.self_attn.q_proj``, ``3.attn.in_proj_weight``.
    path: str
    module: nn.Module
    #: Whether the matrix is the module's ``in_proj_weight`` rather than the module is a linear layer.
    packed: bool
    #: (parent, name of the child) wherever the module stands.
    places: list[tuple[nn.Module, str]]

    @property
    def sizes(self) -> tuple[int, int]:
        """Both widths of the matrix; LoRA of rank r has r times their sum of parameters."""
        weight = self.module.in_proj_weight if self.packed else self.module.weight
        assert isinstance(weight, Tensor)
        return weight.shape[0], weight.shape[1]


def find_targets(towers: Sequence[Tower], names: Sequence[str] | None) -> list[Target]:
    """The layers of all towers that have blocks; ``names`` are ends of paths, ``None`` takes all of them.

    A matrix that stands in several places, or towers, is one target. Raises ``TowerError`` where a tower has none of
    ``names``, or a name is nowhere.
    """
    known = {tower.name: list(_linear_layers(tower)) for tower in towers if tower.blocks}
    if not known:
        raise TowerError("adapter `lora` sits in blocks, and none of these towers has blocks to enter")
    for name in names or ():
        everywhere = [one for here in known.values() for one in here]
        if not any(_ends_with(one.path, name) for one in everywhere):
            raise TowerError(f"adapter.targets: {_none_of([name], everywhere)}")
    found: dict[tuple[int, bool], Target] = {}
    for tower, here in known.items():
        chosen = [one for one in here if names is None or any(_ends_with(one.path, name) for name in names)]
        if not chosen:
            raise TowerError(f"adapter.targets: in tower `{tower}` there is {_none_of(names, here)}")
        for one in chosen:
            first = found.setdefault((id(one.module), one.packed), one)
            first.places.extend(place for place in one.places if place not in first.places)
    return list(found.values())


def _linear_layers(tower: Tower) -> Iterator[Target]:
    for index, block in enumerate(tower.blocks):
        modules = {name: module for name, module in block.named_modules() if name}
        # torch's attention reads its out_proj's weight and never calls it: a layer in its place would not be heard.
        mute = {f"{name}.out_proj" for name, module in modules.items() if isinstance(module, nn.MultiheadAttention)}
        for name, module in modules.items():
            if _packs(module):
                yield Target(tower.name, f"{index}.{name}.{PACKED}", module, True, _places(block, module))
            elif _is_linear(module) and name not in mute:
                yield Target(tower.name, f"{index}.{name}", module, False, _places(block, module))


def _is_linear(module: nn.Module) -> bool:
    """GPT-2's linear layers are transformers' Conv1D."""
    kind = type(module)
    return isinstance(module, nn.Linear) or (kind.__name__, kind.__module__) == (
        "Conv1D",
        "transformers.pytorch_utils",
    )


def _packs(module: nn.Module) -> bool:
    weight = getattr(module, PACKED, None)
    return isinstance(weight, Tensor) and weight.ndim == 2


def _places(block: nn.Module, module: nn.Module) -> list[tuple[nn.Module, str]]:
    return [(parent, name) for parent in block.modules() for name, child in parent.named_children() if child is module]


def _ends_with(path: str, name: str) -> bool:
    return path == name or path.endswith(f".{name}")


def _none_of(names: Sequence[str] | None, known: Sequence[Target]) -> str:
    ends = list(dict.fromkeys(one.path.rpartition(".")[2] for one in known))
    if names is None or not ends:
        return "no linear layer in its blocks"
    near = nearest(names[0], ends) if len(names) == 1 else None
    return f"no linear layer `{'`, `'.join(names)}`; " + (
        f"did you mean `{near}`?" if near else f"there are: {', '.join(ends)}"
    )
