"""The adapter with messages: ways to cut its way up, its time beside the same without messages, and its kernels."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from ...triton_kernels import SparseGraph, gcn_bottleneck
from ...triton_kernels.bottleneck.activations import activate
from ...triton_kernels.bottleneck.triton_bottleneck import up
from ..features import random_graph
from . import cuts
from .measuring import DEVICE, DRY, Row, captured_ms, launched, ms, products, tried

SHOWN = 16
"""Kernels of a call that have a row: those that work longest."""


def adapters() -> Iterator[Row]:
    """Every cut of the way up, and the adapter both ways against the same without messages."""
    nodes, d, r = (20, 24, 16) if DRY else (100_000, 512, 64)
    graph = random_graph(nodes, 4 if DRY else 32).to(DEVICE)
    for dtype, error in ((torch.float32, 1e-2), (torch.float16 if DRY else torch.bfloat16, 2e-2)):
        sizes = {"w_down": (r, d), "w_gcn": (r, r), "w_up": (d, r), "b_down": (r,), "b_gcn": (r,), "b_up": (d,)}
        weights = {
            name: (torch.randn(size, device=DEVICE) * size[-1] ** -0.5).to(dtype) for name, size in sizes.items()
        }
        x, state = (torch.randn(nodes, width, device=DEVICE).to(dtype) for width in (d, r))
        lower = activate("gelu", state.double()) @ weights["w_up"].double().T
        right = x.double() + lower + weights["b_up"].double()
        kind = "tf32" if dtype == torch.float32 else str(dtype)[6:]
        with products("high"):  # exact float32 products are the library's
            for cut in cuts.ups(dtype)[: 2 if DRY else None]:
                make = partial(up, state, weights["w_up"], weights["b_up"], x, "gelu", 1.0, **cut)
                yield tried("up", f"{r} {kind}", cut, make, right, error)
        for precision in ("highest", "high") if dtype == torch.float32 else ("highest",):
            with products(precision):
                yield from _both_ways(graph, x, weights, " by tf32" if precision == "high" else "")


def _gradients(forward: Callable[[], Tensor], leaves: list[Tensor], ahead: Tensor) -> object:
    return torch.autograd.grad(forward(), leaves, ahead)


def _both_ways(graph: SparseGraph, x: Tensor, weights: dict[str, Any], how: str) -> Iterator[Row]:
    leaves: dict[str, Any] = {name: one.clone().requires_grad_() for name, one in weights.items()}

    def alone() -> Tensor:
        lower = functional.linear(
            functional.linear(x, leaves["w_down"], leaves["b_down"]), leaves["w_gcn"], leaves["b_gcn"]
        )
        return x + functional.linear(activate("gelu", lower), leaves["w_up"], leaves["b_up"])

    ways = {"no messages": alone, "gcn_bottleneck": lambda: gcn_bottleneck(x, graph, **leaves)}
    for name, forward in ways.items():
        what = f"{name}, {str(x.dtype)[6:]}{how}"
        yield {"what": f"{what}, forward", "ms": ms(forward)}
        both = partial(_gradients, forward, list(leaves.values()), x)
        yield {"what": f"{what}, both ways", "ms": ms(both)}
        if x.dtype != torch.float32:
            for way, call in (("forward", forward), ("both ways", both)):
                found = launched(call)
                worked = None if DRY else sum(one["ms"] for one in found)
                times = sum(one["times"] for one in found)
                yield {"what": f"{what}, {way}, the GPU works", "ms": worked, "launches": times}
                yield from ({"what": f"{what}, {way}: {one.pop('launched')}", **one} for one in found[:SHOWN])
        row: Row = {"what": f"{what}, both ways, captured: without the host"}
        try:
            yield {**row, "ms": captured_ms(both)}
        except RuntimeError as problem:  # what cannot be captured is a result
            yield {**row, "ms": None, "not captured": str(problem)[:200]}
