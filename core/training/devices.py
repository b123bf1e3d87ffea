"""The device a run computes on."""

from __future__ import annotations

import contextlib
import re
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


@contextlib.contextmanager
def fitting_threads(elements: int) -> Iterator[None]:
    """One thread for a small problem of that many numbers, in torch and in NumPy's BLAS; afterwards as it was.

    The BLAS solves logistic regression; its threads, too, spin while they wait for each other.
    """
    if elements >= SMALL:
        yield
        return
    from threadpoolctl import threadpool_limits

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1, user_api="blas"):
            yield
    finally:
        torch.set_num_threads(before)


@contextlib.contextmanager
def own_randomness(device: torch.device) -> Iterator[None]:
    """Whatever the block draws from torch's global generators, they are afterwards as they were."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        yield
