"""Decode the next batch while the model works on this one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from .dataset import DataError, Media

THREADS = 4


def read_ahead(media: Sequence[Media], size: int) -> Iterator[list[tuple[Media, Any]]]:
    """``media`` in batches of ``size``, each with its content, or with the ``DataError`` that reading it raised.

    While a batch is worked on, the next one is read by threads: at most two batches are in memory.
    """
    batches = [media[start : start + size] for start in range(0, len(media), size)]
    with ThreadPoolExecutor(max_workers=THREADS) as pool:
        upcoming: list[Future[Any]] = []
        try:
            for number, batch in enumerate(batches):
                reading = upcoming or [pool.submit(read, one) for one in batch]
                upcoming = [pool.submit(read, one) for one in batches[number + 1]] if number + 1 < len(batches) else []
                yield [(one, future.result()) for one, future in zip(batch, reading, strict=True)]
        finally:
            for future in upcoming:  # whoever stops early must not wait for pictures that nobody wants
                future.cancel()


def read(media: Media) -> Any:
    """The content, or the ``DataError`` that says why there is none."""
    try:
        return media.read()
    except DataError as error:
        return error
