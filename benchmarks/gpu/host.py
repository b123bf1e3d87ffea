"""What the host takes around the kernels: a call's whole way through Python, with launches that do nothing.

    python -m graftwork.benchmarks.gpu.host [--rounds 15]

Needs no GPU: Triton compiles for a card that is not there, binds and specialises arguments as ever, and ends before it
would call CUDA. Tensors are small ones of the CPU, so torch's operators cost little more than their dispatch. What CUDA
itself takes of the host (memory, streams, the launch) is not in it. Counts that a call reads are put there by the
launch that would write them.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click
import torch
import triton
from torch import Tensor
from triton.runtime.driver import driver

from ...triton_kernels import SparseGraph, device, gcn_bottleneck, propagate, similarity_graph
from ...triton_kernels.message_passing.normalise import operator
from ...triton_kernels.message_passing.triton_propagate import spmm
from ...triton_kernels.testing import counted
from .offline import _Absent

TARGET, EACH = 90, 100
"""The card that is not there, and how often a call is made for one time."""
YARDSTICK = "torch.add"
Call = Callable[[], object]


class _Idle(_Absent):
    """It loads what was compiled, and launches nothing."""

    def __init__(self, target: int) -> None:
        super().__init__(target)
        self.utils.load_binary = lambda name, kernel, shared, device: (1, 1, 32, 0, 1024)

    def launcher_cls(self, source: Any, metadata: Any) -> Callable[..., None]:
        """Called by Triton once a compiled kernel."""
        counts = {"_count_kernel": ("count",), "_verify_kernel": ("kept", "mirrored")}.get(source.fn.__name__, ())
        places = [source.fn.arg_names.index(name) for name in counts]

        def launch(*given: Any) -> None:
            for place in places:
                given[place - len(source.fn.arg_names)].fill_(8)

        return launch


@contextmanager
def idle(target: int = TARGET) -> Iterator[None]:
    """Inside, the package's calls take tensors of the CPU for those of the card, and launches do nothing. The results
    are not written."""
    by_device, before = device.runs_triton, driver._active
    modules = [one for one in sys.modules.values() if getattr(one, "runs_triton", None) is by_device]
    driver.set_active(_Idle(target))
    for module in modules:
        module.runs_triton = lambda tensor: True  # type: ignore[attr-defined]
    try:
        yield
    finally:
        driver._active = before
        for module in modules:
            module.runs_triton = by_device  # type: ignore[attr-defined]


def calls() -> dict[str, Call]:
    """Name to call."""
    edges = torch.ones(24, 24).nonzero().T  # so many that a row could be heavy
    graph = SparseGraph.from_edge_index(edges, num_rows=24)
    h, x, rows = torch.randn(24, 16), torch.randn(24, 32), torch.randn(64, 64)
    learned = h.clone().requires_grad_()
    made: dict[str, Call] = {
        YARDSTICK: lambda: torch.add(h, h),
        "spmm, the launch and what it needs": lambda: spmm(*operator(graph, "sym", False, torch.float32), h),
        "propagate, no gradient": lambda: propagate(graph, h),
        "propagate, forward": lambda: propagate(graph, learned),
        "propagate, both ways": lambda: torch.autograd.grad(propagate(graph, learned), learned, h),
    }
    for kind, precision in (("float32", "highest"), ("tf32", "high")):
        made |= _adapter(graph, x, kind, precision)
    return {**made, "similarity_graph, 64 rows": lambda: similarity_graph(rows, 0.3)}


def _adapter(graph: SparseGraph, x: Tensor, kind: str, precision: str) -> dict[str, Call]:
    """With tf32 the calls are those of half precision."""
    sizes = ((16, 32), (16, 16), (32, 16), (16,), (16,), (32,))
    leaves = [torch.randn(size).requires_grad_() for size in sizes]

    def forward() -> Tensor:
        torch.set_float32_matmul_precision(precision)
        return gcn_bottleneck(x, graph, *leaves[:3], b_down=leaves[3], b_gcn=leaves[4], b_up=leaves[5])

    name = f"gcn_bottleneck, {kind}"
    both = lambda: torch.autograd.grad(forward(), leaves, x)  # noqa: E731
    return {f"{name}, forward": forward, f"{name}, both ways": both}


def microseconds(rounds: int) -> dict[str, float]:
    """Of this thread's processor time a call, the least of the rounds, for other load only adds; calls come in turn."""
    with idle():
        made = calls()
        for call in made.values():
            call()
        found = dict.fromkeys(made, float("inf"))
        for _ in range(rounds):
            for name, call in made.items():
                start = time.thread_time()
                for _ in range(EACH):
                    call()
                found[name] = min(found[name], (time.thread_time() - start) / EACH * 1e6)
    return found


def asked() -> dict[str, str]:
    """Name of a call to its launches and reads, where it makes some."""
    with idle():
        found = {}
        for name, call in calls().items():
            call()
            with counted() as counts:
                call()
            found[name] = f"{counts.launches} | {counts.reads.total()}"
    return found


@click.command()
@click.option("--rounds", default=15, show_default=True)
def main(rounds: int) -> None:
    """Print the table."""
    torch.set_num_threads(1)
    work, found = asked(), microseconds(rounds)
    click.echo(f"Triton {triton.__version__}, torch {torch.__version__}; the least of {rounds} rounds.\n")
    click.echo(f"| call | µs | of {YARDSTICK} | launches | reads |\n|---|---|---|---|---|")
    for name, took in found.items():
        click.echo(f"| {name} | {took:.1f} | {took / found[YARDSTICK]:.1f} | {work[name]} |")


if __name__ == "__main__":
    main()
