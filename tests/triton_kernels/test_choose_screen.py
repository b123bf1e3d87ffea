"""The sample that a screen is chosen by."""

from __future__ import annotations

import pytest
import torch

from graftwork.benchmarks.features import clusters_in_turn
from graftwork.triton_kernels.similarity.choose_screen import Sample
from graftwork.triton_kernels.similarity.screens import sample_rows
from graftwork.triton_kernels.similarity.vectors import Vectors
from graftwork.triton_kernels.similarity.workers import single_threaded_workers


@pytest.mark.parametrize("rows", [2560, 8192])
def test_rows_that_come_in_turns_do_not_fool_the_sample(rows: int) -> None:
    """The share of pairs above the threshold is right within a third where cluster 0, 1, 2 … comes again and again:
    evenly spaced rows met their own cluster four times too often."""
    x = clusters_in_turn(rows, 64)
    with single_threaded_workers() as pool:
        vectors = Vectors.of(x, None, pool)
        sampled = Sample.of(vectors, 0.6, None).rate(0.0)
    true = float((x @ x.T >= 0.6).float().mean()) - 1 / rows
    assert 0.67 < sampled / true < 1.5


def test_a_smaller_sample_is_the_start_of_a_larger_one() -> None:
    """So the diagonal of a sample's product is where rows meet themselves; a rerun draws the same rows."""
    x = torch.zeros(100, 1)
    assert torch.equal(sample_rows(x, 10), sample_rows(x, 60)[:10])
    assert sorted(sample_rows(x, 1000).tolist()) == list(range(100))


def test_the_caller_computes_in_one_thread_and_gets_its_own_back() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    with single_threaded_workers() as pool:
        assert torch.get_num_threads() == 1
        assert list(pool.map(lambda _: torch.get_num_threads(), range(3))) == [1, 1, 1]
    assert torch.get_num_threads() == 2
    torch.set_num_threads(before)
