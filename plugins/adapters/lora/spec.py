"""LoRA inside frozen towers (Hu et al., ICLR 2022), through peft: the spec."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from ....core.roles import TowerAdapterSpec
from ....registry.spec import Items

#: Keys of PEFT's config that change nothing of a trained adapter's sum W x + scale B A x, or that are read below.
_KNOWN = frozenset(
    [
        "peft_type",
        "peft_version",
        "task_type",
        "auto_mapping",
        "base_model_name_or_path",
        "revision",
        "inference_mode",
        "r",
        "lora_alpha",
        "lora_dropout",
        "use_rslora",
        "target_modules",
        "exclude_modules",
        "layers_to_transform",
        "layers_pattern",
        "fan_in_fan_out",
        "init_lora_weights",
        "megatron_config",
        "megatron_core",
        "qalora_group_size",
        "loftq_config",
        "eva_config",
        "ensure_weight_tying",
    ]
)
#: How its matrices may have begun: the others begin from frozen weights that are no longer the model's own.
_BEGINNINGS = (True, False, "gaussian", "eva", "orthogonal", None)


class LoraSpec(TowerAdapterSpec):
    """Low-rank updates of the linear layers in the towers' blocks, through peft; towers do not meet."""

    PEFT_TYPE: ClassVar[str | None] = "LORA"
    also_called: ClassVar[Mapping[str, str]] = {
        "r": "rank",
        "lora_alpha": "alpha",
        "lora_dropout": "dropout",
        "target_modules": "targets",
    }

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
    towers: Annotated[Items[str], Field(min_length=1)] | None = None
    """The towers that are adapted, by name (`["text"]`); the others run as they are. Default: all."""

    @model_validator(mode="after")
    def _one_size(self) -> Self:
        if None not in (self.budget, self.rank):
            raise ValueError("either `budget` or `rank`: remove one of them")
        return self

    @property
    def own_rank(self) -> int:
        """r, the default filled in."""
        return self.rank or 8

    def to_peft(self) -> Mapping[str, Any]:
        """Rank, alpha, dropout."""
        return {"r": self.own_rank, "lora_alpha": self.alpha, "lora_dropout": self.dropout, "bias": "none"}

    @classmethod
    def of_peft(cls, config: Mapping[str, Any], paths: Sequence[str]) -> Self:
        """Of plain LoRA of one rank; rank-stabilised LoRA is the same of another alpha."""
        for key, value in config.items():
            if key not in _KNOWN and value and value != "none":
                raise ValueError(f"`{key}` is {value!r}, and `lora` is W x + (alpha / r) B A x alone")
        if (beginning := config.get("init_lora_weights")) not in _BEGINNINGS:
            raise ValueError(f"`init_lora_weights` is {beginning!r}, which changes the frozen weights, too")
        rank, alpha = config.get("r"), config.get("lora_alpha")
        if type(rank) is not int or not isinstance(alpha, (int, float)):
            raise ValueError("`r` and `lora_alpha` are no numbers")
        scaled = alpha * math.sqrt(rank) if config.get("use_rslora") else alpha
        dropout = config.get("lora_dropout") or 0.0
        return cls.model_validate({"rank": rank, "alpha": scaled, "dropout": dropout, "targets": list(paths)})

    def in_tower(self, tower: str) -> Self:
        """Field `towers`."""
        return self.model_copy(update={"towers": (tower,)})

    def with_rank(self, rank: int) -> Self:
        """This spec with that rank instead of a budget."""
        return self.model_copy(update={"rank": rank, "budget": None})
