"""Decode the next batch while the model works on this one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from .dataset import DataError, Media

THREADS = 4


def read_ahead(media: Sequence[Media], size: int, prepare: Callable[[Any], Any]) -> Iterator[list[tuple[Media, Any]]]:
    """``media`` in batches of ``size``, each with its content as ``prepare`` makes it, or with the ``DataError`` that
    reading it raised.

    While a batch is worked on, the next one is read by threads: at most two batches are in memory.
    """
    batches = [media[start : start + size] for start in range(0, len(media), size)]
    with ThreadPoolExecutor(max_workers=THREADS) as pool:
        upcoming: list[Future[Any]] = []
        try:
            for number, batch in enumerate(batches):
                reading = upcoming or [pool.submit(_read, one, prepare) for one in batch]
                upcoming = (
                    [pool.submit(_read, one, prepare) for one in batches[number + 1]]
                    if number + 1 < len(batches)
                    else []
                )
                yield [(one, future.result()) for one, future in zip(batch, reading, strict=True)]
        finally:
            for future in upcoming:  # whoever stops early must not wait for pictures that nobody wants
                future.cancel()


def _read(media: Media, prepare: Callable[[Any], Any]) -> Any:
    content = read(media)
    return content if isinstance(content, DataError) else prepare(content)


def read(media: Media) -> Any:
    """The content, or the ``DataError`` that says why there is none."""
    try:
        return media.read()
    except DataError as error:
        return error
