"""Work done in threads a little ahead of whoever waits for it. Light: no torch."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

#: Threads that read, decode and preprocess the next batch while a model works on this one: half of the cores, for
#: with two beside a model on two cores all three wait for each other (docs/benchmarks/encoding.md).
READERS = max(1, min(4, (os.cpu_count() or 2) // 2))
T = TypeVar("T")
R = TypeVar("R")


def prefetched(work: Callable[[T], R], items: Iterable[T], ahead: int, threads: int) -> Generator[R, None, None]:
    """``work(item)`` of each item, in order; at most ``ahead`` of them are begun or done before they are asked for.

    Without ``threads`` each is done when it is asked for: what is read in no time gains nothing by a hand-over.
    What ``work`` raises is raised here, at its item. Closing the iterator drops what has not begun.
    """
    if not threads:
        yield from map(work, items)
        return
    waiting: deque[Future[R]] = deque()
    with ThreadPoolExecutor(threads, thread_name_prefix="prefetch") as pool:
        try:
            for item in items:
                waiting.append(pool.submit(work, item))
                if len(waiting) > ahead:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
