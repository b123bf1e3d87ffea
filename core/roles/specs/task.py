"""What is learnt and how it is scored: what every task's spec has. Light: no torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Discriminator, Field, Tag, field_validator

from ....registry.slot import Slot
from ....registry.spec import ActsWith, Spec
from .component import ComponentSpec
from .head import HeadSpec

#: What of an item the frozen model's own opinion is asked of.
BlendOf = Literal["nodes", "text"]


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
