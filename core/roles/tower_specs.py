"""The specs of what stands inside towers: adapters at every place, experts, and where streams meet. Light: no
torch.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from ...registry.spec import Items, Spec
from .specs import AdapterSpec, ComponentSpec


class BudgetSpec(Spec):
    """How large a layer adapter may be; its rank is found."""

    trainable_share: Annotated[float, Field(gt=0, lt=1)]
    """Trainable parameters of the adapter over the frozen parameters of all towers, at most."""


class TowerAdapterSpec(AdapterSpec):
    """An adapter inside the frozen towers. ``tower_adapter.py`` says what it is built as."""

    level: ClassVar[Literal["features", "layers"]] = "layers"
    #: What PEFT calls this adapter (``peft_type`` in its config); ``None``: it has none such.
    PEFT_TYPE: ClassVar[str | None] = None

    budget: BudgetSpec | None = None
    """Instead of a rank: how large the adapter may be."""
    gradient_checkpointing: bool = False
    """Blocks of the frozen towers keep what they are given alone and run once more in the backward pass: less memory, a
    second forward. Not where adapters sit inside blocks that towers meet in."""

    def to_peft(self) -> Mapping[str, Any]:
        """What PEFT's config says of such an adapter, its modules left out."""
        return {}

    @classmethod
    def of_peft(cls, config: Mapping[str, Any], paths: Sequence[str]) -> Self:
        """The spec of PEFT's adapter in the modules of those paths, ``BLOCK.PATH`` each.

        Raises ``ValueError`` that names what of the config it cannot be.
        """
        raise ValueError(f"adapter `{cls.model_fields['type'].default}` reads none of PEFT's")

    def in_tower(self, tower: str) -> Self:
        """The same in that one of several towers alone. Raises ``ValueError`` where it sits in all of them."""
        raise ValueError(f"adapter `{self.type}` sits in all towers, and in no single one")


class LayerAdapterSpec(TowerAdapterSpec):
    """An adapter at places where towers meet: which these are, and what is grafted there."""

    layer_map: Literal["equal", "stride", "last_k"] | Items[Items[Annotated[int, Field(ge=0)]]] = "stride"
    """Which blocks meet: `equal` (towers of one depth), `stride` (evenly spread over the deeper tower), `last_k` (the
    last ones), or a list of pairs (`[[0, 1], [5, 11]]`)."""
    meetings: Annotated[int, Field(ge=1)] | None = None
    """How many pairs of blocks meet. Default: as many as the shallowest tower has blocks."""
    places: Annotated[Items[Literal["block", "attention", "feed_forward"]], Field(min_length=1)] = ("block",)
    """Where in a block: around the `block`, its `attention`, its `feed_forward`; several are allowed."""
    placement: Literal["parallel", "sequential"] = "sequential"
    """`parallel`: adapters read what the place reads; `sequential`: what it gives. Both add to what it gives."""

    @model_validator(mode="after")
    def _runs_again_alone(self) -> Self:
        if self.gradient_checkpointing and self.places != ("block",):
            raise ValueError(
                "gradient_checkpointing: a block that runs again in the backward pass would find no other tower to "
                'meet inside it; take `places: ["block"]`, or switch it off'
            )
        return self

    def needs_partner(self) -> bool:
        """Whether a tower that runs without a partner passes unchanged, so that nothing is trained in it."""
        return False

    def site_parameters(self, stream: str, widths: Mapping[str, int]) -> int | None:
        """Trainable parameters for one stream at one meeting of streams of these widths, if they can be told."""
        return None

    def graft_parameters(self, meetings: Sequence[Mapping[str, int]]) -> int | None:
        """Trainable parameters, if they can be told without building it; for each meeting, stream to width."""
        counts = [self.site_parameters(stream, widths) for widths in meetings for stream in widths]
        return None if None in counts else sum(count for count in counts if count)

    def check_widths(self, meetings: Sequence[Mapping[str, int]]) -> None:
        """Whether its sizes make sense for streams of these widths. Raises ``ValueError`` with the stream and why."""

    def within_budget(self, meetings: Sequence[Mapping[str, int]], frozen: int) -> Self:
        """This spec with ``budget`` turned into sizes. Raises ``ValueError`` if nothing fits."""
        if self.budget is not None:
            raise ValueError(f"adapter `{self.type}` finds no sizes for a `budget`; set its sizes instead")
        return self


class ExpertSpec(ComponentSpec):
    """One expert of a mixture inside the towers: a module between a down- and an up-projection that its site owns."""

    #: Whether it reads the partner modality; without a partner such an expert is switched off.
    multimodal: ClassVar[bool] = False
    #: Whether the mean of the partner's tokens is all it needs of them: it is given that, [B, 1, b] without a mask.
    reads_mean: ClassVar[bool] = False

    rank: Annotated[int, Field(ge=1, le=65536)] | None = None
    """Width r it works in. Default: the adapter's."""

    @abstractmethod
    def widths(self, rank: int) -> tuple[int, int, int]:
        """Columns of the target's projection it reads, of the partner's, and columns it gives to the up-projection."""

    @abstractmethod
    def parameter_count(self, rank: int) -> int:
        """Trainable parameters of its own, the site's projections not counted."""


@dataclass(frozen=True, slots=True)
class Meeting:
    """Where streams meet once: the hidden states of one stop in each tower."""

    #: Stream to a short name of its stop (``3.attention``): prefixes of parameter names, so they must differ.
    stops: Mapping[str, str]
    #: Stream to d of its hidden states.
    widths: Mapping[str, int]
