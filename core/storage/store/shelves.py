"""Values of one modality under one identity, in shards that hold many each."""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any, Generic, TypeVar

import numpy as np
from safetensors.numpy import save

from ..files import write_whole
from .index import Index
from .namespace import Namespace
from .shard import Array, key_digest

Vectors = np.ndarray[tuple[int, int], np.dtype[np.float32]]
V = TypeVar("V")


class _Shelf(ABC, Generic[V]):
    """Values of one modality in one namespace."""

    suffix: str

    def __init__(self, namespace: Namespace, modality: str) -> None:
        self._namespace = namespace
        self.folder = namespace.folder / modality
        self._index = Index(self.folder, namespace.index_folder / f"{modality}.index", sweep=True)

    @abstractmethod
    def _pack(self, digests: Sequence[str], values: V) -> bytes: ...

    @abstractmethod
    def _packed(self, digests: Sequence[str]) -> Array:
        """What the index knows them by, uint8 [n, 32]."""

    def stored(self, digests: Sequence[str]) -> set[str]:
        """Those of ``digests`` that are stored. Reads none of them."""
        if not self._is_there():
            return set()
        there = self._index.look(self._packed(digests)).there.tolist()
        return {digest for digest, found in zip(digests, there, strict=True) if found}

    def _is_there(self) -> bool:
        """Whether it may hold anything; it is in use then."""
        self._namespace.use()
        return self.folder.is_dir()

    def add(self, digests: Sequence[str], values: V) -> None:
        """Store values under their digests, in one new shard. Raises ``StorageError``."""
        self._namespace.use()
        content = self._pack(digests, values)
        write_whole(self.folder / f"{hashlib.sha256(content).hexdigest()}{self.suffix}", content)


class ArrayShelf(_Shelf[Sequence[Array]]):
    """Float32 arrays by digest, many in one safetensors file."""

    suffix = ".safetensors"

    def digests(self) -> set[str]:
        """Digests of all stored items. Looks at every shard."""
        return {key.tobytes().hex() for key in self._index.digests()}

    def take(self, digests: Sequence[str]) -> list[Array]:
        """One array a digest, in that order; their bytes alone are read. Raises ``KeyError`` for one that is not
        stored, and ``StorageError`` for one that was altered."""
        self._namespace.use()
        values, widths = self._index.values(self._packed(digests))
        return [self._array(*one) for one in zip(digests, values, widths, strict=True)]

    def _array(self, digest: str, value: memoryview | None, width: int) -> Array:
        if value is None:
            raise KeyError(digest)
        return self._shaped(np.frombuffer(value, np.float32), width)

    @abstractmethod
    def _shaped(self, numbers: Array, width: int) -> Array:
        """The array of an item, of its numbers."""

    def _packed(self, digests: Sequence[str]) -> Array:
        return _packed_digests(digests)


def _packed_digests(digests: Sequence[str]) -> Array:
    return np.frombuffer(bytes.fromhex("".join(digests)), np.uint8).reshape(len(digests), 32)


class VectorShelf(ArrayShelf):
    """Encoded vectors: float32 [d] an item."""

    def _pack(self, digests: Sequence[str], values: Sequence[Array]) -> bytes:
        vectors = np.ascontiguousarray(values, np.float32)
        return bytes(save({"digest": _packed_digests(digests), "vectors": vectors}))

    def _shaped(self, numbers: Array, width: int) -> Array:
        return numbers


class TokenShelf(ArrayShelf):
    """Encoded token sequences: float32 [T_i, d] an item, one after another."""

    def _pack(self, digests: Sequence[str], values: Sequence[Array]) -> bytes:
        offsets = np.cumsum([0, *map(len, values)], dtype=np.int64)
        rows = np.ascontiguousarray(np.concatenate(values), np.float32)
        return bytes(save({"digest": _packed_digests(digests), "tokens": rows, "offsets": offsets}))

    def _shaped(self, numbers: Array, width: int) -> Array:
        return numbers.reshape(-1, width)


class TextShelf(_Shelf[Iterable[str]]):
    """Descriptions, and findings under keys of any form: readable JSON lines ``{"digest": ..., "text": ...}``."""

    suffix = ".jsonl"

    def _pack(self, digests: Sequence[str], values: Iterable[str]) -> bytes:
        rows = ({"digest": digest, "text": text} for digest, text in zip(digests, values, strict=True))
        return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()

    def _packed(self, digests: Sequence[str]) -> Array:
        return np.frombuffer(b"".join(map(key_digest, digests)), np.uint8).reshape(len(digests), 32)

    def find(self, digests: Sequence[str]) -> dict[str, str]:
        """The texts of those of ``digests`` that have one; of several that were stored the last, by name of shard.

        Raises ``StorageError`` for one that was altered.
        """
        if not self._is_there():
            return {}
        values, _ = self._index.values(self._packed(digests), last=True)
        return {digest: _text(value) for digest, value in zip(digests, values, strict=True) if value is not None}


def _text(line: memoryview) -> str:
    text: Any = json.loads(bytes(line))["text"]
    return str(text)
