"""Row-wise products by oneDNN against the plain ones; the choice is forced, so that any processor runs both."""

import pytest
import torch
from torch import Tensor
from torch.autograd import forward_ad
from torch.nn import functional

from graftwork.triton_kernels import products


@pytest.fixture(autouse=True)
def by_onednn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(products, "_onednn_is_faster", lambda: True)


def inputs(rows: int, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    shapes = ((rows, 48), (16, 48), (16,))
    x, weight, bias = (torch.randn(*shape, generator=generator) for shape in shapes)
    return x, weight, bias


@pytest.mark.parametrize("rows", [0, 1, 63, 64, 65, 128, 200])
def test_equals_the_plain_product(rows: int) -> None:
    """Whole images of rows, a rest, and too few for either."""
    x, weight, bias = inputs(rows)
    for b in (bias, None):
        torch.testing.assert_close(products.linear(x, weight, b), functional.linear(x, weight, b))


def test_any_strides() -> None:
    x, weight, bias = inputs(128)
    expected = functional.linear(x, weight, bias)
    turned = products.linear(x.T.contiguous().T, weight.T.contiguous().T, bias)
    torch.testing.assert_close(turned, expected)
    same = products.linear(x[:1].expand(128, -1), weight, bias)
    torch.testing.assert_close(same, expected[:1].expand(128, -1))


def test_what_is_not_finite_stays_in_its_row() -> None:
    x, weight, bias = inputs(128)
    x[5, 3], x[70, 0] = torch.nan, torch.inf
    finite = products.linear(x, weight, bias).isfinite().all(1)
    assert (~finite).nonzero().flatten().tolist() == [5, 70]


def test_a_row_has_the_same_bits_on_any_number_of_threads() -> None:
    threads = torch.get_num_threads()
    x, weight, bias = inputs(1000)
    found = []
    try:
        for count in (1, 2, 5):
            torch.set_num_threads(count)
            found.append(products.linear(x, weight, bias))
    finally:
        torch.set_num_threads(threads)
    assert all(torch.equal(found[0], other) for other in found[1:])


def test_derivatives_are_the_plain_products() -> None:
    """First and second, and forward mode."""
    given = tuple(tensor.requires_grad_() for tensor in inputs(130))

    def derivatives(product: object) -> list[Tensor]:
        loss = product(*given).sin().sum()  # type: ignore[operator]
        first = torch.autograd.grad(loss, given, create_graph=True)
        return [*first, *torch.autograd.grad(sum(one.square().sum() for one in first), given)]

    for found, expected in zip(derivatives(products.linear), derivatives(functional.linear), strict=True):
        torch.testing.assert_close(found, expected, atol=1e-3, rtol=1e-4)
    with forward_ad.dual_level():
        dual = [forward_ad.make_dual(a.detach(), b) for a, b in zip(given, inputs(130, seed=1), strict=True)]
        tangents = [forward_ad.unpack_dual(product(*dual)).tangent for product in (products.linear, functional.linear)]
    torch.testing.assert_close(*tangents, atol=1e-4, rtol=1e-4)


def test_transforms_equal_loops() -> None:
    """A batch of inputs, and per-sample gradients."""
    x, weight, bias = inputs(130)
    batch = torch.stack((x, 2 * x, -x))

    def loss(w: Tensor, x: Tensor) -> Tensor:
        return products.linear(x, w, bias).sin().sum()

    found = torch.func.vmap(torch.func.grad(loss), in_dims=(None, 0))(weight, batch)
    torch.testing.assert_close(
        found, torch.stack([torch.func.grad(loss)(weight, one) for one in batch]), atol=1e-3, rtol=1e-4
    )


def test_another_dtype_and_autocast_go_by_the_plain_product() -> None:
    x, weight, bias = inputs(128)
    double = [tensor.double() for tensor in (x, weight, bias)]
    assert torch.equal(products.linear(*double), functional.linear(*double))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(products.linear(x, weight, bias), functional.linear(x, weight, bias))
