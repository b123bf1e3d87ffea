"""The adapter that leaves vectors as they are."""

from __future__ import annotations

from torch import Tensor

from ...core.roles import Adapter
from ...triton_kernels import SparseGraph
from .specs import NoneSpec


class Identity(Adapter):
    """Z = M."""

    def __init__(self, spec: NoneSpec, width: int) -> None:
        super().__init__()
        self.output_width = width

    def forward(self, x: Tensor, graph: SparseGraph | None = None) -> Tensor:
        """``x`` itself."""
        return x
