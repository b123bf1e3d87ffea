"""Candidates alternated in one process; medians and ratios, so that other load on the machine hits all alike."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median

import torch

from . import Progress, Setting
from .case import Call, Case
from .memory import peak_mb

PEERS = ("faiss-cpu", "scikit-learn", "scipy", "torch_geometric", "cupy")


def run_cases(name: str, cases: Sequence[Case], setting: Setting, progress: Progress) -> Iterator[str]:
    """A table a case of the benchmark `name`; what cannot run here is left out with a line that says so."""
    for index, case in enumerate(cases):
        if not setting.wants(case.title, progress):
            continue
        progress(f"{case.title}: inputs")
        inputs = case.inputs()
        left_out = [why for candidate in case.candidates if (why := candidate.missing)]
        present = [candidate for candidate in case.candidates if not candidate.missing]
        for why in left_out:
            progress(f"left out: {why}")
        seconds = alternate({c.name: c.prepare(inputs) for c in present}, case.rounds, setting.device, progress)
        del inputs
        memory: dict[str, float | None] = {}
        for candidate in present if not setting.quick else ():
            if candidate.memory:
                progress(f"peak memory: {candidate.name}")
                memory[candidate.name] = peak_mb(name, index, candidate.name, setting)
        yield table(case, seconds, memory, setting.device) + "".join(f"\nLeft out: {why}.\n" for why in left_out)


def alternate(
    calls: dict[str, Call], rounds: int, device: str = "cpu", progress: Progress = lambda line: None
) -> dict[str, list[float]]:
    """Seconds of each call in each of `rounds` alternating rounds; several rounds follow one call to warm up.

    Seconds of the CPU, all threads together; on a GPU of the clock.
    """
    for name, call in calls.items() if rounds > 1 else ():
        progress(f"warming up: {name}")
        call()
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for number in range(rounds):
        progress(f"round {number + 1} of {rounds}")
        for name, call in calls.items():
            seconds[name].append(timed(call, device))
    return seconds


def timed(call: Call, device: str = "cpu") -> float:
    """CPU seconds of one call; on a GPU wall seconds until it is done."""
    clock: Callable[[], float] = time.process_time
    if device == "cuda":
        torch.cuda.synchronize()
        clock = time.perf_counter
    start = clock()
    call()
    if device == "cuda":
        torch.cuda.synchronize()
    return clock() - start


def table(case: Case, seconds: dict[str, list[float]], memory: Mapping[str, float | None], device: str = "cpu") -> str:
    """Markdown: median milliseconds, the median over rounds of the ratio to ours, limit over time, peak MB."""

    def ratio(name: str, other: str) -> float:
        return median(a / b for a, b in zip(seconds[name], seconds[other], strict=True))

    def row(name: str) -> str:
        took, share = f"{median(seconds[name]) * 1e3:,.1f}", f"{ratio(case.limit, name):.2f}"
        peak = memory.get(name)
        shown = "–" if peak is None else f"{peak:,.0f}"
        return f"| {name} | {took} | {ratio(name, case.ours):.2f} | {share} | {shown} |"

    rows = "\n".join(row(name) for name in seconds)
    clock = "CPU" if device == "cpu" else "wall"
    head = f"| candidate | {clock} ms (median) | ratio to ours | of the limit | peak MB |\n|---|---|---|---|---|"
    return f"### {case.title}\n\n{head}\n{rows}\n\nRounds: {case.rounds}. Load average: {load()}.\n"


def load() -> str:
    """The load average of the last minute, where the system has one."""
    return f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "not known"


def machine(setting: Setting) -> str:
    """One line: when, on what, with which versions it was measured."""
    device = torch.cuda.get_device_name() if setting.device == "cuda" else processor()
    peers = [f"{name} {found}" for name in PEERS if (found := _version(name))]
    parts = [device, f"{torch.get_num_threads()} threads", f"Python {platform.python_version()}"]
    return f"{datetime.now(UTC):%Y-%m-%d}, " + ", ".join([*parts, f"torch {torch.__version__}", *peers]) + "."


def processor() -> str:
    """The processor's name and what it multiplies bfloat16 with."""
    name = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        lines = (line.partition(":") for line in cpuinfo.read_text().splitlines())
        name = next((value.strip() for key, _, value in lines if key.strip() == "model name"), name)
    flags = ("avx512_bf16", "amx_tile")
    fast = [flag for flag in flags if getattr(torch.cpu, f"_is_{flag}_supported", bool)()]
    return f"{name} ({', '.join(fast) or 'no bfloat16 instructions'})"


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
