"""How many processes a machine takes beside each other, and how they share its threads and GPUs."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import torch

from ....registry.errors import UserError

#: How many processes train beside each other; ``auto``: as many as the machine takes, where it pays.
Jobs = int | Literal["auto"]
#: Seconds of a processor that imports take, and what is built at first use, before a process trains at its pace.
BEGINS = 6.0
#: Seconds of training that must be left before processes are started for it: two save half of them, less ``BEGINS``.
PAYS = 30.0
#: The part of the memory that is free which processes may fill.
SHARE = 0.8
#: Where Linux says what a container may use.
_GROUP = Path("/sys/fs/cgroup")


def require_jobs(jobs: Jobs) -> None:
    """Raises ``UserError`` for anything but a number from 1 and ``auto``."""
    if jobs != "auto" and (not isinstance(jobs, int) or isinstance(jobs, bool) or jobs < 1):
        raise UserError(f"jobs is {jobs!r}; say a number of processes from 1, or auto")


def cores() -> int:
    """Those that this process may use: of its affinity, and of its container's share of time."""
    own = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with contextlib.suppress(OSError, ValueError):
        quota, period = (_GROUP / "cpu.max").read_text().split()
        own = min(own, max(1, int(quota) // int(period)))  # "max" is no number: no bound
    return own


def free_memory_mb() -> float | None:
    """MB (10^6 bytes) that processes can still fill; ``None`` where the system does not say."""
    found = []
    with contextlib.suppress(OSError, StopIteration, ValueError):
        lines = Path("/proc/meminfo").read_text().splitlines()
        found.append(next(int(one.split()[1]) for one in lines if one.startswith("MemAvailable")) * 1024 / 1e6)
    with contextlib.suppress(OSError, ValueError, StopIteration):
        most = int((_GROUP / "memory.max").read_text())
        used = int((_GROUP / "memory.current").read_text())
        held = (one.split() for one in (_GROUP / "memory.stat").read_text().splitlines())
        used -= next(int(size) for name, size in held if name == "inactive_file")  # given back when it is asked for
        found.append((most - used) / 1e6)
    return min(found, default=None)


def each(seconds: float, done: int) -> float:
    """Seconds that one more takes, where this process did so many in ``seconds``, ``BEGINS`` of them once for all."""
    return max(0.0, seconds - BEGINS) / done


def fitting(left: int, threads: int, seconds: float, megabytes: float) -> int:
    """As many processes as pay for ``left`` pieces of work that take so many threads, seconds and MB (10^6 bytes) each.

    They have as many threads as one alone has, so that no result depends on how many they are: as many as the cores
    take of that. On GPUs one each.
    """
    if left * seconds < PAYS:
        return 1
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    free = free_memory_mb()
    room = left if free is None else int(free * SHARE // max(megabytes, 1.0))
    return max(1, min(left, gpus or cores() // max(threads, 1), room))


def shared_threads(jobs: int) -> int:
    """Threads of each of so many processes: this one's, or fewer, so that together they are at most the cores."""
    return max(1, min(torch.get_num_threads(), cores() // jobs))


@contextlib.contextmanager
def with_threads(threads: int) -> Iterator[None]:
    """Within it torch and the BLAS have so many threads here, as processes beside this one do."""
    from threadpoolctl import threadpool_limits

    before = torch.get_num_threads()
    if threads == before:
        yield
        return
    with threadpool_limits(threads, user_api="blas"):
        torch.set_num_threads(threads)
        try:
            yield
        finally:
            torch.set_num_threads(before)


def environment(threads: int, slot: int) -> dict[str, str]:
    """Of process number ``slot``, from 0: its threads, and its GPU where there are some."""
    own = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    own |= {name: str(threads) for name in ("MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS") if name in os.environ}
    if torch.cuda.is_available() and (count := torch.cuda.device_count()) > 1:
        seen = os.environ.get("CUDA_VISIBLE_DEVICES")
        names = seen.split(",") if seen else list(map(str, range(count)))
        own["CUDA_VISIBLE_DEVICES"] = names[slot % len(names)]
    return own
