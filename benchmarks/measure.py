"""Candidates alternated in one process; medians and ratios, so that other load on the machine hits all alike."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import torch


def alternate(candidates: dict[str, Callable[[], object]], rounds: int = 7) -> dict[str, float]:
    """Median CPU seconds of each candidate over ``rounds`` alternating calls, after one call to warm up."""
    for candidate in candidates.values():
        candidate()
    seconds: dict[str, list[float]] = {name: [] for name in candidates}
    for _ in range(rounds):
        for name, candidate in candidates.items():
            start = time.process_time()
            candidate()
            seconds[name].append(time.process_time() - start)
    return {name: statistics.median(values) for name, values in seconds.items()}


def table(title: str, seconds: dict[str, float]) -> str:
    """A Markdown table: median CPU milliseconds, and the ratio to the first candidate."""
    first = next(iter(seconds.values()))
    rows = "\n".join(f"| {name} | {value * 1e3:.2f} | {value / first:.2f} |" for name, value in seconds.items())
    return f"### {title}\n\n| candidate | CPU ms (median) | ratio |\n|---|---|---|\n{rows}\n"


def machine() -> str:
    """What it was measured on."""
    import platform
    from datetime import UTC, datetime

    processor = platform.processor() or platform.machine()
    versions = f"Python {platform.python_version()}, torch {torch.__version__}"
    return f"{datetime.now(UTC):%Y-%m-%d}, {processor}, {torch.get_num_threads()} threads, {versions}"
