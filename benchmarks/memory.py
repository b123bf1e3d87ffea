"""Peak memory of one candidate over its inputs, in a process of its own: what one leaves behind tells on no other.

The process runs the candidate at its quick size, so that libraries and their threads have set themselves up; makes the
inputs, prepares the candidate, returns what the allocator holds in reserve, notes its resident set, resets the kernel's
high-water mark of it (Linux; elsewhere the mark of the process's life is taken, which inputs may have set), makes the
first call with these inputs, caches and all, and reports the difference. Results count: they are part of the peak.
"""

from __future__ import annotations

import ctypes
import gc
import resource
import subprocess
import sys
from contextlib import suppress
from importlib import import_module
from pathlib import Path

from . import Setting
from .case import Call, Case

STATUS = Path("/proc/self/status")


def peak_mb(name: str, index: int, candidate: str, setting: Setting) -> float | None:
    """MB (10^6 bytes) that the candidate of case number `index` of a benchmark takes at most over its inputs.

    None if the process failed, for want of memory for instance; its own message is on standard error.
    """
    command = [sys.executable, "-W", "ignore", "-m", __name__, name, str(index), candidate, setting.device]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    return float(done.stdout.splitlines()[-1]) if done.returncode == 0 else None


def main(name: str, index: str, candidate: str, device: str) -> None:
    """Print the MB of one candidate."""
    import torch

    cases = import_module(f".{name}", __package__).cases
    small = cases(Setting(quick=True, device=device))
    _call(small[min(int(index), len(small) - 1)], candidate)()
    call = _call(cases(Setting(device=device))[int(index)], candidate)
    gc.collect()
    with suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)
    before = resident_mb()
    reset_peak()
    if device == "cuda":
        before = torch.cuda.memory_allocated() / 1e6
        torch.cuda.reset_peak_memory_stats()
    call()
    peak = torch.cuda.max_memory_allocated() / 1e6 if device == "cuda" else peak_now_mb()
    print(max(0.0, peak - before))


def _call(case: Case, candidate: str) -> Call:
    (chosen,) = (one for one in case.candidates if one.name == candidate)
    return chosen.prepare(case.inputs())


def reset_peak() -> None:
    """Begin the kernel's high-water mark of resident memory anew, where it can be."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")  # man 5 proc


def resident_mb() -> float:
    """MB resident now."""
    return _status("VmRSS") if STATUS.exists() else _life_peak_mb()


def peak_now_mb() -> float:
    """MB resident at most since the mark was reset."""
    return _status("VmHWM") if STATUS.exists() else _life_peak_mb()


def _status(key: str) -> float:
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith(key))
    return int(line.split()[1]) * 1024 / 1e6


def _life_peak_mb() -> float:
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


if __name__ == "__main__":
    main(*sys.argv[1:])
