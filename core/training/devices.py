"""The device a run computes on."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch

from ...registry.errors import GraftworkError


class DeviceError(GraftworkError):
    """The device asked for is not there."""


def resolve_device(name: str) -> torch.device:
    """``auto`` (CUDA, else MPS, else CPU), ``cpu``, ``mps``, ``cuda`` or ``cuda:N``. Raises ``DeviceError``."""
    cuda, mps = torch.cuda.device_count() if torch.cuda.is_available() else 0, torch.backends.mps.is_available()
    if name == "auto":
        return torch.device("cuda" if cuda else "mps" if mps else "cpu")
    device = torch.device(name)
    if (device.type == "cuda" and (device.index or 0) >= cuda) or (device.type == "mps" and not mps):
        there = [*(f"cuda:{index}" for index in range(cuda)), *(["mps"] if mps else []), "cpu"]
        raise DeviceError(f'device "{name}" is not there; this machine has {", ".join(there)}. Set "device": "auto"')
    return device


#: Below so many numbers in the node matrix, threads cost more than they bring (and far more on a busy machine).
SMALL = 1 << 20


@contextlib.contextmanager
def fitting_threads(elements: int) -> Iterator[None]:
    """One thread for a small problem of that many numbers; the number of threads is afterwards as it was."""
    before = torch.get_num_threads()
    if elements < SMALL:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextlib.contextmanager
def own_randomness(device: torch.device) -> Iterator[None]:
    """Whatever the block draws from torch's global generators, they are afterwards as they were."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        yield
