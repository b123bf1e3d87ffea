"""A tower's blocks, found by structure: no list of architectures, no names that change between releases."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from torch import Tensor, nn

from ...registry.errors import nearest
from .errors import TowerError

_LISTS = (nn.ModuleList, nn.Sequential)


def find_blocks(model: nn.Module, path: str | None = None) -> list[nn.Module]:
    """The blocks of a tower, in the order they run.

    By structure: those of all stages, where it has stages, of which each has a width of its own; else the longest list
    of modules of one class, the outermost of equally long ones (ours). ``path`` names the list instead
    (``vision_model.encoder.layers``). Raises ``TowerError``.
    """
    lists = {name: list(one) for name, one in _lists(model) if len(one) > 1 and _are_alike(list(one))}
    if path is not None:
        if path not in lists:
            near = nearest(path, lists)
            known = f"did you mean `{near}`?" if near else f"lists of blocks here: {', '.join(lists) or 'none'}"
            raise TowerError(f"{type(model).__name__} has no list of blocks `{path}`; {known}")
        return lists[path]
    if staged := _blocks_of_stages(model):
        return staged
    if not lists:
        raise TowerError(
            f"{type(model).__name__} has no list of at least two blocks of one class; name its blocks, or take another"
        )
    return max(lists.values(), key=len)  # the first of equals: named_modules goes from the outside in


def width_of(block: nn.Module) -> int | None:
    """d of what a block gives, by its normalisations; ``None`` where it has none.

    Before a transformer's layers, and ConvNeXt's, the first is of width d; behind a convolution's the last is.
    """
    norms = [one for one in block.modules() if "norm" in type(one).__name__.lower() and _vector(one) is not None]
    behind = [one for one in norms if isinstance(one, nn.modules.batchnorm._BatchNorm)]
    found = _vector((behind or norms)[-1 if behind else 0]) if norms else None
    return None if found is None else len(found)


def _vector(norm: nn.Module) -> Tensor | None:
    weight = getattr(norm, "weight", None)
    return weight if isinstance(weight, Tensor) and weight.ndim == 1 else None


def _lists(model: nn.Module) -> Iterator[tuple[str, nn.ModuleList | nn.Sequential]]:
    return ((name, one) for name, one in model.named_modules() if isinstance(one, _LISTS) and len(one))


def _are_alike(blocks: Sequence[nn.Module]) -> bool:
    return len({type(block) for block in blocks}) == 1 and any(True for _ in blocks[0].parameters())


def _blocks_of_stages(model: nn.Module) -> list[nn.Module]:
    """The blocks of all stages; none where there are no stages, between which the width changes."""
    for stages in _rows_of_stages(model):
        blocks = [block for stage in stages for block in _blocks_of(stage)]
        widths = {width_of(block) for block in blocks}
        if len(widths) > 1 and None not in widths:
            return blocks
    return []


def _rows_of_stages(model: nn.Module) -> Iterator[list[nn.Module]]:
    """What may be stages, from the outside in: lists of one class, and lists side by side whose blocks are of one."""
    for module in model.modules():
        children = list(module.children())
        if isinstance(module, _LISTS) and len(children) > 1 and _are_alike(children):
            yield children
        rows = [child for child in children if isinstance(child, _LISTS) and len(child) and _are_alike(list(child))]
        kinds = [type(row[0]) for row in rows]
        for kind in dict.fromkeys(kind for kind in kinds if kinds.count(kind) > 1):
            yield [row for row in rows if type(row[0]) is kind]


def _blocks_of(stage: nn.Module) -> list[nn.Module]:
    """Those in the list that holds most of a stage's parameters: the stage itself, or one in it, the outermost."""
    lists = [one for _, one in _lists(stage)]
    return list(max(lists, key=lambda one: sum(p.numel() for p in one.parameters()))) if lists else []
