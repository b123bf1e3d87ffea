"""The modules that an adapter of PEFT's is of, held against a tower's blocks."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from ...registry.errors import one_line
from ..storage.adapter_config import CONFIG, TENSORS
from ..towers.errors import TowerError
from ..towers.tower import Tower


def blocks_of(tower: Tower) -> list[str]:
    """Paths of the blocks in the model, in order."""
    paths = {id(module): path for path, module in tower.model.named_modules()}
    return [paths[id(block)] for block in tower.blocks]


def in_model(name: str, blocks: Sequence[str]) -> str:
    """``BLOCK.PATH`` as a path in the model."""
    number, _, rest = name.partition(".")
    return f"{blocks[int(number)]}.{rest}"


def modules_of(tensors: Mapping[str, Any]) -> list[str]:
    """Paths of the modules that tensors ``PATH.lora_A.weight`` are of."""
    return list(dict.fromkeys(name.rpartition(".lora_")[0] for name in tensors))


def within_blocks(tower: Tower, tensors: Mapping[str, Tensor], folder: Path) -> dict[str, Tensor]:
    """The same by ``BLOCK.PATH``. Raises ``TowerError`` for modules that the model has not, or not in its blocks."""
    blocks, there = blocks_of(tower), dict(tower.model.named_modules())
    modules, found = modules_of(tensors), {}
    kind = type(tower.model).__name__
    absent = [path for path in modules if path not in there]
    if absent:
        example = next((path for path, module in there.items() if isinstance(module, nn.Linear)), "none")
        raise TowerError(
            one_line(
                f"{folder / CONFIG} is of another model: {kind} has not {len(absent)} of its {len(modules)} adapted "
                f"modules, first `{absent[0]}`; modules here are called like `{example}`"
            )
        )
    for name, tensor in tensors.items():
        block = next((number for number, path in enumerate(blocks) if name.startswith(f"{path}.")), None)
        if block is None:
            raise TowerError(
                one_line(
                    f"{folder / CONFIG}: `{name.rpartition('.lora_')[0]}` stands outside the blocks of {kind}, and "
                    "adapters here sit in blocks; train it in PEFT with `target_modules` of the blocks alone"
                )
            )
        found[f"{block}.{name.removeprefix(blocks[block] + '.')}"] = tensor
    return found


def left_at_start(tower: Tower, modules: Sequence[str], config: Mapping[str, Any], folder: Path) -> str | None:
    """A line on the blocks that have such modules and no adapter, as where it was trained in a model of fewer blocks.

    Raises ``TowerError`` where the config names their modules; ``None`` where it says that these blocks are left out.
    """
    blocks, there = blocks_of(tower), dict(tower.model.named_modules())
    if config.get("layers_to_transform") is not None or not isinstance(
        targets := config.get("target_modules"), str | list
    ):
        return None
    adapted = {block for block in blocks if any(path.startswith(f"{block}.") for path in modules)}
    inside = {path.removeprefix(f"{block}.") for block in adapted for path in modules if path.startswith(f"{block}.")}
    lacking = [
        path for block in blocks for one in inside if (path := f"{block}.{one}") in there and path not in modules
    ]
    named = [path for path in lacking if _names(targets, path) and not _names(config.get("exclude_modules"), path)]
    if named:
        raise TowerError(
            one_line(
                f"{folder / CONFIG} is of another model: it names {len(named)} modules of {type(tower.model).__name__} "
                f"of which {TENSORS} has nothing, first `{min(named)}`; it was trained in {len(adapted)} blocks, "
                f'and here are {len(blocks)}: if that is meant, say so there by "layers_to_transform"'
            )
        )
    if not lacking or isinstance(targets, str) or not set(targets) <= set(modules):
        return None
    rest = [str(number) for number, block in enumerate(blocks) if block not in adapted]
    at = f"blocks {', '.join(rest)} of" if rest else "some modules of"
    return one_line(
        f"{folder} has nothing for {at} tower `{tower.name}`, which stay as they are; first `{min(lacking)}`"
    )


def _names(targets: str | Sequence[str] | None, path: str) -> bool:
    """Whether PEFT's ``target_modules`` mean the module at a path."""
    if isinstance(targets, str):
        try:
            return targets == "all-linear" or re.fullmatch(targets, path) is not None
        except re.error:  # the tensors say what it meant
            return False
    return any(path == one or path.endswith(f".{one}") for one in targets or ())
