"""Small trainings take one thread of every library that computes, and leave the numbers of threads as they were."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import torch
from threadpoolctl import threadpool_info, threadpool_limits

from graftwork.core.training.devices import SMALL, fitting_threads


def blas_threads() -> set[int]:
    """Of every BLAS that is loaded: NumPy's and SciPy's each have one."""
    assert np.ones((2, 2)) @ np.ones(2) @ np.ones(2) == 4
    return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}


def test_a_small_problem_has_one_thread_and_a_large_one_what_there_was() -> None:
    """In torch and in the BLAS that solves logistic regression."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with threadpool_limits(2, user_api="blas"):
            there = blas_threads()
            with fitting_threads(SMALL):
                assert (torch.get_num_threads(), blas_threads()) == (2, there)
            with fitting_threads(SMALL - 1):
                assert torch.get_num_threads() == 1
                assert blas_threads() <= {1}  # none where the system's own does not tell
            assert (torch.get_num_threads(), blas_threads()) == (2, there)
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("first_out", [0, 1])
@pytest.mark.parametrize("fails", [False, True])
def test_python_threads_that_overlap_leave_the_numbers_as_they_were(first_out: int, fails: bool) -> None:
    """Whichever leaves first, nested, and by an error: the second to come once took 1 for what there had been."""
    entered = [threading.Event() for _ in range(2)]
    leave = [threading.Event() for _ in range(2)]
    seen: dict[int, tuple[int, int, int]] = {}

    def work(place: int) -> None:
        try:
            with fitting_threads(1), fitting_threads(2):
                inside = torch.get_num_threads()
                entered[place].set()
                leave[place].wait(timeout=60)
                still = torch.get_num_threads()
                if fails:
                    raise ValueError
        except ValueError:
            pass
        seen[place] = inside, still, torch.get_num_threads()

    before = torch.get_num_threads()
    torch.set_num_threads(2)
    there, threads = blas_threads(), [threading.Thread(target=work, args=(place,)) for place in range(2)]
    try:
        for place, thread in enumerate(threads):
            thread.start()
            assert entered[place].wait(timeout=60)
        for place in (first_out, 1 - first_out):
            leave[place].set()
            threads[place].join()
        assert (torch.get_num_threads(), blas_threads()) == (2, there)
        assert seen == dict.fromkeys(range(2), (1, 1, 2))
    finally:
        for event in leave:
            event.set()
        torch.set_num_threads(before)
