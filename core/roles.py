"""The specs of the roles: what every component of a kind shares in JSON. Light: no torch.

A component's own spec subclasses one of these and adds its ``type`` and its fields. What each role *does* is the base
class of the same name in ``dataset.py``, ``captioner.py``, ``encoder.py``, ``graph.py``, ``adapter.py``, ``head.py``,
``task.py``, ``regularizer.py``, ``reporter.py``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field

from ..registry.slot import Slot
from ..registry.spec import Items, Spec

Json = Mapping[str, Any]
NodeKind = Literal["image", "text", "fused"]


class ComponentSpec(Spec):
    """The object of a component in a spec; what stands under ``type`` says which."""

    type: str
    """Which component of its kind."""


class DatasetSpec(ComponentSpec):
    """Where items come from."""

    shots: Annotated[int, Field(ge=1)] | None = None
    """Labelled training items a class; the rest of the training split stays unlabelled. Default: all of them."""


class CaptionerSpec(ComponentSpec):
    """What describes images in words. It never sees a target."""

    def identity(self) -> Json:
        """What a description depends on besides the image: part of its cache key."""
        return self.model_dump(mode="json")


class EncoderSpec(ComponentSpec):
    """The frozen model that turns images and texts into vectors."""

    batch_size: Annotated[int, Field(ge=1)] = 64
    """Items a forward pass. Not part of the cache key."""
    templates: Annotated[Items[str], Field(min_length=1)] = ("a photo of a {}.",)
    """Prompts for class names; `{}` stands for the name. A class vector is the mean over the templates."""

    def identity(self) -> Json:
        """What a vector of any modality depends on besides its input: weights, architecture. Cheap; no torch."""
        return self.model_dump(mode="json", exclude={"batch_size", "templates"})

    def modality_identity(self, modality: str) -> Json:
        """What the vectors of that modality alone depend on: its preprocessing. Not to be repeated in ``identity``."""
        return {}

    def width(self, modality: str) -> int | None:
        """Width of the vectors of a modality, if it can be told without loading the model."""
        return None

    def frozen_parameters(self) -> int | None:
        """Number of frozen parameters, if it can be told without loading the model."""
        return None


class GraphSpec(ComponentSpec):
    """What the nodes are and which of them are neighbours."""

    nodes: NodeKind = "image"
    """One node an item: its `image` vector, its `text` vector, or both `fused`."""
    fusion: Literal["mean", "concat"] = "mean"
    """How `fused` nodes join their unit vectors: the mean keeps the width, the concatenation adds the widths."""
    pool: Literal["labelled", "train"] = "labelled"
    """Nodes of the support set: `labelled` training items, or all of `train` (unlabelled too; never test items)."""


class AdapterSpec(ComponentSpec):
    """The trainable graft."""

    #: Whether it works on the encoder's vectors, or on hidden states inside its towers.
    level: ClassVar[Literal["features", "layers"]] = "features"
    #: Whether it passes messages over a graph, so that a pipeline without one is an error.
    needs_graph: ClassVar[bool] = False

    def parameter_count(self, width: int) -> int | None:
        """Trainable parameters for vectors of ``width``, if it can be told without building it."""
        return None


class BudgetSpec(Spec):
    """How large a layer adapter may be; its rank is found."""

    trainable_share: Annotated[float, Field(gt=0, lt=1)]
    """Trainable parameters of the adapter over the frozen parameters of all towers, at most."""


class LayerAdapterSpec(AdapterSpec):
    """An adapter inside the frozen towers: where they meet, and what is grafted there."""

    level: ClassVar[Literal["features", "layers"]] = "layers"

    layer_map: Literal["equal", "stride", "last_k"] | Items[Items[Annotated[int, Field(ge=0)]]] = "stride"
    """Which blocks meet: `equal` (towers of one depth), `stride` (evenly spread over the deeper tower), `last_k` (the
    last ones), or a list of pairs (`[[0, 1], [5, 11]]`)."""
    meetings: Annotated[int, Field(ge=1)] | None = None
    """How many pairs of blocks meet. Default: as many as the shallowest tower has blocks."""
    places: Annotated[Items[Literal["block", "attention", "feed_forward"]], Field(min_length=1)] = ("block",)
    """Where in a block: around the `block`, its `attention`, its `feed_forward`; several are allowed."""
    placement: Literal["parallel", "sequential"] = "sequential"
    """`parallel`: adapters read what the place reads; `sequential`: what it gives. Both add to what it gives."""
    budget: BudgetSpec | None = None
    """Instead of a rank: how large the adapter may be."""

    def graft_parameters(self, meetings: Sequence[Mapping[str, int]]) -> int | None:
        """Trainable parameters, if they can be told without building it; for each meeting, stream to width."""
        return None

    def within_budget(self, meetings: Sequence[Mapping[str, int]], frozen: int) -> Self:
        """This spec with ``budget`` turned into sizes. Raises ``ValueError`` if nothing fits."""
        if self.budget is not None:
            raise ValueError(f"adapter `{self.type}` finds no sizes for a `budget`; set its sizes instead")
        return self


class ExpertSpec(ComponentSpec):
    """One expert of a mixture inside the towers: a module between a down- and an up-projection that its site owns."""

    #: Whether it reads the partner modality; without a partner such an expert is switched off.
    multimodal: ClassVar[bool] = False

    rank: Annotated[int, Field(ge=1, le=65536)] | None = None
    """Width r it works in. Default: the adapter's."""

    def widths(self, rank: int) -> tuple[int, int, int]:
        """Columns of the target's projection it reads, of the partner's, and columns it gives to the up-projection."""
        raise NotImplementedError

    def parameter_count(self, rank: int) -> int:
        """Trainable parameters of its own, the site's projections not counted."""
        raise NotImplementedError


class HeadSpec(ComponentSpec):
    """What turns adapted vectors into class logits."""

    #: Whether it needs a vector for each class name, so that the encoder must have a text tower.
    needs_prompts: ClassVar[bool] = False

    def uses_prompts(self) -> bool:
        """Whether *this* head needs class vectors; by default what ``needs_prompts`` says."""
        return self.needs_prompts

    def parameter_count(self, width: int, classes: int) -> int | None:
        """Trainable parameters, if they can be told without building it."""
        return None


class TaskSpec(ComponentSpec):
    """What is learnt and how it is scored."""

    head: Annotated[HeadSpec, Slot("head")] | None = None
    """The head on top of the adapter, where the task has one."""


class RegularizerSpec(ComponentSpec):
    """A penalty on the trainable parameters."""


class OptimizerSpec(ComponentSpec):
    """How parameters are updated."""

    lr: Annotated[float, Field(gt=0, le=1e38)] = 1e-3
    """Learning rate at the start."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    """Decoupled weight decay (`adamw`), or the L2 coefficient (`sgd`)."""


class ReporterSpec(ComponentSpec):
    """Who hears what happens during a run."""
