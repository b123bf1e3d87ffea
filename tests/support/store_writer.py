"""Run by ``test_store.py`` in processes of its own: ``python store_writer.py COMMAND ROOT ...``."""

from __future__ import annotations

import hashlib
import resource
import sys
from pathlib import Path

import numpy as np

from graftwork.core.storage.files import StorageError
from graftwork.core.storage.store import Namespace, VectorShelf


def vector_of(text: str) -> np.ndarray:
    """The vector that stands for ``text``, the same in every process."""
    return np.frombuffer(hashlib.sha256(text.encode()).digest(), np.uint8).astype(np.float32)


def digest_of(text: str) -> str:
    """Its digest."""
    return hashlib.sha256(text.encode()).hexdigest()


def shelf_in(root: Path) -> VectorShelf:
    """The shelf that all processes share."""
    return VectorShelf(Namespace(root, "features", {"encoder": "x"}), "w/image")


def write(root: Path, first: str, last: str) -> None:
    """Store the items ``first`` to ``last`` in shards of three, noting the namespace as every run does."""
    Namespace(root, "features", {"encoder": "x"}).note({"weights": "w"})
    names = [str(number) for number in range(int(first), int(last))]
    for start in range(0, len(names), 3):
        batch = names[start : start + 3]
        shelf_in(root).add([digest_of(name) for name in batch], np.stack([vector_of(name) for name in batch]))


def write_over_the_limit(root: Path) -> None:
    """Store one small shard, then one that this process may not write in whole."""
    write(root, "0", "1")
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
    try:
        shelf_in(root).add([digest_of("big")], np.zeros((1, 100_000), np.float32))
    except StorageError as error:
        print(error)


def request(root: Path, count: str) -> None:
    """Have ``count`` items, as a stage does: compute and store what is missing, take all. Says how many it computed."""
    namespace = Namespace(root, "features", {"encoder": "x"})
    names = {digest_of(str(number)): str(number) for number in range(int(count))}
    computed = 0
    with namespace.writing(lambda message: None):
        stored = shelf_in(root).stored(list(names))
        missing = [digest for digest in names if digest not in stored]
        for start in range(0, len(missing), 7):
            some = missing[start : start + 7]
            shelf_in(root).add(some, [vector_of(names[digest]) for digest in some])
            computed += len(some)
    for digest, vector in zip(names, shelf_in(root).take(list(names)), strict=True):
        assert vector.tolist() == vector_of(names[digest]).tolist()
    print(computed)


def hold(root: Path) -> None:
    """Compute, and do not come to an end."""
    with Namespace(root, "features", {"encoder": "x"}).writing(lambda message: None):
        print("held", flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    commands = {"write": write, "write_over_the_limit": write_over_the_limit, "request": request, "hold": hold}
    commands[sys.argv[1]](Path(sys.argv[2]), *sys.argv[3:])
