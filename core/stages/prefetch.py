"""Work done in threads a little ahead of whoever waits for it. Light: no torch."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

#: Threads that read, decode and preprocess the next batch while a model works on this one: half of the cores, for
#: with two beside a model on two cores all three wait for each other (docs/benchmarks/encoding.md).
READERS = max(1, min(4, (os.cpu_count() or 2) // 2))
#: Bytes of what is read ahead, or handed over at a time: sixteen pictures of four megapixels.
ROOM = 1 << 28
T = TypeVar("T")
R = TypeVar("R")


def prefetched(
    work: Callable[[T], R],
    items: Iterable[T],
    ahead: int,
    threads: int,
    weight: Callable[[R], int] = lambda result: 0,
) -> Generator[R, None, None]:
    """``work(item)`` of each item, in order; at most ``ahead`` of them are begun or done before they are asked for.

    While what is done and waits weighs more than ``ROOM`` bytes by ``weight``, nothing is begun that is not asked for.
    Without ``threads`` each is done when it is asked for: what is read in no time gains nothing by a hand-over.
    What ``work`` raises is raised here, at its item. Closing the iterator drops what has not begun.
    """
    if not threads:
        yield from map(work, items)
        return
    waiting: deque[Future[R]] = deque()
    room = _Room(work, weight)
    with ThreadPoolExecutor(threads, thread_name_prefix="prefetch") as pool:
        try:
            for number, item in enumerate(items):
                waiting.append(pool.submit(room.worked, number, item))
                if len(waiting) > ahead:
                    yield room.taken(waiting.popleft())
            while waiting:
                yield room.taken(waiting.popleft())
        finally:
            for future in waiting:
                future.cancel()
            room.open()


class _Room(Generic[T, R]):
    """Holds workers back while too much waits to be taken."""

    def __init__(self, work: Callable[[T], R], weight: Callable[[R], int]) -> None:
        self._work, self._weight = work, weight
        self._changed = threading.Condition()
        self._held, self._next, self._is_open = 0, 0, False

    def worked(self, number: int, item: T) -> R:
        """``work(item)``, once there is room for it, or once it is the next to be taken."""
        with self._changed:
            self._changed.wait_for(lambda: self._held <= ROOM or self._next >= number or self._is_open)
        result = self._work(item)
        with self._changed:
            self._held += self._weight(result)
        return result

    def taken(self, future: Future[R]) -> R:
        """The result, which is no longer held here."""
        result = future.result()
        with self._changed:
            self._held -= self._weight(result)
            self._next += 1
            self._changed.notify_all()
        return result

    def open(self) -> None:
        """Hold nobody back any more."""
        with self._changed:
            self._is_open = True
            self._changed.notify_all()


def in_batches(results: Iterable[R], size: int, weight: Callable[[R], int], room: int = ROOM) -> Iterator[list[R]]:
    """Lists of up to ``size`` results, of no more than ``room`` bytes by ``weight`` or of one that is heavier.

    A full list is given at once: its maker does not wait for a result of the next one.
    """
    batch: list[R] = []
    left = room
    for result in results:
        if batch and weight(result) > left:
            yield batch
            batch, left = [], room
        batch.append(result)
        left -= weight(result)
        if len(batch) == size:
            yield batch
            batch, left = [], room
    if batch:
        yield batch
