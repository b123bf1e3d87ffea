"""Many rows times a small matrix on a CPU, by the faster of torch's two libraries."""

from __future__ import annotations

import platform
from functools import cache
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor
from torch.nn import functional

SIDE = 8
"""Rows go to oneDNN as the pixels of images, SIDE x SIDE each: a single pixel an image is 2.5 times slower."""


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """`functional.linear` of x [N, k] and weight [m, k], and its derivatives in every mode.

    torch multiplies float32 by MKL, which uses AVX-512 on Intel's processors only. A 1 x 1 convolution is the same
    product, and torch has oneDNN compute it, which uses AVX-512 on AMD's too: 2.5 times faster at k, m = 512, 64.
    A row's bits are the same on any number of threads. That does not hold of a convolution's weight gradient, so the
    derivatives are plain products; nor of widths that are no multiples of 16, which go by MKL.
    """
    if not _suits(x, weight) or not _onednn_is_faster():
        return functional.linear(x, weight, bias)
    return cast(Tensor, _Linear.apply(x, weight, bias))  # type: ignore[no-untyped-call]


def _suits(x: Tensor, weight: Tensor) -> bool:
    if torch.compiler.is_compiling() or torch.is_autocast_enabled(x.device.type):
        return False
    sizes = x.ndim == 2 and len(x) >= SIDE**2 and all(size > 0 and size % 16 == 0 for size in weight.shape)
    return sizes and x.is_cpu and x.dtype == torch.float32


class _Linear(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        whole = len(x) - len(x) % SIDE**2
        images = x[:whole].reshape(-1, SIDE, SIDE, x.shape[1]).permute(0, 3, 1, 2)
        product = functional.conv2d(images, weight[:, :, None, None], bias)
        rows = product.permute(0, 2, 3, 1).reshape(whole, len(weight))
        return rows if whole == len(x) else torch.cat((rows, functional.linear(x[whole:], weight, bias)))

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, Tensor | None], output: Tensor) -> None:
        x, weight, _ = inputs
        ctx.save_for_backward(x, weight)
        ctx.save_for_forward(x, weight)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        (ahead,), (x, weight), need = gradients, ctx.saved_tensors, ctx.needs_input_grad
        return ahead @ weight if need[0] else None, ahead.T @ x if need[1] else None, ahead.sum(0) if need[2] else None

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> Any:
        x, weight = ctx.saved_tensors
        along_x, along_weight, along_bias = tangents
        total = x.new_zeros(len(x), len(weight))
        total = total if along_x is None else total + along_x @ weight.T
        total = total if along_weight is None else total + x @ along_weight.T
        return total if along_bias is None else total + along_bias


@cache
def _onednn_is_faster() -> bool:
    """On AMD's processors with AVX-512; measured on EPYC, see docs/benchmarks/kernels.md."""
    cpuinfo = Path("/proc/cpuinfo")  # Linux; Windows has the maker in the processor's name
    name = cpuinfo.read_text() if cpuinfo.exists() else platform.processor()
    capable = torch.backends.cpu.get_cpu_capability() == "AVX512"
    built = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    return capable and "AuthenticAMD" in name and built
