"""Small trainings take one thread of every library that computes, and leave the numbers of threads as they were."""

from __future__ import annotations

import numpy as np
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
