"""A checkpoint's words and tensors in one safetensors file: tensors of a kind side by side, since many small ones take
long to write, and hashed while they are written, so that nothing is read again.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from ...storage.run_folder import RunFolderError

#: Bytes that are put side by side before they are written: enough to be quick, few enough to be taken from memory that
#: the process has already.
BLOCK = 1 << 20
_SAID = "state"


def write_state(path: Path, said: Any, tensors: Mapping[str, Tensor], then: Callable[[str], None]) -> None:
    """Write a new file, down to the disk; ``then`` hears of its sha256 (hex) while the disk still writes.

    Raises ``OSError``. Only the header is our own writing: the format is that of the library, which reads it.
    """
    kinds: dict[str, list[Tensor]] = {}
    lengths: dict[str, int] = {}
    places: dict[str, Any] = {}
    for name, one in tensors.items():
        kind = f"{str(one.dtype).removeprefix('torch.')} {one.device}"
        start = lengths.get(kind, 0)
        places[name] = [kind, start, list(one.shape)]
        kinds.setdefault(kind, []).append(one.reshape(-1))
        lengths[kind] = start + one.numel()
    about = json.dumps({"said": said, "tensors": places}, allow_nan=False)
    digest = hashlib.sha256()
    with open(path, "xb") as file, ThreadPoolExecutor(1) as beside:
        for block in _blocks(kinds, about):
            file.write(block)
            beside.submit(digest.update, block)
        done = beside.submit(lambda: then(digest.hexdigest()))
        file.flush()
        os.fsync(file.fileno())
        done.result()


def read_state(path: Path) -> tuple[Any, dict[str, Tensor]]:
    """What ``write_state`` was given, on the CPU. Raises ``RunFolderError`` where that cannot be read."""
    try:
        with safe_open(path, framework="pt") as file:
            about = json.loads(file.metadata()[_SAID])
            flat = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # it is no dictionary
        return about["said"], {name: _taken(name, flat, *place) for name, place in about["tensors"].items()}
    except (OSError, SafetensorError, ValueError, KeyError, TypeError) as error:
        raise RunFolderError(f"{path} cannot be read: {error}") from None


def _taken(name: str, flat: Mapping[str, Tensor], kind: str, start: int, shape: list[int]) -> Tensor:
    end = start + math.prod(shape)
    if kind not in flat or len(flat[kind]) < end:
        raise RunFolderError(f"`{name}` is missing")
    return flat[kind][start:end].view(shape).clone()


def _blocks(kinds: Mapping[str, list[Tensor]], about: str) -> Iterator[bytes | memoryview]:
    """The bytes of the file: its header, and the tensors of each kind one after another."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt", _SAID: about}}
    end = 0
    for kind, parts in kinds.items():
        count, start = sum(map(Tensor.numel, parts)), end
        end += count * parts[0].element_size()
        header[kind] = {"dtype": _dtype(parts[0]), "shape": [count], "data_offsets": [start, end]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    yield len(text).to_bytes(8, "little") + text
    for parts in kinds.values():
        for some in _in_blocks(parts):
            yield torch.cat(some).cpu().view(torch.uint8).numpy().data


def _in_blocks(parts: list[Tensor]) -> Iterator[list[Tensor]]:
    some: list[Tensor] = []
    size = 0
    for part in (piece for one in parts for piece in ([one] if one.nbytes <= BLOCK else torch.split(one, BLOCK // 16))):
        if size + part.nbytes > BLOCK:
            yield some
            some, size = [], 0
        some.append(part)
        size += part.nbytes
    if some:
        yield some


def _dtype(tensor: Tensor) -> str:
    """What the format calls it."""
    written = save({"": tensor.new_empty(0, device="cpu")})
    return str(json.loads(written[8:])[""]["dtype"])
