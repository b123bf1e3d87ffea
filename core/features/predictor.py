"""Predict for new items by a pipeline on features."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor

from ...registry.build import build
from ...registry.catalogue import Catalogue
from ..data.given_items import Contents, name_of
from ..data.items import DataError, Item
from ..data.pictures import bare
from ..data.prediction import Answer, Neighbour, Prediction
from ..data.tokens import Tokens
from ..graph.check_support import SUPPORT, check_support, require_settled, same_graph
from ..graph.neighbours import neighbours_of
from ..graph.queries import Queries
from ..graph.saved_support import centre_in, class_prompts_in, nodes_in
from ..graph.support import Support
from ..roles.captioner import Captioner, WrittenCaptions, texts_of
from ..roles.encoder import Encoder
from ..roles.graph import GraphBuilder
from ..roles.head import ClassPrompts
from ..roles.specs import CaptionerSpec, GraphSpec
from ..spec.node_kinds import modalities_of, token_modalities, used_captioner, vector_modalities
from ..spec.pipeline_spec import PipelineSpec
from ..spec.policies import policy_of
from ..stages.composed_encoder import Composed, build_encoder, require_weights
from ..stages.encode import EncoderStage
from ..storage.adapter_config import CONFIG, TENSORS, FeatureAdapter, component_in
from ..storage.run_folder import RunFolderError
from ..storage.tensors import fill, no_larger_than, read_tensors
from ..training.predictor import Predictor, finite
from .encode_splits import Features
from .model import FeatureModel, build_model
from .module import TOKENS, FeatureModule
from .written_of_files import written_of_files

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Encoded:
    """Some items as their encoder gives them: their pictures and sounds are no longer needed."""

    #: Modality to float32 [N, d].
    vectors: Mapping[str, Tensor]
    #: Modality to tokens of the N items.
    tokens: Mapping[str, Tokens]
    #: What the captioner said of each; ``None`` where it was not asked.
    texts: Sequence[str | None]
    #: For messages.
    names: Sequence[str]

    @classmethod
    def joined(cls, parts: Sequence[Encoded]) -> Encoded:
        """These items, one part after the other."""
        return cls(
            {kind: torch.cat([part.vectors[kind] for part in parts]) for kind in parts[0].vectors},
            {kind: Tokens.joined([part.tokens[kind] for part in parts]) for kind in parts[0].tokens},
            [text for part in parts for text in part.texts],
            [name for part in parts for name in part.names],
        )


class FeaturePredictor(Predictor):
    """Encodes new items and lets them meet the support set by the pipeline's inductive policy."""

    def __init__(
        self,
        spec: PipelineSpec,
        class_names: tuple[str, ...],
        model: FeatureModel,
        support: Support,
        builder: GraphBuilder | None,
        encoder: Encoder,
        captioner: Captioner | WrittenCaptions | None,
        blended: ClassPrompts | None = None,
    ) -> None:
        super().__init__(spec, class_names)
        self._module = FeatureModule(spec, model, support, builder, blended).eval()
        self._encoder, self._captioner = encoder, captioner

    @property
    def module(self) -> FeatureModule:
        """The trained part, which ``predict`` asks, too: it may be trained further, or frozen."""
        return self._module

    def features(
        self, images: Contents | None = None, texts: Contents | None = None, sounds: Contents | None = None
    ) -> dict[str, Tensor | Tokens]:
        """What ``module`` is given of these items: float32 [N, d] of each modality, and tokens where they are used."""
        parts = [self._encoded(few) for few in self._batches(self._items(images, texts, sounds), self._batch_size())]
        whole = Encoded.joined(parts)
        return {**whole.vectors, **{kind + TOKENS: one for kind, one in whole.tokens.items()}}

    def width(self, modality: str, content: Any) -> int:
        """Numbers in a vector of a modality, as the frozen encoder gives it of one content."""
        return int(self._encoder.encode(modality, [content]).shape[1])

    def answer(self, items: Iterable[Item]) -> Iterator[Answer]:
        """With the support items that each heard, and what the captioner said where no text was given."""
        return itertools.chain.from_iterable(map(self._answers, self._together(items)))

    def _answers(self, encoded: Encoded) -> Sequence[Answer]:
        nodes = self._module.nodes(encoded.vectors, encoded.tokens)
        queries = self._module.met(nodes)
        neighbours = neighbours_of(self._module.support, nodes, queries.sources, self.class_names)
        finite(torch.tensor([[sum(one.similarity for one in near)] for near in neighbours]), encoded.names)
        probabilities = self._answered(queries, encoded).softmax(dim=-1)
        return [
            Prediction.of(shares, self.class_names, near, text)
            for shares, near, text in zip(probabilities, neighbours, encoded.texts, strict=True)
        ]

    def _logits(self, items: Iterable[Item]) -> Iterator[Tensor]:
        for encoded in self._together(items):
            yield self._answered(self._module.met(self._module.nodes(encoded.vectors, encoded.tokens)), encoded)

    def heard(self, items: Iterable[Item], most: int) -> Iterator[tuple[Tensor, list[tuple[Neighbour, ...]]]]:
        """See ``Predictor``."""
        return (self._heard(encoded, most) for encoded in self._together(items))

    def heard_of(self, features: Features, most: int) -> Iterator[tuple[Tensor, list[tuple[Neighbour, ...]]]]:
        """The same of items that are encoded already."""
        for rows in torch.split(torch.arange(len(features.ids)), self._answered_at_once()):
            few = features.select(rows)
            yield self._heard(Encoded(few.vectors, few.tokens, [None] * len(rows), few.ids), most)

    def _heard(self, encoded: Encoded, most: int) -> tuple[Tensor, list[tuple[Neighbour, ...]]]:
        nodes = self._module.nodes(encoded.vectors, encoded.tokens)
        queries = self._module.met(nodes)
        near = neighbours_of(self._module.support, nodes, queries.sources, self.class_names, most)
        return self._answered(queries, encoded), near

    def _together(self, items: Iterable[Item]) -> Iterator[Encoded]:
        """Those that are answered together."""
        size, rest = self._answered_at_once(), iter(items)
        while encoded := list(map(self._encoded, self._batches(itertools.islice(rest, size), size))):
            yield Encoded.joined(encoded)

    def _answered_at_once(self) -> int:
        """With policy ``batch`` these hear each other."""
        return self.spec.evaluation.inductive_batch if policy_of(self.spec) == "batch" else self._batch_size()

    def _batch_size(self) -> int:
        return max(self.spec.encoder.tower(kind).batch_size for kind in modalities_of(self.spec))

    def _needed(self, given: Collection[str]) -> tuple[str, ...]:
        nodes = modalities_of(self.spec)
        describes = self._captioner is not None and "text" not in given
        shown = "text" in nodes and (describes or "image" in given)
        heard = [kind for kind in nodes if kind != "text" or not describes]
        return tuple(dict.fromkeys([*(["image"] if shown else []), *heard]))

    def _answered(self, queries: Queries, encoded: Encoded) -> Tensor:
        return self.among(finite(queries.logits(self._module.model).float().cpu(), encoded.names))

    def _described(self, items: Sequence[Item]) -> list[str] | None:
        """What the captioner says of each picture, where there is one and no text was given."""
        if self._captioner is None or "text" in items[0].modalities:
            return None
        pictures = [item.modalities["image"] for item in items]
        if isinstance(self._captioner, WrittenCaptions):
            return written_of_files(self._captioner, pictures, self.spec.dataset)
        size = self.spec.captioner.pictures_at_once() if self.spec.captioner else len(pictures)
        batches = [pictures[start : start + size] for start in range(0, len(pictures), size)]
        return [text for some in batches for text in texts_of(self._captioner, [bare(one.read()) for one in some])]

    def _encoded(self, items: Sequence[Item]) -> Encoded:
        texts = self._described(items)
        kinds = [kind for kind in modalities_of(self.spec) if kind != "text" or texts is None]
        contents: dict[str, Sequence[Any]] = {kind: [one.modalities[kind].read() for one in items] for kind in kinds}
        if texts is not None:
            contents["text"] = texts
        vectors = {
            kind: torch.cat(list(self._parts(kind, contents[kind], self._encoder.encode)))
            for kind in vector_modalities(self.spec)
        }
        tokens = {}
        for kind in token_modalities(self.spec):
            parts = self._parts(kind, contents[kind], self._encoder.encode_tokens)
            tokens[kind] = Tokens.of([one for part in parts for one in part])
        return Encoded(vectors, tokens, texts or [None] * len(items), list(map(name_of, items)))

    def _parts(self, modality: str, contents: Sequence[Any], encode: Callable[[str, Sequence[Any]], T]) -> Iterator[T]:
        size = self.spec.encoder.tower(modality).batch_size
        for start in range(0, len(contents), size):
            yield encode(modality, contents[start : start + size])


def load_feature_predictor(
    folder: Path, spec: PipelineSpec, catalogue: Catalogue, place: torch.device, stored: EncoderStage | None = None
) -> FeaturePredictor:
    """From a verified adapter folder. Raises ``RunFolderError`` where that, or the frozen model, is another.

    ``stored``: a stage of the same encoder; no model is loaded then that its store knows, and no captioner.
    """
    facts = FeatureAdapter.in_folder(folder)
    saved, tensors = read_tensors(folder / TENSORS), read_tensors(folder / SUPPORT)
    check_support(folder, spec, facts, tensors)
    encoder, weights_of = _frozen(spec, catalogue, place, stored, facts.encoder_weights)
    require_weights(folder, weights_of, modalities_of(spec), facts.encoder_weights)
    class_names = tuple(facts.class_names)
    prompts, blended = (
        class_prompts_in(tensors, name, facts.logit_scale) for name in ("class_vectors", "zero_shot.class_vectors")
    )
    with no_larger_than(folder, saved), _of_support(folder):
        model = build_model(spec, catalogue, facts.node_width, len(class_names), prompts, facts.text_width)
    fill(model, folder, saved)
    graph = spec.graph
    if facts.graph is not None:  # as the run resolved it (a degree as a threshold)
        graph = component_in(folder, "graph", "graph", GraphSpec, facts.graph, catalogue)
        same_graph(folder, graph, spec.graph)
    support = Support(
        tuple(facts.support_ids),
        nodes_in(tensors, facts.node_width).to(place),
        tensors["targets"].to(place),
        centre=centre_in(tensors),
    )
    builder = build(GraphBuilder, catalogue, graph) if graph and spec.adapter.needs_graph else None
    if builder is not None and facts.graph is None:
        require_settled(folder, builder, support.nodes, spec.graph)
    captioner = None if stored else _captioner(used_captioner(spec), catalogue, place)
    return FeaturePredictor(spec, class_names, model.to(place).eval(), support, builder, encoder, captioner, blended)


def _frozen(
    spec: PipelineSpec,
    catalogue: Catalogue,
    place: torch.device,
    stored: EncoderStage | None,
    trained_on: Mapping[str, str],
) -> tuple[Composed, Callable[[str], str]]:
    """The encoder, and what tells a modality's weights: the store where it says that they are those of the training,
    else the model."""
    if stored is None:
        encoder = build_encoder(catalogue, spec.encoder, place)
        return encoder, encoder.weights

    def weights(modality: str) -> str:
        known = stored.tower(modality).known_facts()
        if known is not None and known.weights == trained_on.get(modality):
            return known.weights
        return stored.open(modality).facts().weights

    return Composed(spec.encoder, stored.open), weights


@contextlib.contextmanager
def _of_support(folder: Path) -> Iterator[None]:
    """Class vectors that do not fit were read from there."""
    try:
        yield
    except DataError as error:
        raise RunFolderError(f"{folder / SUPPORT}, or `graftwork.node_width` in {CONFIG}: {error}") from None


def _captioner(
    spec: CaptionerSpec | None, catalogue: Catalogue, device: torch.device
) -> Captioner | WrittenCaptions | None:
    if spec is None:
        return None
    return build(WrittenCaptions, catalogue, spec) if spec.written else build(Captioner, catalogue, spec, device)
