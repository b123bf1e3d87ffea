"""The trainable whole around frozen towers: an adapter inside them or on their read-outs, and a head."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from ...registry.build import build
from ...registry.catalogue import Catalogue
from ..data.items import DataError, Media
from ..graft.grafted import GraftedTowers
from ..graft.placed import builder
from ..roles.adapter import Adapter
from ..roles.head import ClassPrompts, Head, logits_of
from ..roles.layer_adapter import upgraded_of
from ..roles.tower_specs import TowerAdapterSpec
from ..spec.pipeline_spec import PipelineSpec
from ..towers.prefix import Prefix, passed_over
from ..training.learner import TrainableModel
from .frozen_prefix import FrozenPrefixes
from .open_towers import OpenTowers
from .passes import Inputs, Passes, ReadOut, TowerInputs, joined_parts, most_passes
from .patches import PATCHES, as_maps, patch_width, patches_of, require_whole_pictures

PassesAre = Literal["one", "each", "joined", "mean", "masks", "pairs"]
#: The name under which a pipeline's adapter stands among those of the towers.
NAME = "default"


class LayerModel(TrainableModel):
    """Logits of items that go through towers, which are used, not owned; trained are ``adapter.*`` and ``head.*``."""

    def __init__(
        self, towers: OpenTowers, grafted: GraftedTowers, adapter: nn.Module, head: Head | None, passes_are: PassesAre
    ) -> None:
        super().__init__()
        self.adapter, self.head = adapter, head
        #: Whether the adapter sits inside the towers, so that they must run again after each step.
        self.inside = grafted.active is not None
        self.towers, self._passes_are = towers, passes_are
        #: What towers give before the first adapter, where it is kept: nowhere by default.
        self.prefixes: FrozenPrefixes | None = None
        self._grafted = (grafted,)  # not a submodule: it would bring the towers' device moves and a second name

    def upgraded(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The adapter knows its own."""
        within = "adapter."
        adapter = {name.removeprefix(within): one for name, one in tensors.items() if name.startswith(within)}
        others = {name: one for name, one in tensors.items() if not name.startswith(within)}
        return others | {within + name: one for name, one in upgraded_of(self.adapter, adapter).items()}

    @property
    def keeps(self) -> bool:
        """Whether read-outs are the same in every epoch, and few enough to be kept."""
        return not self.inside and self._passes_are != "masks"

    @property
    def grafted(self) -> GraftedTowers:
        """The towers with the adapter in them."""
        return self._grafted[0]

    def run(self, inputs: Inputs, prefixes: Mapping[str, Prefix] | None = None) -> ReadOut:
        """Let the towers run that have inputs; ``prefixes``: as ``prefixes_of`` gives them, by default of these."""
        known = self.prefixes_of(inputs) if prefixes is None else prefixes
        with ExitStack() as stack:
            for frozen in self.towers.frozen:
                if (prefix := known.get(frozen.tower.name)) is not None:
                    stack.enter_context(passed_over(frozen.tower, prefix))
            out = self.grafted(inputs)
        vectors = {
            frozen.tower.name: normalize(frozen.read_out(out.outputs[frozen.tower.name], given).float(), dim=-1)
            for frozen in self.towers.frozen
            if (given := inputs.get(frozen.tower.name)) is not None
        }
        if self._passes_are == "masks":
            vectors[PATCHES] = normalize(patches_of(out.outputs["image"], patch_width(self.towers)).float(), dim=-1)
        return ReadOut(vectors, out.auxiliary_loss(), out.usage)

    def alone(
        self, passes: Passes, modality: str, views: Sequence[Sequence[Mapping[str, Media]]]
    ) -> tuple[Tensor, Tensor | float]:
        """Unit vectors [N, width] of one modality of items with those views, the mean of several, where no other tower
        runs; and what the adapter adds to the loss."""
        tower = next(one for one in self.towers.frozen if one.tower.name == modality)
        others = {one.tower.name: None for one in self.towers.frozen if one is not tower}
        flat = [view for one in views for view in one]
        few = min(most_passes(), len(flat))
        out = joined_parts(
            self.run({modality: passes.inputs(tower, flat[start : start + few]), **others})
            for start in range(0, len(flat), few)
        )
        return of_items(out.vectors[modality], list(map(len, views))), out.auxiliary

    def prefixes_of(self, inputs: Inputs) -> dict[str, Prefix]:
        """Of towers whose blocks before the first adapter may be passed over: what it is known that they give."""
        found: dict[str, Prefix] = {}
        for frozen in self.towers.frozen:
            given, count = inputs.get(frozen.tower.name), self.grafted.untouched_blocks(frozen.tower.name)
            if self.prefixes and isinstance(given, TowerInputs):
                prefix = self.prefixes.of(frozen, count, given, given.contents)
                if prefix is not None:
                    found[frozen.tower.name] = prefix
        return found

    def logits(self, vectors: Mapping[str, Tensor], counts: Sequence[int]) -> Tensor:
        """Of the read-outs of items with that many passes: [N, C], or [N, S, C] where each pass is predicted (zeros
        after an item's last pass), or [N, S, G, G] of the places of each pass."""
        assert self.head is not None, "a task of pairs scores read-outs, not logits"
        logits = logits_of(self.head, self.joined(vectors, counts))
        if self._passes_are == "masks":
            logits = as_maps(logits, sum(counts))
        elif self._passes_are != "each":
            return logits
        return nn.utils.rnn.pad_sequence(list(torch.split(logits, list(counts))), batch_first=True)

    def joined(self, vectors: Mapping[str, Tensor], counts: Sequence[int]) -> Tensor:
        """What the head is given: read-outs side by side, [V, width]; of joined passes [N, passes * width], of
        their mean [N, width]; of masks each patch beside them, [V * P, d + width]."""
        joined = torch.cat([vectors[frozen.tower.name] for frozen in self.towers.frozen], dim=-1)
        joined = joined / math.sqrt(len(self.towers.frozen))
        if self._passes_are == "masks":
            patches = vectors[PATCHES]
            beside = joined[:, None].expand(-1, patches.shape[1], -1)
            joined = torch.cat([patches, beside], dim=-1).flatten(0, 1)
        if self._passes_are == "joined":
            joined = joined.reshape(len(counts), -1) / math.sqrt(counts[0])
        if self._passes_are == "mean" and len(joined) > len(counts):
            joined = mean_of_passes(joined, counts)
        return joined if self.inside else self.adapter(joined)

    def similarity(self, vectors: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Image and text read-outs as a task of pairs compares them, adapted where the adapter is on read-outs."""
        images, texts = (vectors[name] for name in ("image", "text"))
        if self.inside:
            return images, texts
        return normalize(self.adapter(images), dim=-1), normalize(self.adapter(texts), dim=-1)


def mean_of_passes(vectors: Tensor, counts: Sequence[int]) -> Tensor:
    """[N, width]: the mean of each item's vectors [V, width], of which ``counts`` says how many it has."""
    return torch.stack([one.mean(dim=0) for one in torch.split(vectors, list(counts))])


def of_items(vectors: Tensor, counts: Sequence[int]) -> Tensor:
    """Unit vectors [N, width] of items from those of their passes [V, width]."""
    return normalize(mean_of_passes(vectors, counts), dim=-1) if len(vectors) > len(counts) else vectors


def item_width(towers: OpenTowers, passes_are: PassesAre, passes: int) -> int:
    """Width of what the head gets of an item, of a pass where each is predicted, of a patch where masks are."""
    if passes_are == "masks":
        require_whole_pictures(towers)
        return towers.width + patch_width(towers)
    return towers.width * (passes if passes_are == "joined" else 1)


def build_layer_model(
    spec: PipelineSpec,
    catalogue: Catalogue,
    towers: OpenTowers,
    classes: int,
    passes: int,
    prompts: ClassPrompts | None,
) -> LayerModel:
    """Adapter and head for those towers; initial weights follow torch's global seed.

    ``passes``: of an item, where they are read out side by side. Raises ``TowerError`` where the adapter does not fit,
    ``DataError`` where class vectors or pairs have other widths than the read-outs.
    """
    passes_are = spec.task.passes_are
    grafted = GraftedTowers([frozen.tower for frozen in towers.frozen])
    width = item_width(towers, passes_are, passes)
    if passes_are == "pairs":
        width = _pair_width(towers)
    if isinstance(spec.adapter, TowerAdapterSpec):
        grafted.add_adapter(NAME, spec.adapter, builder(catalogue))
        adapter: nn.Module = grafted.adapters[NAME]
    else:
        on_features = build(Adapter, catalogue, spec.adapter, width)
        adapter, width = on_features, on_features.output_width
    head = _head(spec, catalogue, width, spec.task.outputs(classes), prompts) if passes_are != "pairs" else None
    return LayerModel(towers, grafted, adapter, head, passes_are).to(towers.frozen[0].device)


def _head(spec: PipelineSpec, catalogue: Catalogue, width: int, classes: int, prompts: ClassPrompts | None) -> Head:
    if spec.task.head is None:
        raise DataError(f"task `{spec.task.type}` has no head, and nothing else makes logits; add one")
    prompts = prompts if spec.task.head.uses_prompts() else None
    if prompts is not None and prompts.vectors.shape[-1] != width:
        raise DataError(
            f"class vectors have width {prompts.vectors.shape[-1]}, read-outs {width}: they cannot be compared; take "
            'head {"type": "linear"}, or items of one modality in the space of the text encoder'
        )
    return build(Head, catalogue, spec.task.head, width, classes, prompts)


def _pair_width(towers: OpenTowers) -> int:
    widths = {frozen.tower.name: frozen.width for frozen in towers.frozen}
    if widths.keys() != {"image", "text"}:
        raise DataError(
            "a task of pairs compares the vectors of two towers, one of images and one of texts; the encoder has "
            f"{', '.join(widths)}"
        )
    if len(set(widths.values())) > 1:
        sizes = f"image vectors of width {widths['image']} and text vectors of width {widths['text']}"
        raise DataError(f"encoder: {sizes} cannot be compared; take a model with one space for both")
    return widths["image"]
