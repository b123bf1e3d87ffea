"""Where Triton does not compile a kernel, or a card is too old for it, torch's own operators answer, with a warning.

Each check runs in a process of its own (`python -m tests.triton_kernels.test_uncompiled CHECK`): Triton's driver and
what it gave up are the process's.
"""

import os
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from graftwork.triton_kernels import SparseGraph, device, gcn_bottleneck, propagate, reference, similarity_graph
from graftwork.triton_kernels.testing import dense_adjacency

from ..support.paths import ROOT


def run(check: str, **more: str) -> None:
    command = [sys.executable, "-m", "tests.triton_kernels.test_uncompiled", check]
    environment = {**os.environ, **more}
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]


def test_each_kernel_without_a_driver_is_answered_for() -> None:
    """Nothing runs what Triton compiles here, so a kernel that is not interpreted fails where it would be compiled."""
    pytest.importorskip("triton", "3.7", reason="no wheel for this machine, or one that cannot interpret our loops")
    if torch.cuda.is_available():
        pytest.skip("this machine compiles them")
    run("each", TRITON_INTERPRET="1")


def test_an_assembler_that_fails_is_asked_once_for_each_kernel(tmp_path: Path) -> None:
    triton = pytest.importorskip("triton", reason="triton has no wheel for this machine")
    real = Path(triton.__file__).parent / "backends/nvidia/bin/ptxas"
    broken = tmp_path / "ptxas"
    broken.write_text(
        f'#!/bin/sh\ncase "$*" in *--version*) exec {real} --version;; esac\n'
        f"echo asked >> {tmp_path}/asked\necho 'ptxas fatal: out of luck' >&2\nexit 7\n"
    )
    broken.chmod(0o755)
    environment = {"TRITON_PTXAS_PATH": str(broken), "TRITON_CACHE_DIR": str(tmp_path / "cache")}
    run("assembler", ASKED=str(tmp_path / "asked"), TRITON_INTERPRET="0", **environment)


def test_an_error_of_a_kernel_that_runs_is_no_reason_to_go_another_way() -> None:
    def fails() -> None:
        raise RuntimeError("Triton Error [CUDA]: an illegal memory access was encountered")

    with pytest.raises(RuntimeError, match="illegal memory"):
        device.compiled_or("a kernel", torch.ones(1), fails, lambda: None)


@pytest.mark.parametrize(("capability", "runs"), [((7, 5), False), ((8, 0), True), ((12, 0), True)])
def test_a_card_too_old_is_told_of_once_and_left_to_torch(
    capability: tuple[int, int], runs: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("triton", reason="triton has no wheel for this machine")
    from torch._subclasses.fake_tensor import FakeTensorMode

    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "Some Card")
    monkeypatch.setattr(device, "_TOLD", set())
    device._can.cache_clear()
    with FakeTensorMode(), warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        on_card = torch.empty(2, device="cuda:0")
        assert [device.runs_triton(on_card) for _ in range(2)] == [runs, runs]
    device._can.cache_clear()
    assert [str(one.message).partition(":")[0] for one in told] == [
        "Some Card has compute capability 7.5, and the kernels need 8.0"
    ] * (not runs)


def inputs() -> tuple[SparseGraph, dict[str, torch.Tensor]]:
    generator = torch.Generator().manual_seed(0)
    ends = torch.randint(0, 20, (2, 60), generator=generator).unique(dim=1)
    graph = SparseGraph.from_edge_index(ends, torch.rand(ends.shape[1], generator=generator) + 0.5, num_rows=20)
    shapes = {"x": (20, 5), "w_down": (3, 5), "w_gcn": (3, 3), "w_up": (5, 3), "b_gcn": (3,), "b_up": (5,)}
    return graph, {name: torch.randn(shape, generator=generator).requires_grad_() for name, shape in shapes.items()}


def answers() -> dict[str, torch.Tensor]:
    """Of every operation, forward and backward, with the reference's beside them; all the same to 1e-5."""
    graph, given = inputs()
    x, dense = given["x"], dense_adjacency(graph).float()
    weight = graph.edge_weight.clone().requires_grad_()
    learned = propagate(graph, x, norm="row", edge_weight=weight)
    adapted = gcn_bottleneck(graph=graph, **given)
    found = {"propagate": propagate(graph, x), "learned": learned, "gcn_bottleneck": adapted}
    found |= dict(zip("xw", torch.autograd.grad(learned.square().sum(), (x, weight)), strict=True))
    leaves = list(given.values())
    found |= dict(zip(given, torch.autograd.grad(adapted.square().sum(), leaves), strict=True))
    wanted = {"propagate": reference.propagate(dense, x), "learned": reference.propagate(dense, x, norm="row")}
    plain = reference.gcn_bottleneck(adjacency=dense, **given)
    wanted["gcn_bottleneck"] = plain
    wanted |= dict(zip(given, torch.autograd.grad(plain.square().sum(), leaves), strict=True))
    for name, one in wanted.items():
        torch.testing.assert_close(found[name], one.to(found[name].dtype), atol=1e-4, rtol=1e-4)
    assert found["w"].abs().sum() > 0
    return found


def graph_found(screen: str) -> None:
    """Exactly the reference's edges, however it was found, and the path is said."""
    x = torch.randn(30, 8, generator=torch.Generator().manual_seed(0))
    edge, _ = reference.similarity_graph(x, 0.3)
    graph = similarity_graph(x, 0.3)
    assert torch.equal(graph.edge_index.flip(0).T, edge.nonzero())
    assert graph.search is not None
    assert graph.search.screen == screen


def warned(work: Callable[[], object]) -> list[str]:
    """What doing it twice warns of; NumPy warns of the interpreter's padding."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        work()
        work()
    return [words for one in told if (words := str(one.message)).startswith("Triton")]


def each() -> None:
    """Of the interpreted kernels one at a time is one to compile, and the others go on."""
    from triton import JITFunction

    from graftwork.triton_kernels.bottleneck import triton_bottleneck
    from graftwork.triton_kernels.message_passing import triton_normalise, triton_propagate
    from graftwork.triton_kernels.similarity import triton_verify

    cases = (
        ("propagate", triton_propagate, "_messages_kernel", 2),  # the adapter asks for it, too
        ("edge products", triton_propagate, "_pairs_kernel", 1),
        ("normalisation", triton_normalise, "_values_kernel", 1),
        ("gcn_bottleneck", triton_bottleneck, "_up_kernel", 1),
        ("gcn_bottleneck's gradients", triton_bottleneck, "_slope_kernel", 1),
        ("similarity_graph", triton_verify, "_verify_kernel", 1),
    )
    torch.get_float32_matmul_precision = lambda: "high"  # exact float32 products would leave the way up to torch
    assert warned(answers) == []
    for name, module, kernel, count in cases:
        interpreted = getattr(module, kernel)
        setattr(module, kernel, JITFunction(interpreted.fn))
        graphs = name == "similarity_graph"
        told = warned((lambda: graph_found("float32 on the CPU")) if graphs else answers)
        assert len(told) == count, told
        assert f"Triton did not compile {name} for cpu (RuntimeError: 0 active drivers" in "".join(told)
        setattr(module, kernel, interpreted)
        device._GIVEN_UP.clear()
        device._TOLD.clear()
    graph_found("triton, float16")


def assembler() -> None:
    """A real compilation for a card that is not there, up to NVIDIA's assembler, which fails."""
    from graftwork.benchmarks.gpu.offline import compiling

    asked, by_device = Path(os.environ["ASKED"]), device.runs_triton
    for module in list(sys.modules.values()):  # as if these tensors were on that card
        if getattr(module, "runs_triton", None) is by_device:
            module.runs_triton = lambda tensor: True  # type: ignore[attr-defined]
    with compiling(90):
        told = warned(answers)
        told += warned(lambda: graph_found("float32 on the CPU"))
    assert all("`ptxas` failed with error code 7" in one for one in told), told
    kernels = [one.partition(" compile ")[2].partition(" for ")[0] for one in told]
    assert sorted(kernels) == ["edge products", "gcn_bottleneck", "normalisation", "propagate", "similarity_graph"]
    # propagate once more, and in float64 for degrees of learned weights
    assert len(asked.read_text().splitlines()) <= 2 * len(kernels)


if __name__ == "__main__":
    globals()[sys.argv[1]]()
