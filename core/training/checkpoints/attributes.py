"""What the modules of a model keep beside parameters and buffers: plain numbers, words and tensors as attributes."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from .tree import Tree

_PLAIN = (bool, int, float, str, Tensor)


class Attributes:
    """Of one model. Those that a training changed are kept with it: a counter, the last of something, a buffer that is
    not saved. Lists and dictionaries are not.
    """

    def __init__(self, model: nn.Module) -> None:
        """Before the training."""
        self._model = model
        self._before = {name: (one, _version(one)) for name, one in self._all().items()}

    def _all(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for path, module in self._model.named_modules():
            unsaved = {name: module._buffers[name] for name in module._non_persistent_buffers_set}
            for name, one in (vars(module) | unsaved).items():
                if isinstance(one, _PLAIN) and name != "training":
                    found[f"{path}:{name}"] = one
        return found

    def changed(self) -> Tree:
        """By ``PATH:NAME``."""
        return {name: one for name, one in self._all().items() if not self._is_as_before(name, one)}

    def _is_as_before(self, name: str, one: Any) -> bool:
        before, version = self._before.get(name, (None, 0))
        if isinstance(one, Tensor):
            return one is before and one._version == version
        return type(one) is type(before) and one == before

    def put_back(self, changed: Tree) -> None:
        """As they were then."""
        device = next(self._model.parameters()).device
        for name, one in changed.items():
            path, _, own = name.rpartition(":")
            setattr(self._model.get_submodule(path), own, one.to(device) if isinstance(one, Tensor) else one)


def _version(one: Any) -> int:
    """How often a tensor was changed in place."""
    return one._version if isinstance(one, Tensor) else 0
