"""The kit itself: every mutation of a real kernel is found by the property it breaks, and the report says which."""

import math

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.errors import NoSuchExample
from torch import Tensor

from graftwork.triton_kernels import SparseGraph, reference
from graftwork.triton_kernels.testing import (
    LAYOUTS,
    PROPERTIES,
    TOLERANCES,
    PropertyFailed,
    check_kernel,
    difference,
    embeddings,
    heavy_graphs,
    non_finite,
    non_finite_embeddings,
    relaid,
    sparse_graphs,
    thresholds,
    unbacked,
)

from ..support.mutations import CPU, failing_property


@pytest.mark.parametrize("name", CPU)
def test_a_mutation_of_a_kernel_breaks_a_property(name: str) -> None:
    assert failing_property(CPU[name]) == CPU[name].property


def doubled(x: Tensor) -> Tensor:
    return 2 * x


ROWS = st.fixed_dictionaries({"x": embeddings(max_rows=5, dtypes=(torch.float32,))})


class Remembers:
    """A kernel whose second run differs."""

    def __init__(self) -> None:
        self.runs = 0

    def __call__(self, x: Tensor) -> Tensor:
        self.runs += 1
        return 2 * x + self.runs * 1e-7


def in_place(x: Tensor) -> Tensor:
    with torch.no_grad():
        x.mul_(1)
    return 2 * x


def seeded(x: Tensor) -> Tensor:
    torch.manual_seed(torch.initial_seed() + 1)
    return 2 * x


def by_stride(x: Tensor) -> Tensor:
    """Reads rows as if they were next to each other."""
    return 2 * x.as_strided(x.shape, (x.shape[1], 1), x.storage_offset())


def swallows(x: Tensor) -> Tensor:
    return 2 * x.nan_to_num()


def leaks(x: Tensor) -> Tensor:
    return 2 * x + 0 * x.sum()


def refuses(x: Tensor) -> Tensor:
    if not bool(x.isfinite().all()):
        raise ValueError("wrong input")
    return 2 * x


def counts_threads(x: Tensor) -> Tensor:
    return 2 * x * (1 + 1e-7 * (torch.get_num_threads() - 1))


FAULTY = {
    "values": lambda x: 2 * x + (x == 0),
    "same_dtype": lambda x: (2 * x).double(),
    "layouts": by_stride,
    "gradients": lambda x: 2 * x.detach(),
    "finite_differences": lambda x: x + x.detach(),
    "reruns": Remembers(),
    "threads": counts_threads,
    "inputs_kept": in_place,
    "settings_kept": seeded,
}


@pytest.mark.parametrize("name", FAULTY)
def test_each_property_is_broken_by_a_kernel_that_lacks_it_alone(name: str) -> None:
    """And the error names it, the device and the input."""
    (one,) = (one for one in PROPERTIES if one.name == name)
    with pytest.raises(
        PropertyFailed, match=f"(?s)property '{name}' does not hold on cpu: .*on the input\n  x = torch"
    ):
        check_kernel(FAULTY[name], doubled, ROWS, properties=[one], devices=["cpu"])


@pytest.mark.parametrize("op", [swallows, leaks, refuses])
def test_what_not_to_do_with_nan(op: object) -> None:
    """A finite guess, NaN everywhere, an error that does not say why."""
    with pytest.raises(PropertyFailed, match="non_finite"):
        check_kernel(op, doubled, ROWS, properties=[non_finite()])  # type: ignore[arg-type]


def test_an_error_and_a_result_that_shows_nan_are_told_apart() -> None:
    def checks(x: Tensor) -> Tensor:
        if not bool(x.isfinite().all()):
            raise ValueError("x has NaN or inf")
        return 2 * x

    check_kernel(checks, doubled, ROWS, properties=[non_finite("error")])
    check_kernel(doubled, doubled, ROWS, properties=[non_finite("spreads")])
    for op, other in ((checks, "spreads"), (doubled, "error")):
        with pytest.raises(PropertyFailed):
            check_kernel(op, doubled, ROWS, properties=[non_finite(other)])  # type: ignore[arg-type]


def test_a_kernel_without_fault_passes_and_what_does_not_apply_says_why() -> None:
    assert [one.skipped for one in check_kernel(doubled, doubled, ROWS, devices=["cpu"], examples=10)][:3] == [()] * 3
    report = check_kernel(lambda x: x > 0, lambda x: x > 0, ROWS, devices=["cpu"], examples=10)
    by_name = {one.property: one for one in report}
    assert by_name["values"].examples == 10
    assert (by_name["gradients"].examples, by_name["gradients"].skipped) == (
        0,
        ("no output depends differentiably on an input",),
    )


def test_an_exception_of_the_kernel_is_a_failure_that_shows_it() -> None:
    with pytest.raises(PropertyFailed, match=r"raised IndexError\('no'\)"):
        check_kernel(_raises, doubled, ROWS)


def _raises(x: Tensor) -> Tensor:
    raise IndexError("no")


def test_the_smallest_failing_input_is_reported() -> None:
    with pytest.raises(PropertyFailed) as failure:
        check_kernel(lambda x: 2 * x + (len(x) > 2), doubled, ROWS)
    assert len(failure.value.inputs["x"]) == 3


def test_the_tolerance_is_of_the_rows_largest_number_and_integers_are_exact() -> None:
    expected = torch.tensor([[1000.0, 0.0], [1.0, 0.0]], dtype=torch.float64)
    found = expected.float()
    found[0, 1] = 0.01
    assert difference(found, expected, TOLERANCES) is None
    found[1, 1] = 0.01
    assert "at [1, 1], expected 0.0 (1 of 4)" in str(difference(found, expected, TOLERANCES))
    assert difference(torch.tensor([1, 2]), torch.tensor([1, 3]), TOLERANCES) is not None
    nan = torch.tensor([math.nan, math.inf])
    assert difference(nan, nan.double(), TOLERANCES) is None
    assert difference(nan.flip(0), nan.double(), TOLERANCES) is not None
    assert difference(torch.ones(2), torch.ones(3), TOLERANCES) == "shape [2], expected [3]"


@given(embeddings(min_rows=1, max_rows=4), st.sampled_from(LAYOUTS))
def test_a_layout_changes_no_number(x: Tensor, layout: str) -> None:
    assert torch.equal(relaid(x, layout), x)


@pytest.mark.skipif("sys.platform != 'linux'", reason="reserves no memory on Linux alone")
def test_far_rows_and_unbacked_zeros_pass_int32_and_take_no_memory() -> None:
    far = relaid(torch.ones(3, 2), "far")
    assert far.stride(0) * 2 > 2**31
    zeros = unbacked(2**31 + 1)
    assert (len(zeros), zeros[-1].item()) == (2**31 + 1, 0)


def has(name: str, x: Tensor) -> bool:
    """Whether a matrix is a case of that name."""
    unit = torch.nn.functional.normalize(x.double(), dim=1)
    return {
        "empty": len(x) == 0,
        "one row": len(x) == 1,
        "odd size": len(x) % 2 == 1 and len(x) > 2,
        "zero vector": len(x) > 1 and bool((x == 0).all(1).any()),
        "duplicates": len(x) > 1 and len(x.unique(dim=0)) < len(x) and bool((x != 0).any()),
        "ties": len(x) > 3 and len((unit @ unit.T).round(decimals=9).unique()) < len(x) - 1,
        "not contiguous": not x.is_contiguous(),
        "offset": x.storage_offset() > 0,
    }[name]


NAMES = ("empty", "one row", "odd size", "zero vector", "duplicates", "ties", "not contiguous", "offset")


@pytest.mark.parametrize("name", NAMES)
def test_embeddings_draw_every_case(name: str) -> None:
    assert drawn(embeddings(), lambda x: has(name, x))


@pytest.mark.parametrize("edges", ["none", "all", "loops", "isolated"])
def test_graphs_draw_every_case(edges: str) -> None:
    def fits(graph: SparseGraph) -> bool:
        n, degree = graph.num_nodes, graph.rowptr.diff()
        return (
            n > 2
            and {
                "none": graph.num_edges == 0,
                "all": graph.num_edges == n * n,
                "loops": bool((graph.row == graph.col).any()),
                "isolated": bool((degree == 0).any()) and graph.num_edges > 0,
            }[edges]
        )

    assert drawn(sparse_graphs(), fits)


def drawn(strategy: st.SearchStrategy[object], fits: object) -> bool:
    """Whether an ordinary run of examples has one that fits."""
    from hypothesis import find, settings

    try:
        find(strategy, fits, settings=settings(max_examples=1000, database=None))  # type: ignore[arg-type]
    except NoSuchExample:
        return False
    return True


@given(heavy_graphs(edges=8))
def test_heavy_graphs_have_rows_around_whole_segments(graph: SparseGraph) -> None:
    assert set(graph.rowptr.diff().tolist()) <= {0, 1, 7, 8, 9, 16, 17, 23}


@given(non_finite_embeddings())
def test_non_finite_embeddings_are_not_finite(x: Tensor) -> None:
    assert not x.isfinite().all()


@given(embeddings(min_rows=2), st.data())
def test_thresholds_mostly_lie_on_a_cosine(x: Tensor, data: st.DataObject) -> None:
    tau = data.draw(thresholds(x))
    assert 0 <= tau <= 1
    assume(tau not in (0.0, 0.1, 0.5, 0.7, 1.0))
    _, cosine = reference.similarity_graph(x, 0.0)
    assert float((cosine - tau).abs().min()) <= 2e-7
