"""The content-addressed store: what was encoded or described once is never computed again.

    <root>/<stage>/<key of the identity>/about.json
    <root>/<stage>/<key of the identity>/<modality>/<sha256 of the shard>.safetensors | .jsonl

A shard holds many items, each under the sha256 of its content, and is named by the sha256 of its own bytes: a partial
or altered file cannot be taken for a whole one, it is simply not there. ``about.json`` carries its own sha256.
Writers only ever add shards, so that two runs may share a store and an interrupted one leaves it usable. Light: numpy,
no torch.
"""

from __future__ import annotations

import hashlib
import json
import os
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
from safetensors.numpy import load, save

from .files import sweep_partials, write_whole
from .sealed import SEAL, is_unaltered, sealed

#: Raise it when the layout of the store changes.
LAYOUT = 1
_ABOUT = "about.json"
Vectors = np.ndarray[tuple[int, int], np.dtype[np.float32]]
Array = np.ndarray[Any, np.dtype[Any]]
V = TypeVar("V")


def identity_key(identity: Mapping[str, Any]) -> str:
    """A short name for everything that the stored values depend on."""
    canonical = json.dumps({"layout": LAYOUT, **identity}, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()[:32]


class Namespace:
    """All that was stored under one identity; ``about`` tells a person (and later runs) what that is."""

    def __init__(self, root: Path, stage: str, identity: Mapping[str, Any]) -> None:
        self.identity = dict(identity)
        self.folder = root / stage / identity_key(identity)

    def about(self) -> dict[str, Any] | None:
        """What was noted when the first values came in; ``None`` where nothing was, or it was altered since."""
        try:
            noted = json.loads((self.folder / _ABOUT).read_text("utf-8"))
        except (OSError, ValueError, RecursionError):
            return None
        # An older Graftwork noted no sha256.
        return noted if isinstance(noted, dict) and (SEAL not in noted or is_unaltered(noted)) else None

    def damage(self) -> str | None:
        """What to say where ``about.json`` is there and cannot be used."""
        path = self.folder / _ABOUT
        if self.about() is not None or not os.path.lexists(path):
            return None
        return f"{path} was altered or cannot be read: the model is loaded to see which stored values are its own"

    def note(self, facts: Mapping[str, Any]) -> None:
        """Write ``about.json``: the identity and these facts."""
        sweep_partials(self.folder)
        content = sealed({"identity": self.identity, **facts})
        write_whole(self.folder / _ABOUT, json.dumps(content, indent=2, sort_keys=True).encode())


class _Shelf(ABC, Generic[V]):
    """Values of one modality in one namespace."""

    suffix: str

    def __init__(self, namespace: Namespace, modality: str) -> None:
        self.folder = namespace.folder / modality

    @abstractmethod
    def _pack(self, digests: Sequence[str], values: V) -> bytes: ...

    def _whole_shards(self) -> Iterator[bytes]:
        """The bytes of every shard whose name is their sha256."""
        for path in sorted(self.folder.glob(f"*{self.suffix}")):
            try:
                content = path.read_bytes()
            except OSError:  # removed meanwhile, or not readable: not there
                continue
            if hashlib.sha256(content).hexdigest() == path.stem:
                yield content

    def add(self, digests: Sequence[str], values: V) -> None:
        """Store values under their digests, in one new shard. Raises ``StorageError``."""
        content = self._pack(digests, values)
        write_whole(self.folder / f"{hashlib.sha256(content).hexdigest()}{self.suffix}", content)


class ArrayShelf(_Shelf[Sequence[Array]]):
    """Float32 arrays by digest, many in one safetensors file."""

    suffix = ".safetensors"

    def digests(self) -> set[str]:
        """Digests of all stored items."""
        return {key.tobytes().hex() for shard in self._shards() for key in shard["digest"]}

    def take(self, digests: Sequence[str]) -> list[Array]:
        """One array a digest, in that order. Raises ``KeyError`` for one that is not stored."""
        places = self._locate(set(digests))
        return [places[digest] for digest in digests]

    @abstractmethod
    def _rows(self, shard: Mapping[str, Array]) -> Iterable[Array]:
        """One array an item of a shard."""

    def _shards(self) -> Iterator[dict[str, Array]]:
        return (load(content) for content in self._whole_shards())

    def _locate(self, wanted: set[str]) -> dict[str, Array]:
        rows: dict[str, Array] = {}
        for shard in self._shards():
            for key, row in zip(shard["digest"], self._rows(shard), strict=True):
                if (digest := key.tobytes().hex()) in wanted:
                    rows.setdefault(digest, row)
        return rows


def _packed_digests(digests: Sequence[str]) -> Array:
    return np.frombuffer(bytes.fromhex("".join(digests)), np.uint8).reshape(len(digests), 32)


class VectorShelf(ArrayShelf):
    """Encoded vectors: float32 [d] an item."""

    def _pack(self, digests: Sequence[str], values: Sequence[Array]) -> bytes:
        vectors = np.ascontiguousarray(values, np.float32)
        return bytes(save({"digest": _packed_digests(digests), "vectors": vectors}))

    def _rows(self, shard: Mapping[str, Array]) -> Iterable[Array]:
        return shard["vectors"]


class TokenShelf(ArrayShelf):
    """Encoded token sequences: float32 [T_i, d] an item, one after another."""

    def _pack(self, digests: Sequence[str], values: Sequence[Array]) -> bytes:
        offsets = np.cumsum([0, *map(len, values)], dtype=np.int64)
        rows = np.ascontiguousarray(np.concatenate(values), np.float32)
        return bytes(save({"digest": _packed_digests(digests), "tokens": rows, "offsets": offsets}))

    def _rows(self, shard: Mapping[str, Array]) -> Iterable[Array]:
        return np.split(shard["tokens"], shard["offsets"][1:-1])


class TextShelf(_Shelf[Iterable[str]]):
    """Descriptions: readable JSON lines ``{"digest": ..., "text": ...}``."""

    suffix = ".jsonl"

    def _pack(self, digests: Sequence[str], values: Iterable[str]) -> bytes:
        rows = ({"digest": digest, "text": text} for digest, text in zip(digests, values, strict=True))
        return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()

    def all(self) -> dict[str, str]:
        """Digest to text of all stored items."""
        rows = (json.loads(line) for content in self._whole_shards() for line in content.decode().split("\n") if line)
        return {row["digest"]: row["text"] for row in rows}
