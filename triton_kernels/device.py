"""Which of the two ways a tensor goes: Triton, or torch's CPU kernels."""

import os

from torch import Tensor


def runs_triton(tensor: Tensor) -> bool:
    """On a GPU; or interpreted, on the CPU, where TRITON_INTERPRET=1 asks for it. Never by importing triton."""
    return tensor.is_cuda or os.environ.get("TRITON_INTERPRET") == "1"
