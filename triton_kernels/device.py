"""Which of the two ways a tensor goes: Triton, or torch's own operators; and what happens where Triton gives up."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from typing import TypeVar

import torch
from torch import Tensor

T = TypeVar("T")
LEAST = (8, 0)
"""The least compute capability that the kernels are compiled for."""
COMPILING = ("triton.compiler", "triton.runtime.build", "triton.runtime.cache", "triton.runtime.driver")
"""Modules of Triton in which a kernel is compiled and loaded, not run."""
_GIVEN_UP: set[tuple[str, torch.device, torch.dtype]] = set()
_TOLD: set[str] = set()


def runs_triton(tensor: Tensor) -> bool:
    """On a GPU that can; or interpreted, on the CPU, where TRITON_INTERPRET=1 asks for it. Never by importing
    triton."""
    return _can(tensor.device) if tensor.is_cuda else os.environ.get("TRITON_INTERPRET") == "1"


def compiled_or(kernel: str, tensor: Tensor, with_triton: Callable[[], T], without: Callable[[], T]) -> T:
    """What Triton gives; where it does not compile the kernel for this card and dtype, what goes ``without`` it.

    A warning says so once a process and kernel. Errors of a kernel that runs pass through.
    """
    key = (kernel, tensor.device, tensor.dtype)
    if key not in _GIVEN_UP:
        try:
            return with_triton()
        except Exception as error:
            if not _of_compiling(error):
                raise
            _GIVEN_UP.add(key)
            _tell(kernel, f"Triton did not compile {kernel} for {_name(tensor.device)} ({_first_line(error)})")
    return without()


@cache
def _can(device: torch.device) -> bool:
    capability = torch.cuda.get_device_capability(device)
    lacks = f"has compute capability {capability[0]}.{capability[1]}, and the kernels need {LEAST[0]}.{LEAST[1]}"
    if find_spec("triton") is None:
        lacks = "is there, and Triton is not installed"
    elif capability >= LEAST:
        return True
    _tell(str(device), f"{_name(device)} {lacks}")
    return False


def _tell(about: str, what: str) -> None:
    if about not in _TOLD:
        _TOLD.add(about)
        warnings.warn(f"{what}: torch's own operators answer in its place, more slowly", RuntimeWarning, stacklevel=3)


def _name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else str(device)


def _of_compiling(error: Exception) -> bool:
    """Whether it came from a step before the kernel ran."""
    step = error.__traceback__
    while step is not None:
        if step.tb_frame.f_globals.get("__name__", "").startswith(COMPILING):
            return True
        step = step.tb_next
    return False


def _first_line(error: Exception) -> str:
    """Triton puts a place before the words of some errors, and the words of others into their cause."""
    words = getattr(error, "error_message", None) or str(error.__cause__ or error)
    return f"{type(error).__name__}: {words.strip().partition(chr(10))[0]}"
