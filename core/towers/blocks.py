"""A tower's blocks, found by structure: no list of architectures, no names that change between releases."""

from __future__ import annotations

from torch import nn

from ...registry.errors import nearest
from .errors import TowerError


def find_blocks(model: nn.Module, path: str | None = None) -> list[nn.Module]:
    """The blocks of a tower, in the order they run.

    By structure: the longest list of modules of one class, the outermost of equally long ones (ours). ``path`` names
    the list instead (``vision_model.encoder.layers``). Raises ``TowerError``.
    """
    lists = _lists_of_one_class(model)
    if path is not None:
        if path not in lists:
            near = nearest(path, lists)
            known = f"did you mean `{near}`?" if near else f"lists of blocks here: {', '.join(lists) or 'none'}"
            raise TowerError(f"{type(model).__name__} has no list of blocks `{path}`; {known}")
        return lists[path]
    if not lists:
        raise TowerError(
            f"{type(model).__name__} has no list of at least two blocks of one class; name its blocks, or take another"
        )
    return max(lists.values(), key=len)  # the first of equals: named_modules goes from the outside in


def _lists_of_one_class(model: nn.Module) -> dict[str, list[nn.Module]]:
    lists = {}
    for name, module in model.named_modules():
        if isinstance(module, nn.ModuleList | nn.Sequential) and len(module) > 1:
            blocks = list(module)
            if len({type(block) for block in blocks}) == 1 and any(True for _ in blocks[0].parameters()):
                lists[name] = blocks
    return lists
