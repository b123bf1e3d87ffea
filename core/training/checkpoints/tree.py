"""What a checkpoint holds, as JSON and named tensors: dictionaries, lists, tuples, tensors, numbers, words, ``None``.

Nothing else: what is written here is read again without running anything of it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from ...storage.run_folder import RunFolderError

#: What a checkpoint is made of.
Tree = dict[str, Any]
#: Keys of JSON objects that stand for what JSON has not.
_TENSOR, _TUPLE, _PAIRS, _FLOAT = "$tensor", "$tuple", "$pairs", "$float"


class NotKept(Exception):
    """Why something cannot be written in a checkpoint, in words."""


def flattened(value: Any, at: str = "") -> tuple[Any, dict[str, Tensor]]:
    """JSON of it, and its tensors by their paths. Raises ``NotKept`` for what is none of the above."""
    tensors: dict[str, Tensor] = {}
    return _flattened(value, at, tensors), tensors


def _flattened(value: Any, at: str, tensors: dict[str, Tensor]) -> Any:
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else {_FLOAT: str(value)}
    if isinstance(value, Tensor):
        if value.is_complex() or value.is_sparse or value.is_quantized:
            raise NotKept(f"{at} is a tensor of {value.dtype}, {value.layout}")
        name = f"{at}#{len(tensors)}" if at in tensors else at
        tensors[name] = value.detach()
        return {_TENSOR: name}
    if isinstance(value, tuple):
        return {_TUPLE: [_flattened(one, f"{at}/{place}", tensors) for place, one in enumerate(value)]}
    if isinstance(value, list):
        return [_flattened(one, f"{at}/{place}", tensors) for place, one in enumerate(value)]
    if isinstance(value, Mapping):
        pairs = [(key, _flattened(one, f"{at}/{key}" if at else str(key), tensors)) for key, one in value.items()]
        if all(isinstance(key, str) and not key.startswith("$") for key, _ in pairs):
            return dict(pairs)
        return {_PAIRS: [[_flattened(key, at, tensors), one] for key, one in pairs]}
    raise NotKept(f"{at} is a {type(value).__name__}")


def rebuilt(said: Any, tensors: Mapping[str, Tensor]) -> Any:
    """What ``flattened`` was given. Raises ``RunFolderError`` where a tensor of it is missing."""
    if isinstance(said, list):
        return [rebuilt(one, tensors) for one in said]
    if not isinstance(said, dict):
        return said
    if _TENSOR in said:
        if said[_TENSOR] not in tensors:
            raise RunFolderError(f"`{said[_TENSOR]}` is missing")
        return tensors[said[_TENSOR]]
    if _TUPLE in said:
        return tuple(rebuilt(one, tensors) for one in said[_TUPLE])
    if _FLOAT in said:
        return float(said[_FLOAT])
    if _PAIRS in said:
        return {key: rebuilt(one, tensors) for key, one in said[_PAIRS]}
    return {key: rebuilt(one, tensors) for key, one in said.items()}


def unequal(one: Any, other: Any) -> Iterator[str]:
    """Where two differ by a bit: names of tensors, and the parts that differ otherwise."""
    (said, tensors), (said_too, tensors_too) = flattened(one), flattened(other)
    for part in sorted({*said, *said_too}):
        if said.get(part) != said_too.get(part):
            yield part
    for name in sorted({*tensors, *tensors_too}):
        if name not in tensors or name not in tensors_too or not _same_bits(tensors[name], tensors_too[name]):
            yield name


def _same_bits(one: Tensor, other: Tensor) -> bool:
    if one.dtype != other.dtype or one.shape != other.shape:
        return False
    bits = [tensor.cpu().contiguous().reshape(-1).view(torch.uint8) for tensor in (one, other)]
    return torch.equal(*bits)
