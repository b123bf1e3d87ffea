"""How the sections of a day with a GPU measure: rows, times, and which kernels a call launches."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from statistics import median
from typing import Any

import torch
from torch import Tensor

from . import cuts

Row = dict[str, Any]
DRY = "--dry" in sys.argv
DEVICE = torch.device("cpu" if DRY else "cuda")


def ms(call: Callable[[], object], rounds: int = 9) -> float | None:
    """Median wall milliseconds until the GPU is done; None when dry."""
    if DRY:
        call()
        return None
    took = []
    for number in range(rounds + 2):
        torch.cuda.synchronize()
        start = time.perf_counter()
        call()
        torch.cuda.synchronize()
        took += [time.perf_counter() - start] if number > 1 else []
    return median(took) * 1e3


def captured_ms(call: Callable[[], object]) -> float | None:
    """Milliseconds of a captured graph of eight calls, divided by eight: no launch counts."""
    if DRY:
        call()
        return None
    call()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        for _ in range(8):
            call()
    took = ms(graph.replay)
    return None if took is None else took / 8


def tried(kernel: str, key: str, cut: cuts.Cut, make: Callable[[], Tensor], right: Tensor, error: float) -> Row:
    """One cut: whether its result is right, and its time; what it raises is kept in words."""
    row: Row = {"kernel": kernel, "key": key, "cut": cut}
    try:
        found = make().double()
        off = float((found - right).norm() / right.norm().clamp_min(1e-30))
        return {**row, "error": off, "right": math.isfinite(off) and off <= error, "ms": captured_ms(make)}
    except Exception as problem:  # noqa: BLE001  (a cut that fails is a result)
        return {**row, "right": False, "ms": None, "failed": f"{type(problem).__name__}: {str(problem)[-200:]}"}


@contextmanager
def products(precision: str) -> Iterator[None]:
    """Of float32 matrices, within."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(precision)
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


def launched(call: Callable[[], object]) -> list[Row]:
    """The kernels of one call, the longest first: how often each is launched and the milliseconds that the GPU works
    for it; dry, operators without a time."""
    call()
    kinds = [torch.profiler.ProfilerActivity.CPU] + ([] if DRY else [torch.profiler.ProfilerActivity.CUDA])
    with torch.profiler.profile(activities=kinds) as seen:
        call()
        if not DRY:
            torch.cuda.synchronize()
    kernels = [one for one in seen.key_averages() if one.device_type.name == ("CPU" if DRY else "CUDA")]
    found = sorted(kernels, key=lambda one: (-one.self_device_time_total, one.key))
    return [
        {"launched": one.key[:100], "ms": None if DRY else one.self_device_time_total / 1e3, "times": one.count}
        for one in found
    ]
