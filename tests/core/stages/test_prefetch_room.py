"""What is read ahead is bounded by its bytes, not by its number alone."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
from PIL import Image

from graftwork.core.data.pictures import bytes_of
from graftwork.core.stages.prefetch import ROOM, in_batches, prefetched


def test_heavy_contents_are_read_a_few_ahead() -> None:
    """Of those that fill the room alone, the next one and one in each thread; of light ones as many as are allowed."""
    begun, lock = [0], threading.Lock()

    def work(item: int) -> int:
        with lock:
            begun[0] += 1
        return item

    for size, most in ((ROOM + 1, 3), (ROOM, 4), (1, 33)):
        begun[0] = 0
        ready = prefetched(work, range(100), ahead=32, threads=2, weight=lambda item, size=size: size)
        seen = []
        for item in ready:
            seen.append(item)
            time.sleep(0.001)
            assert begun[0] - len(seen) <= most
        assert seen == list(range(100))


def test_a_failure_and_an_early_end_leave_nobody_waiting() -> None:
    """What is raised is raised at its item, and threads held back are let go."""

    def work(item: int) -> int:
        if item == 5:
            raise ValueError("five")
        return item

    ready = prefetched(work, range(100), ahead=8, threads=2, weight=lambda item: ROOM + 1)
    assert [next(ready) for _ in range(5)] == [0, 1, 2, 3, 4]
    with pytest.raises(ValueError, match="five"):
        next(ready)
    early = prefetched(work, range(4), ahead=8, threads=2, weight=lambda item: ROOM + 1)
    assert next(early) == 0
    early.close()


def test_a_full_batch_waits_for_no_result_of_the_next() -> None:
    """What reads ahead has then begun no more than it promised."""
    taken: list[int] = []

    def results() -> Iterator[int]:
        for number in range(5):
            taken.append(number)
            yield number

    batches = in_batches(results(), 2, lambda one: 0)
    assert (next(batches), taken) == ([0, 1], [0, 1])
    assert (next(batches), taken) == ([2, 3], [0, 1, 2, 3])
    assert list(batches) == [[4]]


def test_batches_are_of_a_number_and_of_a_weight() -> None:
    """One that is heavier than the room stands alone."""
    weights = [1, 1, 1, ROOM, ROOM * 2, ROOM // 2, ROOM // 2, 1, 1]
    assert list(in_batches(weights, 2, lambda one: one)) == [
        [1, 1], [1], [ROOM], [ROOM * 2], [ROOM // 2, ROOM // 2], [1, 1]
    ]  # fmt: skip
    assert list(in_batches([], 2, lambda one: one)) == []
    assert [bytes_of(Image.new(mode, (3, 2))) for mode in ("RGB", "L")] == [24, 6]
    assert bytes_of(None) == 0
