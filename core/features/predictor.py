"""Predict for new items by a pipeline on features."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import torch
from PIL.Image import Image
from torch import Tensor

from ...registry.build import build
from ...registry.catalogue import Catalogue
from ..data.items import DataError
from ..data.pictures import bare, file_media, open_picture
from ..data.prediction import Prediction
from ..data.sounds import open_sound
from ..data.tokens import Tokens
from ..data.waveform import Waveform
from ..graph.make_nodes import nodes_of, zero_shot_logits
from ..graph.neighbours import neighbours_of
from ..graph.nodes import Nodes
from ..graph.queries import Queries, attach_queries
from ..graph.saved_support import class_prompts_in, nodes_in
from ..graph.support import Support
from ..roles.captioner import Captioner, PictureKey, WrittenCaptions
from ..roles.encoder import Encoder
from ..roles.graph import GraphBuilder
from ..roles.head import ClassPrompts
from ..spec.load_spec import spec_from_dict
from ..spec.node_kinds import modalities_of, token_modalities, vector_modalities
from ..spec.pipeline_spec import PipelineSpec
from ..stages.composed_encoder import build_encoder, require_weights
from ..storage.run_folder import read_json_file
from ..storage.tensors import read_tensors
from .model import FeatureModel, build_model

T = TypeVar("T")


class Predictor:
    """A trained pipeline; made by ``load``."""

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
        self.spec, self.class_names = spec, class_names
        self._model, self._support, self._builder = model, support, builder
        self._encoder, self._captioner, self._blended = encoder, captioner, blended

    def predict(self, images: Sequence[Any], texts: Sequence[str] | None = None) -> list[Prediction]:
        """One prediction for each image, in order, by the pipeline's inductive policy.

        By ``attach`` and ``rewire`` none depends on the others; by ``batch`` it hears those of its batch. A run that
        was ``transductive`` attaches: an image that training never saw was no node of its graph.

        ``images`` are paths, ``PIL.Image`` objects or uint8 arrays [H, W] or [H, W, 3]; of a pipeline of sounds, paths
        or ``Waveform``. ``texts`` describe them, for pipelines whose nodes hold text and that have no captioner.
        Raises ``DataError``.
        """
        if not images:
            return []
        opened = [self.open(image) for image in images]
        described = self._described(images, opened) if texts is None else None
        nodes = self._nodes(opened, described if texts is None else texts)
        queries = self._met(nodes)
        neighbours = neighbours_of(self._support, nodes, queries.sources, self.class_names)
        probabilities = self._answered(queries).softmax(dim=-1)
        said: Sequence[str | None] = described or [None] * len(opened)
        return [
            Prediction.of(shares, self.class_names, near, text)
            for shares, near, text in zip(probabilities, neighbours, said, strict=True)
        ]

    def logits(self, images: Sequence[Any], texts: Sequence[str] | None = None) -> Tensor:
        """Logits float32 [N, C] on the CPU, classes in the order of ``class_names``."""
        opened = [self.open(image) for image in images]
        nodes = self._nodes(opened, self._described(images, opened) if texts is None else texts)
        return self._answered(self._met(nodes))

    @property
    def of_sounds(self) -> bool:
        """Whether it predicts for sounds instead of images."""
        return "audio" in modalities_of(self.spec)

    def open(self, content: Any) -> Image | Waveform:
        """One of what ``predict`` takes, decoded. Raises ``DataError``."""
        return open_sound(content) if self.of_sounds else open_picture(content)

    def _met(self, nodes: Nodes) -> Queries:
        return attach_queries(self._support, nodes, self._builder, self.spec)

    def _answered(self, queries: Queries) -> Tensor:
        return queries.logits(self._model).float().cpu()

    def _described(self, images: Sequence[Any], pictures: Sequence[Any]) -> list[str] | None:
        """What the captioner says of each picture, where there is one; written descriptions are found by file."""
        if isinstance(self._captioner, WrittenCaptions):
            return _written(self._captioner, images)
        if self._captioner is None:
            return None
        size = self.spec.captioner.pictures_at_once() if self.spec.captioner else len(pictures)
        batches = _batches([bare(picture) for picture in pictures], size)
        return [text for batch in batches for text in self._captioner.describe(batch)]

    def _nodes(self, opened: Sequence[Any], texts: Sequence[str] | None) -> Nodes:
        contents: dict[str, Sequence[Any]] = {"audio" if self.of_sounds else "image": opened}
        if "text" in modalities_of(self.spec):
            if texts is None:
                raise DataError(
                    "this pipeline's nodes hold text and it has no captioner: "
                    "give predict(images, texts=[...]), on the command line --text"
                )
            contents["text"] = list(texts)
            if len(contents["text"]) != len(opened):
                raise DataError(f"{len(contents['text'])} texts for {len(opened)} images")
        spec, graph = self.spec, self.spec.graph
        vectors = {
            kind: torch.cat(list(self._batches(kind, contents[kind], self._encoder.encode)))
            for kind in vector_modalities(spec)
        }
        tokens = {}
        for kind in token_modalities(spec):
            batches = self._batches(kind, contents[kind], self._encoder.encode_tokens)
            tokens[kind] = Tokens.of([one for batch in batches for one in batch])
        nodes = nodes_of(vectors, tokens, graph)
        if self._blended is not None:
            nodes = replace(nodes, zero_shot=zero_shot_logits(vectors, graph, self._blended))
        return nodes.to(self._support.targets.device)

    def _batches(
        self, modality: str, contents: Sequence[Any], encode: Callable[[str, Sequence[Any]], T]
    ) -> Iterator[T]:
        size = self.spec.encoder.tower(modality).batch_size
        for start in range(0, len(contents), size):
            yield encode(modality, contents[start : start + size])


def _assembled(folder: Path, spec: PipelineSpec, catalogue: Catalogue, place: torch.device) -> Predictor:
    facts = read_json_file(folder / "adapter_config.json")["graftwork"]
    tensors = read_tensors(folder / "support.safetensors")
    encoder = build_encoder(catalogue, spec.encoder, place)
    require_weights(folder, encoder, modalities_of(spec), facts)
    class_names = tuple(facts["class_names"])
    prompts, blended = (class_prompts_in(tensors, name, facts) for name in ("class_vectors", "zero_shot.class_vectors"))
    model = build_model(spec, catalogue, facts["node_width"], len(class_names), prompts, facts.get("text_width"))
    model.load_state_dict(read_tensors(folder / "adapter_model.safetensors"))
    resolved = spec_from_dict(spec.to_json(), {"graph": facts["graph"]}, catalogue) if facts.get("graph") else spec
    support = Support(tuple(facts["support_ids"]), nodes_in(tensors, facts).to(place), tensors["targets"].to(place))
    builder = build(GraphBuilder, catalogue, resolved.graph) if resolved.graph and spec.adapter.needs_graph else None
    needs_captioner = "text" in modalities_of(spec)
    captioner = _captioner(spec, catalogue, place) if needs_captioner else None
    return Predictor(spec, class_names, model.to(place).eval(), support, builder, encoder, captioner, blended)


def _written(captions: WrittenCaptions, images: Sequence[Any]) -> list[str]:
    """Written descriptions of pictures in files. Raises ``DataError`` naming those that have none."""
    keys = []
    for image in images:
        if not isinstance(image, (str, Path)):
            raise DataError("written descriptions are found by file: give paths, or predict(images, texts=[...])")
        media = file_media(Path(image))
        keys.append(PictureKey(str(image), media.digest, media.source))
    found = captions.look_up(keys)
    lacking = [key.source for key, text in zip(keys, found, strict=True) if text is None]
    if lacking:
        raise DataError(f"no description for {', '.join(lacking[:10])}: write one, or give --text (texts=[...])")
    return [text for text in found if text is not None]


def _batches(values: Sequence[Any], size: int) -> list[Sequence[Any]]:
    return [values[start : start + size] for start in range(0, len(values), size)]


def _captioner(spec: PipelineSpec, catalogue: Catalogue, device: torch.device) -> Captioner | WrittenCaptions | None:
    if spec.captioner is None:
        return None
    if spec.captioner.written:
        return build(WrittenCaptions, catalogue, spec.captioner)
    return build(Captioner, catalogue, spec.captioner, device)
