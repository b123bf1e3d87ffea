"""What the modules of a model keep beside parameters and buffers: plain numbers, words and tensors as attributes."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Iterator, Mapping, Sequence, Set
from types import BuiltinFunctionType, FunctionType, MethodType
from typing import Any

import torch
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


class Traces:
    """What a computation may leave behind in a model, in other modules and in objects, beside parameters and the
    model's saved buffers: plain values, tensors, generators, and those within containers and objects."""

    def __init__(self, model: nn.Module, others: Sequence[object] = ()) -> None:
        """Before it."""
        self._model, self._others = model, others
        self._before = self._all()

    def changed(self) -> bool:
        """Whether anything is not as it was; what cannot be looked into (an iterator) is never."""
        return self._all() != self._before

    def _all(self) -> list[object]:
        found: list[object] = [_of_module(one, one._non_persistent_buffers_set) for one in self._model.modules()]
        for other in self._others:
            inner = other.modules() if isinstance(other, nn.Module) else ()
            found += [_of_module(one, one._buffers) for one in inner] or [_trace(other, _DEEP)]
        return found


#: How far containers and objects are looked into.
_DEEP = 3
_OF_TORCH = frozenset({"training", "_parameters", "_buffers", "_modules"})
_WHOLE = (type, FunctionType, MethodType, BuiltinFunctionType)


class _Held:
    """The very same object, which is kept alive so that no other takes its place; a tensor not written into."""

    def __init__(self, one: object) -> None:
        self._one, self._written = one, _version(one)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Held) and self._one is other._one and self._written == other._written

    __hash__ = None  # type: ignore[assignment]


def _of_module(module: nn.Module, buffers: Any) -> list[object]:
    own = [(name, _trace(one, _DEEP)) for name, one in vars(module).items() if name not in _OF_TORCH]
    return [*own, *((name, _Held(module._buffers[name])) for name in buffers)]


def _trace(one: Any, deep: int) -> object:
    """What is equal as long as nothing in it changed."""
    if isinstance(one, torch.Generator):
        return one.get_state().tolist()
    if isinstance(one, random.Random):
        return one.getstate()
    if type(one).__module__.startswith("numpy"):
        return _of_numpy(one)
    if one is None or isinstance(one, (bool, int, float, complex, str, bytes)):
        return type(one), repr(one)
    if isinstance(one, Iterator):
        return object()
    if isinstance(one, (Tensor, *_WHOLE)) or deep == 0:
        return _Held(one)
    if isinstance(one, Mapping):
        return [_Held(one), *((_trace(key, deep - 1), _trace(value, deep - 1)) for key, value in one.items())]
    if isinstance(one, (list, tuple, deque, Set)):
        return [_Held(one), *(_trace(value, deep - 1) for value in one)]
    inner = getattr(one, "__dict__", {}) | {name: getattr(one, name, None) for name in _slots(one)}
    return [_Held(one), *((name, _trace(value, deep - 1)) for name, value in inner.items())]


def _of_numpy(one: Any) -> object:
    if hasattr(one, "bit_generator"):
        return str(one.bit_generator.state)
    state = getattr(one, "get_state", None)
    return str(state()) if state else one.tobytes() if hasattr(one, "tobytes") else _Held(one)


def _slots(one: object) -> Iterator[str]:
    for kind in type(one).__mro__:
        slots = vars(kind).get("__slots__", ())
        yield from (slots,) if isinstance(slots, str) else slots
