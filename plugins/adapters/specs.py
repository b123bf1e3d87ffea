"""The specs of the adapters on features."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from ...core.roles import AdapterSpec


class BottleneckSpec(AdapterSpec):
    """Down-projection, activation, up-projection, residual (Houlsby et al. 2019): GA-Net without its graph."""

    type: Literal["bottleneck"] = "bottleneck"
    bottleneck: Annotated[int, Field(ge=1, le=65536)] = 64
    """Width r between the projections."""
    activation: Literal["relu", "gelu", "tanh"] = "gelu"
    """phi."""
    scale: Annotated[float, Field(gt=0)] = 1.0
    """a: factor on the residual branch."""

    def parameter_count(self, width: int) -> int:
        """2dr + r + d."""
        return 2 * width * self.bottleneck + self.bottleneck + width


class CLIPAdapterSpec(AdapterSpec):
    """CLIP-Adapter on the visual side (Gao et al. 2021): a two-layer bottleneck mixed with the frozen vector."""

    type: Literal["clip_adapter"] = "clip_adapter"
    starts_as_identity: ClassVar[bool] = False
    reduction: Annotated[int, Field(ge=1)] = 4
    """The width is divided by it between the layers (and rounded down, to 1 at least)."""
    ratio: Annotated[float, Field(ge=0, le=1)] = 0.2
    """alpha: the share of the adapted vector; the frozen one keeps the rest. Search it on validation."""

    def bottleneck(self, width: int) -> int:
        """r, the width between the layers."""
        return max(1, width // self.reduction)

    def parameter_count(self, width: int) -> int:
        """2dr."""
        return 2 * width * self.bottleneck(width)


class GANetSpec(AdapterSpec):
    """GA-Net's graph adapter: down-projection, graph convolution, up-projection, residual (arXiv 2408.00290)."""

    type: Literal["ga_net"] = "ga_net"
    needs_graph: ClassVar[bool] = True
    bottleneck: Annotated[int, Field(ge=1, le=65536)] = 64
    """Width r between the projections; messages are passed at this width."""
    layers: Annotated[int, Field(ge=1, le=8)] = 1
    """L: graph convolutions."""
    norm: Literal["sym", "row"] = "row"
    """Normalisation of the adjacency with self-loops: D^-1/2 A D^-1/2, or D^-1 A."""
    self_message: bool = True
    """Whether a node's own state has weights of its own beside its neighbourhood's. Off: the paper's plain form."""
    activation: Literal["relu", "gelu", "tanh"] = "gelu"
    """phi."""
    scale: Annotated[float, Field(gt=0)] = 1.0
    """a: factor on the residual branch."""
    loop: Literal["one", "nearest"] = "one"
    """Weight of a node's own loop at bottleneck width: 1, or that of its heaviest edge, so that the neighbours' share
    of a message does not depend on how large the encoder's cosines are."""
    skip: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Share of the neighbours in the vector that the bottleneck adds to, at full width: unit((1 - skip) m_i + skip
    sum_j A_ij m_j), a mean over the neighbours alone. 0: the node itself, as for a node without neighbours."""

    def parameter_count(self, width: int) -> int:
        """2dr + r + d, and for each layer r² + r, with ``self_message`` r² more."""
        r = self.bottleneck
        return 2 * width * r + r + width + self.layers * (r * r * (2 if self.self_message else 1) + r)


class DiffusionSpec(AdapterSpec):
    """Nothing trained: a node moves towards the mean of its neighbours, as it does before GA-Net's training."""

    type: Literal["diffusion"] = "diffusion"
    needs_graph: ClassVar[bool] = True
    starts_as_identity: ClassVar[bool] = False
    share: Annotated[float, Field(ge=0, le=1)] = 0.3
    """Share of the neighbours, as GA-Net's `skip`: unit((1 - share) m_i + share sum_j A_ij h_j)."""
    steps: Annotated[int, Field(ge=1, le=64)] = 1
    """How often neighbours are asked: h is m in the first step, then what the step before gave."""

    def parameter_count(self, width: int) -> int:
        """0."""
        return 0


class NoneSpec(AdapterSpec):
    """No adapter: the frozen vectors go to the head as they are (zero-shot, linear probe)."""

    type: Literal["none"] = "none"

    def parameter_count(self, width: int) -> int:
        """0."""
        return 0
