"""The specs of the roles: what every component of a kind shares in JSON. Light: no torch.

A component's own spec subclasses one of these and adds its ``type`` and its fields. What each role *does* is the base
class of the same name in ``dataset.py``, ``captioner.py``, ``encoder.py``, ``graph.py``, ``adapter.py``, ``head.py``,
``task.py``, ``regularizer.py``, ``reporter.py``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Discriminator, Field, Tag, field_validator, model_validator

from ...registry.slot import Slot
from ...registry.spec import ActsWith, Items, Spec
from ..data.found_files import FoundFiles, Reading

Json = Mapping[str, Any]
#: What of an item the frozen model's own opinion is asked of.
BlendOf = Literal["nodes", "text"]
NodeKind = Literal["image", "video", "text", "audio", "vector", "fused", "pair", "tokens"]


class ComponentSpec(Spec):
    """The object of a component in a spec; what stands under ``type`` says which."""

    type: str
    """Which component of its kind."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """Which frames of a clip are seen, and what is heard of one without sound."""

    #: So many, the middles of as many equal parts; ``None``: one in the middle of each ``every`` seconds.
    frames: int | None
    every: float | None = None
    #: Where a clip has no sound: it cannot be read, or silence stands for it.
    absent: Literal["refuse", "silence"] = "refuse"


class DatasetSpec(ComponentSpec):
    """Where items come from."""

    #: Which of `image`, `video`, `audio`, `vector` its items have; without a graph section their vectors are the nodes.
    gives: ClassVar[tuple[str, ...]] = ("image",)

    shots: Annotated[int, Field(ge=1)] | None = None
    """Labelled training items a class; the rest of the training split stays unlabelled. Default: all of them."""
    on_error: Literal["fail", "skip", "record"] = "fail"
    """Pictures, clips and sounds that cannot be decoded: `fail` names them all, `skip` goes on without them, `record`
    also lists them in the run folder (`unreadable.jsonl`)."""
    max_errors: Annotated[int, Field(ge=0), ActsWith(on_error=("skip", "record"))] = 100
    """With `skip` or `record`: more unreadable items than this still fail."""
    duplicates: Literal["note", "fail"] = "note"
    """Contents that are in several splits, or in several classes, byte for byte: a `note` counts them, in the plan, the
    run and its result; `fail` refuses and names them."""
    background: Annotated[str, Field(pattern="^#[0-9a-f]{6}$")] = "#ffffff"
    """The colour under transparent pixels of pictures, as `#rrggbb` in small letters; white by default."""

    def tree(self) -> str | None:
        """The folder of which all that lies below is data, so that nothing may be written there; ``None``: none is."""
        return None

    @classmethod
    def reading(cls, found: FoundFiles) -> Reading | None:
        """How a data set of this type would read what lies there; ``None``: it does not. `graftwork init` asks.

        Names and counts are given; it may look into a file of its own kind, and opens no media. Raises ``DataError``
        for such a file that is broken: said where nothing else reads what lies there.
        """
        return None

    def sampling(self) -> Sampling | None:
        """Which frames of a clip its items of `video` have, so that a new clip is seen alike; ``None``: it has none."""
        return None


class CaptionerSpec(ComponentSpec):
    """What describes images in words. It never sees a target."""

    #: Whether descriptions are looked up by an item's key (``WrittenCaptions``) instead of made from its picture.
    written: ClassVar[bool] = False

    def identity(self) -> Json:
        """What a description depends on besides the image: part of its cache key."""
        return self.model_dump(mode="json")

    def pictures_at_once(self) -> int:
        """How many pictures the stage hands over, and stores the descriptions of, at a time."""
        return 16

    def missing_files(self) -> str | None:
        """What must be on this machine and is not, and how to get it; ``None`` where nothing is missing. No torch."""
        return None


@dataclass(frozen=True, slots=True)
class OnHand:
    """An encoder that is on this machine."""

    #: Its spec, without ``type``.
    fields: Json
    #: Of several that fit, the lowest is taken: 0 of a model trained on what people have, 1 of one made for trials.
    rank: int = 0


@dataclass(frozen=True, slots=True)
class TowerShape:
    """A tower as its configuration tells it, for adapters inside it."""

    #: What it takes: one modality, or several (a single-stream model).
    modalities: tuple[str, ...]
    #: Number of blocks; 0 where no adapter can enter, and the tower runs as it is.
    depth: int
    #: d of the hidden states, 0 without blocks; where it changes, that of each block.
    width: int | tuple[int, ...]
    #: Width of the vector that is read out.
    read_out: int
    #: Parameters of what runs, and of what its files hold beside (a head that goes unused); ``None``: loading tells.
    parameters: int | None = None

    @property
    def widths(self) -> tuple[int, ...]:
        """d of the hidden states of each block."""
        return (self.width,) * self.depth if isinstance(self.width, int) else self.width


def one_or_each(widths: Sequence[int]) -> int | tuple[int, ...]:
    """Blocks' widths as ``TowerShape.width`` has them."""
    return tuple(widths) if len(set(widths)) > 1 else widths[0] if widths else 0


def blocks_in_words(depth: int, width: int | Sequence[int]) -> str:
    """`6 blocks, width 384`, or `16 blocks, widths 16 to 320`."""
    if isinstance(width, int):
        return f"{depth} blocks, width {width}"
    return f"{depth} blocks, widths {min(width)} to {max(width)}"


class EncoderSpec(ComponentSpec):
    """The frozen model that turns images and texts into vectors."""

    #: Whether it may have towers for adapters inside them; one that gives vectors alone sets this to `False`.
    has_towers: ClassVar[bool] = True

    batch_size: Annotated[int, Field(ge=1)] = 64
    """Items a forward pass. Not part of the cache key."""
    templates: Annotated[Items[str], Field(min_length=1)] = ("a photo of a {}.",)
    """Prompts for class names; `{}` stands for the name. A class vector is the mean over the templates."""

    @field_validator("templates")
    @classmethod
    def _templates_name_the_class(cls, templates: tuple[str, ...]) -> tuple[str, ...]:
        for template in templates:
            if "{}" not in template:
                raise ValueError(f"template {template!r} has no {{}} for the class name")
        return templates

    @classmethod
    def on_hand(cls) -> Sequence[OnHand]:
        """Those of this type whose models are on this machine, the best first; `graftwork init` takes one that fits.

        By looking for files alone: nothing is fetched or loaded.
        """
        return ()

    def tower(self, modality: str) -> EncoderSpec:
        """The encoder whose model encodes that modality. A composed encoder gives a part of itself, others themselves.

        Vectors are stored under the identity of their tower: exchanging one leaves those of the other in place.
        """
        return self

    def is_composed(self) -> bool:
        """Whether it holds the specs of other encoders, so that it is built with what builds them."""
        return any(isinstance(getattr(self, name), EncoderSpec) for name in type(self).model_fields)

    def modalities(self) -> frozenset[str] | None:
        """What it can encode, if it can be told without loading the model."""
        return None

    def shares_space(self) -> bool | None:
        """Whether image and text vectors lie in one space, so that they can be compared; ``None``: not known."""
        return None

    def seen(self, modality: str) -> str:
        """The modality whose tower encodes that one: `image` for `video` where no tower takes clips: frame by frame."""
        can = self.modalities()
        return "image" if modality == "video" and (can is None or "video" not in can) else modality

    def takes_together(self) -> bool:
        """Whether it reads its modalities together, as one sequence: it has no vector of one of them alone."""
        return False

    def identity(self) -> Json:
        """What a vector of any modality depends on besides its input: weights, architecture. Cheap; no torch."""
        return self.model_dump(mode="json", exclude={"batch_size", "templates"})

    def modality_identity(self, modality: str) -> Json:
        """What the vectors of that modality alone depend on: its preprocessing. Not to be repeated in ``identity``."""
        return {}

    def missing_files(self) -> str | None:
        """What must be on this machine and is not, and how to get it; ``None`` where nothing is missing. No torch."""
        return None

    def width(self, modality: str) -> int | None:
        """Width of the vectors of a modality, if it can be told without loading the model."""
        return None

    def token_width(self, modality: str) -> int | None:
        """Width of the tokens of a modality; ``None`` where it has none, or where only loading tells."""
        return None

    def tower_shapes(self) -> tuple[TowerShape, ...] | None:
        """Its towers, for adapters inside them, if they can be told without loading the model."""
        return None

    def frozen_parameters(self) -> int | None:
        """Number of frozen parameters, if it can be told without loading the model."""
        return None


class GraphSpec(ComponentSpec):
    """What the nodes are and which of them are neighbours."""

    #: Whether its builder looks at the ``layout`` of items with several nodes (``pair``, ``tokens``).
    several_nodes: ClassVar[bool] = False

    nodes: NodeKind = "image"
    """One node an item: its `image`, `video`, `text` or `audio` vector, the `vector` that a data set brings, or image
    and text `fused`. Several nodes an item: its image and its text as a `pair`, with edges within and across
    modalities; or its patch and text `tokens`, a small graph of their own for each item."""
    fusion: Annotated[Literal["mean", "concat", "cross_attention"], ActsWith(nodes="fused")] = "mean"
    """How `fused` nodes join image and text: the `mean` of the unit vectors keeps the width, `concat` adds the widths;
    `cross_attention` is trained: patches look at the words of the description."""
    text_share: Annotated[float, Field(gt=0, lt=1)] = 0.5
    """With fusion `concat`: the share s of the text in a cosine of two nodes, which are [sqrt(1 - s) v, sqrt(s) t]."""
    centre: Literal["none", "pool"] = "none"
    """`pool`: before they become nodes, unit vectors are moved by the mean of those of the pool, each modality by its
    own, and brought to unit length again. No labels are used, and the run keeps the means for new items."""
    fusion_rank: Annotated[int, Field(ge=1, le=65536), ActsWith(nodes="fused", fusion="cross_attention")] = 64
    """With fusion `cross_attention`: the width in which patches and words meet."""
    readout: Literal["mean", "concat"] = "mean"
    """How the adapted nodes of an item become one vector: their mean, or (nodes `pair`) image and text side by side."""
    pool: Literal["labelled", "train"] = "labelled"
    """Nodes of the support set: `labelled` training items, or all of `train` (unlabelled too; never test items)."""

    @model_validator(mode="after")
    def _concatenates_pairs_alone(self) -> Self:
        if self.readout == "concat" and self.nodes != "pair":
            raise ValueError(f'readout `concat` joins the two nodes of a `pair`; nodes are `{self.nodes}`: take "mean"')
        return self

    @model_validator(mode="after")
    def _shares_parts_side_by_side(self) -> Self:
        if self.text_share != 0.5 and (self.nodes, self.fusion) != ("fused", "concat"):
            raise ValueError(
                f"text_share {self.text_share} weighs image and text side by side; "
                'set "nodes": "fused" and "fusion": "concat", or leave text_share out'
            )
        return self

    @model_validator(mode="after")
    def _centres_vectors(self) -> Self:
        if self.centre != "none" and (self.nodes == "tokens" or self.fuses):
            made = "of `tokens`" if self.nodes == "tokens" else "by `cross_attention`"
            raise ValueError(f"centre `{self.centre}` moves vectors of items, and nodes are made {made}; take `none`")
        return self

    @property
    def fuses(self) -> bool:
        """Whether the nodes are made of tokens by a trained fusion."""
        return self.nodes == "fused" and self.fusion == "cross_attention"

    def parameter_count(self, image_width: int, text_width: int) -> int:
        """Trainable parameters of the fusion for tokens of these widths: 2(dv + dt) + 2r(dv + dt); 0 without one."""
        return 2 * (1 + self.fusion_rank) * (image_width + text_width) if self.fuses else 0


class AdapterSpec(ComponentSpec):
    """The trainable graft."""

    #: Whether it works on the encoder's vectors, or on hidden states inside its towers.
    level: ClassVar[Literal["features", "layers"]] = "features"
    #: Whether it passes messages over a graph, so that a pipeline without one is an error.
    needs_graph: ClassVar[bool] = False
    #: Whether it changes nothing before training; an adapter on features that does sets this to `False`.
    starts_as_identity: ClassVar[bool] = True

    def parameter_count(self, width: int) -> int | None:
        """Trainable parameters for vectors of ``width``, if it can be told without building it."""
        return None


class HeadSpec(ComponentSpec):
    """What turns adapted vectors into class logits."""

    #: Whether it needs a vector for each class name, so that the encoder must have a text tower.
    needs_prompts: ClassVar[bool] = False
    #: Whether ``Head.fit`` makes a classifier of the labelled items before any training (leave-one-out asks for that).
    solves: ClassVar[bool] = False
    #: Whether ``Head.fit`` is shown the unlabelled items of the pool as well, with -1 for their class.
    fits_pool: ClassVar[bool] = False

    def uses_prompts(self) -> bool:
        """Whether *this* head needs class vectors; by default what ``needs_prompts`` says."""
        return self.needs_prompts

    def parameter_count(self, width: int, classes: int) -> int | None:
        """Trainable parameters, if they can be told without building it."""
        return None


class BlendSpec(Spec):
    """How much of the frozen model's own opinion is blended in, and what of an item it is asked of."""

    value: Annotated[float, Field(ge=0)]
    """Share of its zero-shot logits."""
    by: BlendOf = "nodes"
    """What is compared with the class prompts: an item's `nodes`, which must lie in one space with them; or its `text`
    half alone, whatever encodes its image."""


def _blend_form(value: Any) -> str:
    return "object" if isinstance(value, (Mapping, BlendSpec)) else "number"


#: The form decides which of the two is checked: one error for one mistake.
Blend = Annotated[
    Annotated[float, Field(ge=0), Tag("number")] | Annotated[BlendSpec, Tag("object")], Discriminator(_blend_form)
]


class TaskSpec(ComponentSpec):
    """What is learnt and how it is scored."""

    #: Modalities that every item must have; all others that the items have and the encoder takes are used as well.
    needs: ClassVar[tuple[str, ...]] = ()
    #: What becomes of an item's passes: `one` (there is one), each predicted by itself (`each`: logits [N, S, C]), or
    #: read out side by side (`joined`) or as their mean (`mean`: one or many). `masks`: each pass is a picture, of
    #: whose places something is said, logits [N, S, G, G]. `pairs`: every image is scored with every text, logits
    #: [images, texts].
    passes_are: ClassVar[Literal["one", "each", "joined", "mean", "masks", "pairs"]] = "one"
    #: Whether it needs the towers to run, so that adapters on features get joined read-outs and no graph.
    level: ClassVar[Literal["features", "layers"]] = "features"

    head: Annotated[HeadSpec, Slot("head")] | None = None
    """The head on top of the adapter, where the task has one."""
    blend: Blend = 0.0
    """Share of the frozen model's own opinion: logits + blend * its zero-shot logits of the item as it was before the
    adapter. `{"value": 0.3, "by": "text"}` asks it of the item's text alone. Needs class prompts; choose it on
    validation with `search`."""

    @classmethod
    def __pydantic_init_subclass__(cls, **keywords: Any) -> None:
        """A task of before says what its passes are under another name. Raises ``TypeError``."""
        super().__pydantic_init_subclass__(**keywords)
        if "views" in vars(cls):
            raise TypeError(f"{cls.__name__}.views is called `passes_are` now")

    def outputs(self, classes: int) -> int:
        """How many logits the head gives of each row."""
        return classes

    @property
    def blend_share(self) -> float:
        """How much of the zero-shot logits is blended in; 0: nothing."""
        return self.blend.value if isinstance(self.blend, BlendSpec) else self.blend

    @property
    def blend_by(self) -> BlendOf:
        """What of an item the zero-shot logits are of."""
        return self.blend.by if isinstance(self.blend, BlendSpec) else "nodes"

    def uses_prompts(self) -> bool:
        """Whether a vector for each class name is needed, by the head or for the blend."""
        return self.blend_share > 0 or (self.head is not None and self.head.uses_prompts())


class PairTaskSpec(TaskSpec):
    """A task that scores every image with every text: scale times the cosine of two read-outs. It has no head."""

    needs: ClassVar[tuple[str, ...]] = ("image", "text")
    passes_are: ClassVar[Literal["one", "each", "joined", "mean", "masks", "pairs"]] = "pairs"
    level: ClassVar[Literal["features", "layers"]] = "layers"

    joint: bool = False
    """Off: image and text pass the towers apart, a vector each, so that experts which need a partner are silent. On:
    pairs pass the towers together as well, and the score of a pair is the cosine of its own two read-outs."""
    rerank: Annotated[int, Field(ge=1), ActsWith(joint=True)] = 32
    """With `joint`: how many of the best apart, of each image and of each text, are scored again as pairs."""
    negatives: Annotated[int, Field(ge=0), ActsWith(joint=True)] = 0
    """With `joint`, in training: how many images join each text of a batch, those of the training split that it scores
    best with apart before training and that are not its own. Pairs are then made within each such group alone. 0: of
    all images and texts of the batch."""
    scale: Annotated[float, Field(gt=0)] = 20.0
    """Factor from cosine to logit, fixed."""

    @field_validator("head")
    @classmethod
    def _has_no_head(cls, head: HeadSpec | None) -> None:
        if head is not None:
            raise ValueError("this task has no head: images and texts are compared by their cosine; remove `head`")

    @field_validator("blend")
    @classmethod
    def _has_no_classes(cls, blend: float | BlendSpec) -> float | BlendSpec:
        if blend.value if isinstance(blend, BlendSpec) else blend:
            raise ValueError("this task has no classes, so there are no zero-shot logits to blend in; remove `blend`")
        return blend


class RegularizerSpec(ComponentSpec):
    """A penalty on the trainable parameters, or what else keeps a model from forgetting."""

    #: Whether it looks at the logits or at the loss of each item, which a task of pairs does not have.
    reads_logits: ClassVar[bool] = True
    #: Whether it works between the tasks of a sequence alone: a pipeline without `tasks` is refused.
    between_tasks: ClassVar[bool] = False

    def in_first_task(self) -> RegularizerSpec | None:
        """How it stands in the first task of a sequence, which has no run before it. ``None``: not at all."""
        return self

    def require_earlier(self, labelled: int) -> None:
        """Raises ``UserError`` where so many labelled items of all tasks but the last do not do. No torch."""

    def require_previous(self, previous: Path | None) -> None:
        """Raises ``UserError`` where the run before (its adapter folder) lacks what the penalty needs. No torch."""


class OptimizerSpec(ComponentSpec):
    """How parameters are updated."""

    #: Whether a step changes every number by its own gradients alone, with no norm over a parameter or over all of
    #: them: several seeds may then be trained as one on a GPU.
    elementwise: ClassVar[bool] = False

    lr: Annotated[float, Field(gt=0, le=1e38)] = 1e-3
    """Learning rate at the start."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    """Decoupled weight decay (`adamw`), or the L2 coefficient (`sgd`)."""


class ReporterSpec(ComponentSpec):
    """Who hears what happens during a run."""

    #: Whether it writes to a terminal: ``graftwork run`` builds such a one, but not with ``--quiet``; Python where
    #: ``show`` is asked for.
    shows: ClassVar[bool] = False
