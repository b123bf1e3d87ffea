"""Tensors on disk: safetensors, whole or not at all; and modules that take them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from math import prod
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load, save
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from .adapter_config import CONFIG, TENSORS, unfit
from .files import read_regular, write_whole
from .run_folder import RunFolderError

#: What saved tensors are made of.
_DTYPES = frozenset(
    {torch.float16, torch.bfloat16, torch.float32, torch.float64}
    | {torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64, torch.bool}
)
#: Numbers that a module takes beside those that are saved: as many times these, and some for the smallest.
_TIMES, _SOME = 16, 50_000_000


def write_tensors(path: Path, tensors: Mapping[str, Tensor], about: Mapping[str, str] | None = None) -> None:
    """Write safetensors, whole or not at all; ``about`` becomes the file's metadata."""
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    write_whole(path, save(plain, {"format": "pt", **(about or {})}))


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Tensors of a safetensors file, all of them finite. Raises ``RunFolderError``."""
    try:
        tensors = load(read_regular(path))
    except OSError as error:
        raise RunFolderError(f"{path} cannot be read: {error.strerror or error}") from None
    except Exception as error:  # noqa: BLE001 - its own, and what its reader makes of a header that is at odds with itself
        raise RunFolderError(f"{path} is no safetensors file that can be read: {error}") from None
    for name, tensor in tensors.items():
        if tensor.dtype not in _DTYPES:
            raise RunFolderError(f"{path}: `{name}` is of {tensor.dtype}, which no adapter is saved in")
        if tensor.is_floating_point() and not bool(tensor.isfinite().all()):
            raise RunFolderError(f"{path}: `{name}` holds numbers that are not finite (NaN or infinite)")
    return tensors


def fill(module: nn.Module, folder: Path, tensors: Mapping[str, Tensor]) -> None:
    """Put the ``tensors`` of an adapter folder into a module made by its config. Raises ``RunFolderError``."""
    own, others = module.state_dict(), "the adapter and head in pipeline.json"
    if lacking := sorted(own.keys() - tensors.keys()):
        raise RunFolderError(f"{folder / TENSORS}: lacks `{lacking[0]}`, which {others} have")
    if unknown := sorted(tensors.keys() - own.keys()):
        raise RunFolderError(f"{folder / TENSORS}: holds `{unknown[0]}`, which {others} have not")
    require_taken_whole(folder, tensors, own)
    try:
        module.load_state_dict(tensors)
    except RuntimeError as error:  # torch says it in several lines, the first without what differs
        _, _, differs = str(error).rpartition(":\n")
        said = "`graftwork.class_names`, or a width, is not that of"
        raise unfit(folder, f"{said} {TENSORS}: {' '.join(differs.split())} (or of pipeline.json)") from None


def require_taken_whole(folder: Path, tensors: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> None:
    """Raises ``RunFolderError`` where ``own`` of the same name is of a dtype that does not hold those numbers."""
    for name in sorted(tensors.keys() & own.keys()):
        given, dtype = tensors[name], own[name].dtype
        if given.is_floating_point() != dtype.is_floating_point:
            raise RunFolderError(f"{folder / TENSORS}: `{name}` is of {given.dtype}, not {dtype}")
        if dtype.is_floating_point and not bool(given.to(dtype).isfinite().all()):
            raise RunFolderError(f"{folder / TENSORS}: `{name}` holds numbers too large for {dtype}")


@contextlib.contextmanager
def no_larger_than(folder: Path, tensors: Mapping[str, Tensor]) -> Iterator[None]:
    """What is built meanwhile is to be filled with the ``tensors`` of an adapter folder.

    Raises ``RunFolderError`` as soon as that would take many times the numbers that the file holds: widths in the
    folder's JSON could ask for any amount of memory.
    """
    held = sum(tensor.numel() for tensor in tensors.values())
    with _AtMost(folder, _TIMES * held + _SOME):
        yield


class _AtMost(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch does not type its modes
    """Counts the numbers of every tensor that is made by its size."""

    def __init__(self, folder: Path, most: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._folder, self._left = folder, most

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Before the memory is asked for."""
        size = args[0] if args and isinstance(args[0], (list, tuple)) else ()
        if all(isinstance(one, int) for one in size):
            self._left -= prod(size)
        if self._left < 0:
            raise RunFolderError(
                f"{self._folder}: what pipeline.json and {CONFIG} describe is many times larger than {TENSORS}: a "
                "width or a count in them is not what was trained"
            )
        return func(*args, **(kwargs or {}))
