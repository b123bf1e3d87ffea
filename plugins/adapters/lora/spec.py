"""LoRA inside frozen towers (Hu et al., ICLR 2022), through peft: the spec."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from ....core.roles import TowerAdapterSpec
from ....registry.spec import Items


class LoraSpec(TowerAdapterSpec):
    """Low-rank updates of the linear layers in the towers' blocks, through peft; towers do not meet."""

    type: Literal["lora"] = "lora"
    rank: Annotated[int, Field(ge=1, le=65536)] | None = None
    """r, the same in all towers. Default: 8, or what the `budget` comes to."""
    alpha: Annotated[float, Field(gt=0)] = 16.0
    """The update is scaled by alpha / r."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of a layer's inputs that its update does not see in training."""
    targets: Literal["all-linear"] | Annotated[Items[str], Field(min_length=1)] = "all-linear"
    """Which layers: every linear one in the blocks (`all-linear`), or those whose path ends with one of these names
    (`["q_proj", "v_proj"]`; `in_proj_weight` is the packed projection of queries, keys and values; convolutions without
    groups, too: `["conv_pw", "conv_pwl"]`)."""

    @model_validator(mode="after")
    def _one_size(self) -> Self:
        if None not in (self.budget, self.rank):
            raise ValueError("either `budget` or `rank`: remove one of them")
        return self

    @property
    def own_rank(self) -> int:
        """r, the default filled in."""
        return self.rank or 8

    def with_rank(self, rank: int) -> Self:
        """This spec with that rank instead of a budget."""
        return self.model_copy(update={"rank": rank, "budget": None})
