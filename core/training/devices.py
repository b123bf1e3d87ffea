"""The device a run computes on."""

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import Iterator

import torch

from ...registry.errors import GraftworkError, UserError
from ..spec.pipeline_spec import DEVICE


class DeviceError(GraftworkError):
    """The device asked for is not there."""


def resolve_device(name: str) -> torch.device:
    """``auto`` (CUDA, else MPS, else CPU), ``cpu``, ``mps``, ``cuda`` or ``cuda:N``.

    Raises ``UserError`` for any other word, ``DeviceError`` where it is not there.
    """
    if not re.fullmatch(DEVICE, name):
        raise UserError(f'device "{name}" is none that a run computes on; say auto, cpu, mps, cuda or cuda:N')
    cuda, mps = torch.cuda.device_count() if torch.cuda.is_available() else 0, torch.backends.mps.is_available()
    if name == "auto":
        return torch.device("cuda" if cuda else "mps" if mps else "cpu")
    kind, _, index = name.partition(":")
    if (kind == "cuda" and int(index or 0) >= cuda) or (kind == "mps" and not mps):
        there = [*(f"cuda:{one}" for one in range(cuda)), *(["mps"] if mps else []), "cpu"]
        raise DeviceError(f'device "{name}" is not there; this machine has {", ".join(there)}. Set "device": "auto"')
    return torch.device(name)


#: Below so many numbers in the node matrix, threads cost more than they bring (and far more on a busy machine).
SMALL = 1 << 22


class _Small:
    """Who is at a small problem, in how many Python threads: the BLAS has one number of threads for all of them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._within, self._before = 0, 1
        self._blas = contextlib.ExitStack()
        #: ``inside``: this Python thread is one of them.
        self.here = threading.local()

    def enter(self) -> None:
        """The first one sees how it was."""
        from threadpoolctl import threadpool_limits

        with self._lock:
            if not self._within:
                self._before = torch.get_num_threads()
                self._blas.enter_context(threadpool_limits(1, user_api="blas"))
            self._within, self.here.inside = self._within + 1, True
            torch.set_num_threads(1)

    def leave(self) -> None:
        """The last one gives the BLAS back; torch's number is each thread's own."""
        with self._lock:
            self._within, self.here.inside = self._within - 1, False
            torch.set_num_threads(self._before)
            if not self._within:
                self._blas.close()


_SMALL = _Small()


@contextlib.contextmanager
def fitting_threads(elements: int) -> Iterator[None]:
    """One thread for a small problem of that many numbers, in torch and in NumPy's BLAS; afterwards as it was.

    The BLAS solves logistic regression; its threads, too, spin while they wait for each other. Several Python threads
    may be inside: the numbers are again what they were when the last one has left.
    """
    if elements >= SMALL or getattr(_SMALL.here, "inside", False):
        yield
        return
    _SMALL.enter()
    try:
        yield
    finally:
        _SMALL.leave()


@contextlib.contextmanager
def own_randomness(device: torch.device) -> Iterator[None]:
    """Whatever the block draws from torch's global generators, they are afterwards as they were."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        yield
