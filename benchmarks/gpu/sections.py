"""The sections of a day with a GPU, each run in a process of its own: what is checked there, and what is timed.

    python -m graftwork.benchmarks.gpu.sections NAME FILE [--dry]

Rows go to FILE as JSON. A row with `kernel` and `key` is a way to cut a kernel; of those that are right, the fastest is
taken. With `--dry` everything runs in the interpreter on toy sizes, and every time is null.
"""

from __future__ import annotations

import json
import multiprocessing
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import torch
import triton
from torch import Tensor

from ...triton_kernels import propagate, reference, similarity_graph
from ...triton_kernels.bottleneck.triton_bottleneck import up
from ...triton_kernels.configurations import card_name
from ...triton_kernels.message_passing.normalise import operator
from ...triton_kernels.message_passing.triton_propagate import block_of, spmm
from ...triton_kernels.similarity import triton_similarity
from ...triton_kernels.similarity.triton_screen import screen
from ...triton_kernels.similarity.vectors import Vectors
from ..features import clip_like, random_graph, threshold_for
from . import cuts
from .adapters import adapters
from .measuring import DEVICE, DRY, Row, ms, tried
from .offline import compiled

PROPERTIES = ("values", "gradients", "layouts", "reruns", "non_finite")


def card() -> Iterator[Row]:
    """Which card it is, and what the library reaches on it."""
    name, capability = ("none, dry", (0, 0))
    if not DRY:
        name, capability = torch.cuda.get_device_name(), torch.cuda.get_device_capability()
    versions = {"torch": torch.__version__, "triton": triton.__version__}
    yield {"card": name, "key": card_name(10 * capability[0] + capability[1], triton.__version__), **versions}
    size = 32 if DRY else 8192
    for dtype in (torch.float16, torch.bfloat16, torch.float32):
        a = torch.randn(size, size, device=DEVICE).to(dtype)
        took = ms(partial(torch.matmul, a, a.T))
        yield {"what": f"product {str(dtype)[6:]}", "ms": took, "tflops": took and 2 * size**3 / took / 1e9}
    room = torch.empty(64 if DRY else 1 << 28, device=DEVICE)
    took = ms(lambda: room.copy_(room.flip(0)) if DRY else room.add_(1))
    yield {"what": "read and write", "ms": took, "tb_s": took and 8 * room.numel() / took / 1e9}


def compile_ahead() -> Iterator[Row]:
    """Every cut, compiled by all processors at once into Triton's cache, where the other sections find it."""
    if DRY:
        yield {"what": "compiled ahead: nothing, as the interpreter compiles nothing"}
        return
    capability = torch.cuda.get_device_capability()
    target, jobs, start = 10 * capability[0] + capability[1], list(_jobs()), time.perf_counter()
    with multiprocessing.get_context("spawn").Pool() as pool:
        failed = [words for words in pool.starmap(_compile, [(target, n) for n in range(len(jobs))], 1) if words]
    yield {"what": f"compiled ahead: {len(jobs)} in {time.perf_counter() - start:.0f} s", "failures": failed}


def _compile(target: int, number: int) -> str:
    try:
        compiled(f"job {number}", list(_jobs())[number], target)
    except Exception as problem:  # noqa: BLE001  (the section that runs it says what that means)
        return f"job {number}: {type(problem).__name__}: {str(problem)[-200:]}"
    return ""


def _jobs() -> Iterator[Callable[[], object]]:
    n = 512
    rowptr, col = torch.zeros(n + 1, dtype=torch.int32), torch.zeros(n, dtype=torch.int32)
    for dtype, width in ((torch.float32, 16), (torch.float32, 64), (torch.float32, 256), (torch.bfloat16, 64)):
        for cut in cuts.messages(block_of(width), dtype.itemsize):
            yield partial(spmm, rowptr, col, torch.zeros(n), torch.zeros(n, width, dtype=dtype), cut=cut)
    scale, mask = torch.zeros(n), torch.zeros(n, 16, dtype=torch.int32)
    for integer in (False, True):
        low = torch.zeros(n, 512, dtype=torch.int8 if integer else torch.float16)
        for cut in cuts.screens(integer, True) + cuts.screens(integer, False):
            meta = {name: value for name, value in cut.items() if name != "INTEGER"}
            yield partial(screen, (low, low), (scale, scale), scale[:1], 0.7, True, mask, 0, 0, meta)
    for dtype in (torch.float32, torch.bfloat16):
        x, state, weight, bias = (torch.zeros(*size, dtype=dtype) for size in ((n, 512), (n, 64), (512, 64), (512,)))
        for cut in cuts.ups(dtype):
            yield partial(up, state, weight, bias, x, "gelu", 1.0, **cut)


def properties() -> Iterator[Row]:
    """The kit's properties, compiled; needs hypothesis."""
    from tests.support.kernel_cases import CASES

    from ...triton_kernels.testing import check_kernel

    names = ("propagate",) if DRY else tuple(CASES)
    for name in names:
        case = CASES[name]
        chosen = [one for one in case.properties if one.name in (PROPERTIES[:1] if DRY else PROPERTIES)]
        row: Row = {"what": name, "right": True}
        try:
            check_kernel(
                case.op, case.reference, case.strategy, properties=chosen, tolerances=case.tolerances,
                examples=2 if DRY else 20, devices=[str(DEVICE)],
            )  # fmt: skip
        except AssertionError as failure:
            row = {"what": name, "right": False, "failed": str(failure)[:500]}
        yield row


def messages() -> Iterator[Row]:
    """Every cut at every width, against torch's own sparse product."""
    for nodes in (24,) if DRY else (100_000, 1_000_000):
        graph = random_graph(nodes, 4 if DRY else 32).to(DEVICE)
        rowptr, col, value = operator(graph, "sym", False, torch.float32)
        assert value is not None
        csr = torch.sparse_csr_tensor(rowptr, col, value, (nodes, nodes), check_invariants=False)
        for dtype, width in ((torch.float32, 16), (torch.float32, 64), (torch.float32, 256), (torch.bfloat16, 64)):
            h = torch.randn(nodes, width, device=DEVICE).to(dtype)
            right, size = (csr @ h.float()).double(), f"N = {nodes:,}, r = {width}, {str(dtype)[6:]}"
            yield {"what": f"torch CSR, {size}", "ms": ms(partial(torch.matmul, csr, h.float()))}
            yield {"what": f"propagate, {size}", "ms": ms(partial(propagate, graph, h))}
            options = cuts.messages(block_of(width), dtype.itemsize)[: 2 if DRY else None]
            for cut in options if nodes <= 100_000 else []:
                make = partial(spmm, rowptr, col, value, h, cut=cut)
                key, error = f"{block_of(width)} {dtype.itemsize}", 1e-5 if dtype == torch.float32 else 1e-2
                yield tried("messages", key, cut, make, right, error)


def screens() -> Iterator[Row]:
    """Every cut of the screen, by the whole graph that it gives."""
    rows = clip_like(40 if DRY else 100_000, 64 if DRY else 512).to(DEVICE)
    tau, right = threshold_for(rows, 8 if DRY else 32, 16 if DRY else 512), None
    tma = DRY or torch.cuda.get_device_capability() >= (9, 0)
    options = [cut for integer in (False, True) for way in {False, tma} for cut in cuts.screens(integer, way)]
    for cut in options[:: 9 if DRY else 1]:
        triton_similarity.CUT = cut
        search = partial(triton_similarity.search, Vectors(rows, rows, True), tau)
        row: Row = {"kernel": "screen", "key": str(rows.shape[1]), "cut": cut}
        try:
            graph = search()
            right = right or graph
            same = torch.equal(graph.edge_index, right.edge_index) and torch.equal(graph.edge_weight, right.edge_weight)
            yield {**row, "right": same, "ms": ms(search, 3), "edges": graph.num_edges}
        except Exception as problem:  # noqa: BLE001
            yield {**row, "right": False, "ms": None, "failed": f"{type(problem).__name__}: {str(problem)[-200:]}"}


def graphs() -> Iterator[Row]:
    """The whole graph against dense torch; the small one against float64."""
    for nodes in (24,) if DRY else (1024, 8192, 32_768, 100_000):
        x = clip_like(nodes, 64 if DRY else 512).to(DEVICE)
        tau = threshold_for(x, 4 if DRY else 32, 16 if DRY else 512)
        graph = similarity_graph(x, tau)
        row: Row = {"what": f"similarity_graph, N = {nodes:,}"}
        if nodes <= 8192:
            edge, _ = reference.similarity_graph(x.cpu(), tau)
            row["right"] = bool(torch.equal(graph.edge_index.flip(0).T.cpu(), edge.nonzero()))
        yield {**row, "ms": ms(partial(similarity_graph, x, tau), 5), "edges": graph.num_edges}
        if nodes <= 32_768:
            took = ms(partial(_dense, x, tau), 5)
            yield {"what": f"dense torch, N = {nodes:,}", "ms": took}


def _dense(x: Tensor, tau: float) -> Tensor:
    return (x @ x.T >= tau).nonzero()


def few_shot() -> Iterator[Row]:
    """A training of GA-Net on 160 items of width 512 with each of three seeds: one by one, and as one."""
    try:
        from .few_shot import SEEDS, learners, trained
    except ImportError as lacking:
        yield {"what": f"few-shot trainings: not timed, {lacking}"}
        return
    epochs = 2 if DRY else 200
    ways = {f"{SEEDS} seeds one by one": (False, False), f"{SEEDS} seeds as one": (True, False)}
    if not DRY:
        ways |= {f"{name}, replayed": (as_one, True) for name, (as_one, _) in ways.items()}
    for rounds in range(1 if DRY else 3):  # in turn; the first one is warm-up
        right: Tensor | None = None
        for name, (as_one, replays) in ways.items():
            row: Row = {"what": f"few-shot, {epochs} epochs, {name}, round {rounds}"}
            start = time.perf_counter()
            try:
                losses = torch.cat([trained(one, epochs, replays) for one in learners(DEVICE, as_one)])
            except RuntimeError as problem:
                yield {**row, "ms": None, "failed": str(problem)[-300:]}
                continue
            took = None if DRY else (time.perf_counter() - start) * 1e3
            right = losses if right is None else right
            yield {**row, "ms": took, "right": bool(((losses - right).abs() <= 1e-3).all())}


def replays() -> Iterator[Row]:
    """Captures that fail on purpose, and steps inside towers as a training takes them: as ever, and replayed."""
    try:
        from .replays import failing, trained
    except ImportError as lacking:
        yield {"what": f"replays: not timed, {lacking}"}
        return
    if not DRY:
        yield from failing(DEVICE)
    yield from trained(DEVICE, partial(ms, rounds=5))


def towers() -> Iterator[Row]:
    """Adapters inside ViT-B/16 and its text tower: a step of each, and captured."""
    try:
        from .towers import timed
    except ImportError as lacking:
        yield {"what": f"towers: not timed, {lacking}"}
        return
    yield from timed(DEVICE, partial(ms, rounds=5))


def pipelines() -> Iterator[Row]:
    """Whole runs, on the GPU and then on the CPU."""
    try:
        import pydantic  # noqa: F401

        from .pipelines import compared
    except ImportError as lacking:
        yield {"what": f"pipelines: not run, {lacking}"}
        return
    for row in compared(("cpu",) if DRY else ("cuda", "cpu"), 600 if DRY else 30):
        yield {name: one for name, one in row.items() if name != "training ms"} | {"ms": None} if DRY else row


SECTIONS: dict[str, tuple[Callable[[], Iterator[Row]], int]] = {
    "card": (card, 30),
    "compile": (compile_ahead, 60),
    "properties": (properties, 70),
    "messages": (messages, 60),
    "screens": (screens, 60),
    "graphs": (graphs, 40),
    "adapters": (adapters, 40),
    "few_shot": (few_shot, 40),
    "replays": (replays, 60),
    "towers": (towers, 80),
    "pipelines": (pipelines, 120),
}
"""Name to what it does and to the seconds that it may take."""


def main(name: str, file: str) -> None:
    """Run a section; its rows are in the file even where it is stopped."""
    rows: list[Row] = []
    try:
        for row in SECTIONS[name][0]():
            rows.append(row)
            Path(file).write_text(json.dumps(rows), "utf-8")
    except Exception as problem:
        rows.append({"failed": f"{type(problem).__name__}: {str(problem)[-500:]}"})
        Path(file).write_text(json.dumps(rows), "utf-8")
        raise


if __name__ == "__main__":
    main(*[word for word in sys.argv[1:] if not word.startswith("--")])
