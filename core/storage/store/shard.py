"""One shard: which items lie where in its bytes."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]
#: What shards end in.
SUFFIXES = (".safetensors", ".jsonl")


@dataclass(frozen=True, slots=True)
class Shard:
    """Digests uint8 [n, 32] of the items, and the bytes that each one's value takes: ``start`` and ``length`` [n]."""

    digests: Array
    start: Array
    length: Array
    #: Numbers a row of an array; 0 for texts.
    width: int

    @classmethod
    def read(cls, content: bytes, suffix: str) -> Shard:
        """Raises ``ValueError`` and the like for bytes that are no shard."""
        return _lines(content) if suffix == ".jsonl" else _arrays(content)


def key_digest(key: str) -> bytes:
    """What a text is found under: sha256 of its key."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()


def tensors_in(content: Any) -> tuple[dict[str, Array], dict[str, int], dict[str, str]]:
    """Views of the tensors of a safetensors file in ``content`` (a buffer), where each begins, and its metadata.

    Raises ``ValueError`` where it is none, or not whole.
    """
    begin = 8 + int.from_bytes(content[:8], "little")
    if begin > len(content):
        raise ValueError("cut off")
    header = json.loads(content[8:begin])
    said = header.pop("__metadata__", {})
    if begin + max((one["data_offsets"][1] for one in header.values()), default=0) != len(content):
        raise ValueError("cut off")
    tensors: dict[str, Array] = {}
    starts: dict[str, int] = {}
    for name, one in header.items():
        starts[name] = begin + one["data_offsets"][0]
        shape = [int(size) for size in one["shape"]]
        dtype = _DTYPES[one["dtype"]]
        tensors[name] = np.frombuffer(content, dtype, int(np.prod(shape)), starts[name]).reshape(shape)
    return tensors, starts, said


_DTYPES: dict[str, np.dtype[Any]] = {
    "U8": np.dtype("u1"),
    "F32": np.dtype("<f4"),
    "I64": np.dtype("<i8"),
    "U64": np.dtype("<u8"),
    "U32": np.dtype("<u4"),
}


def _arrays(content: bytes) -> Shard:
    tensors, starts, _ = tensors_in(content)
    digests = tensors["digest"]
    if "vectors" in tensors:
        rows, first = tensors["vectors"], np.arange(len(digests) + 1)
        begin = starts["vectors"]
    else:
        rows, first = tensors["tokens"], tensors["offsets"]
        begin = starts["tokens"]
    width = rows.shape[1]
    if rows.dtype != np.float32 or len(first) != len(digests) + 1 or first[-1] != len(rows) or digests.shape[1] != 32:
        raise ValueError("no shard of arrays")
    bounds = begin + first * width * rows.itemsize
    return Shard(digests, bounds[:-1], np.diff(bounds), width)


def _lines(content: bytes) -> Shard:
    lines = [line + b"\n" for line in content.split(b"\n") if line]
    digests = b"".join(key_digest(json.loads(line)["digest"]) for line in lines)
    length = np.fromiter(map(len, lines), np.int64, len(lines))
    start = np.cumsum(length) - length
    if int(length.sum()) != len(content):
        raise ValueError("no shard of texts")
    return Shard(np.frombuffer(digests, np.uint8).reshape(-1, 32), start, length, 0)
