"""What the nodes are and which are neighbours: what every graph's spec has. Light: no torch."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from ....registry.spec import ActsWith
from .component import ComponentSpec

NodeKind = Literal["image", "video", "text", "audio", "vector", "fused", "pair", "tokens"]


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
