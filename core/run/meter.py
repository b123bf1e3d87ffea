"""Wall time and peak memory of a stage."""

from __future__ import annotations

import contextlib
import resource
import sys
import time
from collections.abc import Generator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...registry.hookspecs import hookimpl

_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")


@dataclass(slots=True)
class Usage:
    """What a stage took; filled in when it ends, added up when it recurs."""

    seconds: float = 0.0
    #: Peak resident set in MB (10^6 bytes) during the stage where the system can reset it (Linux), else of the process.
    peak_memory_mb: float = 0.0


@dataclass(slots=True)
class Meter:
    """Measures stages by name, through the hook that is open to everyone."""

    stages: dict[str, Usage] = field(default_factory=dict)

    @hookimpl(wrapper=True, trylast=True)
    def graftwork_stage(self, stage: str) -> Generator[None, None, None]:
        """Innermost, so that what plugins do around a stage is not counted."""
        usage = self.stages.setdefault(stage, Usage())
        _reset_peak()
        start = time.perf_counter()
        try:
            yield
        finally:
            usage.seconds += time.perf_counter() - start
            usage.peak_memory_mb = max(usage.peak_memory_mb, _peak_mb())


def _reset_peak() -> None:
    with contextlib.suppress(OSError):
        _CLEAR.write_text("5")  # 5: reset the peak resident set (man 5 proc)
    if cuda := _cuda():
        cuda.reset_peak_memory_stats()


def _peak_mb() -> float:
    try:
        lines = _STATUS.read_text().splitlines()
        host = next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) * 1024 / 1e6
    except (OSError, StopIteration):
        unit = 1 if sys.platform == "darwin" else 1024
        host = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6
    cuda = _cuda()
    return host + (cuda.max_memory_allocated() / 1e6 if cuda else 0.0)


def _cuda() -> Any:
    """``torch.cuda`` if it is in use, else ``None``; never imports torch for it."""
    torch = sys.modules.get("torch")
    return torch.cuda if torch is not None and torch.cuda.is_initialized() else None
