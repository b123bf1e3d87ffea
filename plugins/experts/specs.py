"""The specs of the experts of a heterogeneous mixture inside the towers (HMMoE, arXiv 2503.20633; forms and
sizes ours).
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from ...core.roles import ExpertSpec


class UnimodalSpec(ExpertSpec):
    """A two-layer bottleneck on the target alone (Houlsby et al. 2019)."""

    type: Literal["unimodal"] = "unimodal"
    activation: Literal["relu", "gelu", "tanh"] = "gelu"
    """phi."""

    def widths(self, rank: int) -> tuple[int, int, int]:
        """r of the target."""
        return rank, 0, rank

    def parameter_count(self, rank: int) -> int:
        """0: its two layers are the site's projections."""
        return 0


class CrossAttentionSpec(ExpertSpec):
    """Target tokens ask, partner tokens answer, at rank r."""

    type: Literal["cross_attention"] = "cross_attention"
    multimodal: ClassVar[bool] = True
    heads: Annotated[int, Field(ge=1, le=1024)] | None = None
    """h: heads of width r / h; the largest number up to this that divides r is taken. Default: heads 4 wide, else 3,
    else 2, as r can be divided; narrow heads did better than wide ones at equal size."""
    latent: Annotated[int, Field(ge=1, le=4096)] | None = None
    """T: learned tokens that gather the partner first and are then asked, linear in the number of tokens (as in LAVISH,
    Lin et al. 2023). Default: every partner token is asked."""

    def heads_at(self, rank: int) -> int:
        """h, the default filled in."""
        if self.heads is None:
            widths: list[int] = [4, 3, *range(2, rank + 1), 1]
            return rank // next(width for width in widths if rank % width == 0)
        return next(heads for heads in range(min(self.heads, rank), 0, -1) if rank % heads == 0)

    def widths(self, rank: int) -> tuple[int, int, int]:
        """Queries of the target; keys and values of the partner."""
        return rank, 2 * rank, rank

    def parameter_count(self, rank: int) -> int:
        """0, or T r for the latent tokens."""
        return rank * (self.latent or 0)


class ChannelAttentionSpec(ExpertSpec):
    """Both modalities' means decide together which low-rank channels of the target count."""

    type: Literal["channel_attention"] = "channel_attention"
    multimodal: ClassVar[bool] = True
    reads_mean: ClassVar[bool] = True
    reduction: Annotated[int, Field(ge=1)] = 4
    """Width of the gate's hidden layer: r divided by this, at least 1."""

    def widths(self, rank: int) -> tuple[int, int, int]:
        """r of the target, r of the partner."""
        return rank, rank, rank

    def parameter_count(self, rank: int) -> int:
        """Two layers with bias."""
        hidden = max(rank // self.reduction, 1)
        return 2 * rank * hidden + hidden + rank


class AffineSpec(ExpertSpec):
    """The partner's mean scales and shifts the target's channels (FiLM, Perez et al. 2018)."""

    type: Literal["affine"] = "affine"
    multimodal: ClassVar[bool] = True
    reads_mean: ClassVar[bool] = True

    def widths(self, rank: int) -> tuple[int, int, int]:
        """r of the target; a scale and a shift of the partner."""
        return rank, 2 * rank, rank

    def parameter_count(self, rank: int) -> int:
        """0: scale and shift are the site's projections of the partner."""
        return 0


class IdentitySpec(ExpertSpec):
    """No change: what the router gives to it is taken from the others."""

    type: Literal["identity"] = "identity"

    @model_validator(mode="after")
    def _has_no_rank(self) -> Self:
        if self.rank is not None:
            raise ValueError("the identity has no rank; remove it")
        return self

    def widths(self, rank: int) -> tuple[int, int, int]:
        """Nothing."""
        return 0, 0, 0

    def parameter_count(self, rank: int) -> int:
        """0."""
        return 0
