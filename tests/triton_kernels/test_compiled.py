"""Kernels compiled for cards that are not there; the whole table is `make evidence-compile`.

In a process of its own: Triton's driver is the process's, and it must not be interpreted.
"""

import os
import subprocess
import sys

import pytest

from ..support.paths import ROOT

FEW = ("messages float32 r=64",)
"""Of the shipped configurations; each takes Triton a second or two."""


def run(check: str) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    command = [sys.executable, "-m", "tests.triton_kernels.test_compiled", check]
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.mark.parametrize("check", ["shipped", "chosen", "spilling"])
def test_what_a_kernel_takes_is_known_without_a_gpu(check: str) -> None:
    pytest.importorskip("triton", reason="triton has no wheel for this machine")
    run(check)


def shipped() -> None:
    """A few of them, for an H100: nothing is spilled, and shared memory suffices. Launched by a card that does nothing,
    they are counted, and nothing else is changed by it."""
    import torch

    from graftwork.benchmarks.gpu.compile_evidence import rows
    from graftwork.benchmarks.gpu.host import idle
    from graftwork.triton_kernels import SparseGraph, propagate
    from graftwork.triton_kernels.testing import counted

    for name in FEW:
        found = rows((90, name))
        assert found
        assert all(good for _, good in found), found
    graph, h = SparseGraph.from_edge_index(torch.arange(16).expand(2, 16), num_rows=16), torch.randn(16, 64)
    with idle(), counted() as counts:
        assert propagate(graph, h, norm=None).shape == h.shape
    assert counts.kernels == {"messages_kernel": 1}
    assert torch.equal(propagate(graph, h, norm=None), h)


def chosen() -> None:
    """Kernels are compiled as they are cut on that card, and nothing stands in the table that is not compiled."""
    from typing import Any

    import triton
    from triton.runtime.jit import JITFunction

    from graftwork.benchmarks.gpu.offline import compiling
    from graftwork.benchmarks.gpu.shipped import calls
    from graftwork.triton_kernels import configurations

    table, asked, run = configurations._table(), set(), JITFunction.run
    chosen_for = configurations.chosen_for
    JITFunction.run = lambda *given, **more: None
    for card in table:

        def noted(_: str, kernel: str, key: str, card: str = card) -> Any:
            asked.add((card, kernel, key))
            return chosen_for(card, kernel, key)

        configurations.chosen_for = noted
        with compiling(int(card.removeprefix("sm_").partition(",")[0])):
            for call in calls().values():
                call()
    stands = {(card, kernel, key) for card, kernels in table.items() for kernel in kernels for key in kernels[kernel]}
    assert stands <= asked
    JITFunction.run, configurations.chosen_for = run, chosen_for
    here = configurations.card_name(90, triton.__version__)
    configurations._table = lambda: {here: {"messages": {"64 4": {"num_warps": 8}}}}
    with compiling(90) as made:
        calls()["messages float32 r=64"]()
    assert [one.metadata.num_warps for one in made] == [8]


def spilling() -> None:
    """A kernel that may have 32 registers and needs more is found to spill, and the table calls it wrong."""
    import torch
    import triton
    import triton.language as tl

    from graftwork.benchmarks.gpu.offline import compiled

    @triton.jit
    def wide(x, BLOCK: tl.constexpr):
        at = tl.arange(0, BLOCK)
        value = tl.load(x + at)
        tl.store(x + at, value - tl.sum(value))  # every value waits for the sum

    for registers, spills in ((None, False), (32, True)):
        more = {} if registers is None else {"maxnreg": registers}
        settings = {"BLOCK": 2048, "num_warps": 1, **more}
        (found,) = compiled("wide", lambda settings=settings: wide[(1,)](torch.zeros(2048), **settings), 90)
        assert found.spills is spills, found
        assert found.instructions["STG"] > 0
        assert found.registers > 0


if __name__ == "__main__":
    globals()[sys.argv[1]]()
