"""Load a finished run and predict for new images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from PIL.Image import Image
from torch import Tensor

from ..registry.catalogue import Catalogue
from ..registry.discovery import default_catalogue
from ..triton_kernels import SparseGraph
from .assemble import build
from .captioner import Captioner, PictureKey, WrittenCaptions
from .dataset import DataError
from .devices import own_randomness, resolve_device
from .encoder import Encoder
from .features import node_vectors
from .graph import GraphBuilder, Support
from .head import ClassPrompts
from .load_spec import load_spec
from .model import GraftedModel, build_model
from .node_kinds import modalities_of
from .pictures import bare, file_media, open_picture
from .pipeline_spec import PipelineSpec
from .run_folder import RunFolderError, adapter_folder, read_json_file, read_tensors


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A support item that a prediction heard."""

    id: str
    #: Its class, or ``None`` for an unlabelled support item.
    label: str | None
    #: Cosine of the two node vectors.
    similarity: float


@dataclass(frozen=True, slots=True)
class Prediction:
    """What the pipeline says of one image."""

    label: str
    #: Softmax probability of ``label``, 0 to 1.
    probability: float
    #: Every class with its probability, most probable first.
    probabilities: dict[str, float]
    #: Nearest first; empty without a graph.
    neighbours: tuple[Neighbour, ...]
    #: What the captioner says of the image; ``None`` where none was asked.
    description: str | None = None

    def to_json(self) -> dict[str, Any]:
        """As plain JSON."""
        return asdict(self)


class Predictor:
    """A trained pipeline; made by ``load``."""

    def __init__(
        self,
        spec: PipelineSpec,
        class_names: tuple[str, ...],
        model: GraftedModel,
        support: Support,
        builder: GraphBuilder | None,
        encoder: Encoder,
        captioner: Captioner | WrittenCaptions | None,
    ) -> None:
        self.spec, self.class_names = spec, class_names
        self._model, self._support, self._builder = model, support, builder
        self._encoder, self._captioner = encoder, captioner

    def predict(self, images: Sequence[Any], texts: Sequence[str] | None = None) -> list[Prediction]:
        """One prediction for each image, in order; by ``attach`` none depends on the others.

        ``images`` are paths, ``PIL.Image`` objects or uint8 arrays [H, W] or [H, W, 3]. ``texts`` describe them, for
        pipelines whose nodes hold text and that have no captioner. Raises ``DataError``.
        """
        if not images:
            return []
        pictures = [open_picture(image) for image in images]
        described = self._described(images, pictures) if texts is None else None
        logits, neighbours = self._logits(self._nodes(pictures, described if texts is None else texts))
        probabilities = logits.softmax(dim=-1)
        said: Sequence[str | None] = described or [None] * len(pictures)
        return [self._prediction(*one) for one in zip(probabilities, neighbours, said, strict=True)]

    def logits(self, images: Sequence[Any], texts: Sequence[str] | None = None) -> Tensor:
        """Logits float32 [N, C] on the CPU, classes in the order of ``class_names``."""
        pictures = [open_picture(image) for image in images]
        return self._logits(self._nodes(pictures, self._described(images, pictures) if texts is None else texts))[0]

    def _described(self, images: Sequence[Any], pictures: Sequence[Image]) -> list[str] | None:
        """What the captioner says of each picture, where there is one; written descriptions are found by file."""
        if isinstance(self._captioner, WrittenCaptions):
            return _written(self._captioner, images)
        if self._captioner is None:
            return None
        size = self.spec.captioner.pictures_at_once() if self.spec.captioner else len(pictures)
        batches = _batches([bare(picture) for picture in pictures], size)
        return [text for batch in batches for text in self._captioner.describe(batch)]

    def _nodes(self, pictures: Sequence[Image], texts: Sequence[str] | None) -> Tensor:
        contents: dict[str, Sequence[Any]] = {"image": pictures}
        if "text" in modalities_of(self.spec.graph):
            if texts is None:
                raise DataError(
                    "this pipeline's nodes hold text and it has no captioner: "
                    "give predict(images, texts=[...]), on the command line --text"
                )
            contents["text"] = list(texts)
            if len(contents["text"]) != len(pictures):
                raise DataError(f"{len(contents['text'])} texts for {len(pictures)} images")
        size = self.spec.encoder.batch_size
        vectors = {
            modality: torch.cat([self._encoder.encode(modality, batch) for batch in _batches(contents[modality], size)])
            for modality in modalities_of(self.spec.graph)
        }
        return node_vectors(vectors, self.spec.graph).to(self._support.targets.device)

    def _logits(self, x: Tensor) -> tuple[Tensor, list[tuple[Neighbour, ...]]]:
        nodes = self._support.attach(x, self._builder)
        logits = self._model.query_logits(nodes).float().cpu()
        if nodes.graph is None:
            return logits, [()] * len(x)
        first = len(nodes.x) - len(x)
        return logits, [self._heard(nodes.graph, row, x[row - first]) for row in range(first, len(nodes.x))]

    def _heard(self, graph: SparseGraph, row: int, vector: Tensor) -> tuple[Neighbour, ...]:
        ids = graph.col[graph.rowptr[row] : graph.rowptr[row + 1]]
        cosines = torch.cosine_similarity(self._support.x[ids], vector[None])
        found = [
            Neighbour(self._support.ids[id_], self._label(id_), round(float(cosine), 6))
            for id_, cosine in zip(ids.tolist(), cosines, strict=True)
        ]
        return tuple(sorted(found, key=lambda near: (-near.similarity, near.id)))

    def _label(self, node: int) -> str | None:
        target = int(self._support.targets[node])
        return self.class_names[target] if target >= 0 else None

    def _prediction(self, probabilities: Tensor, near: tuple[Neighbour, ...], description: str | None) -> Prediction:
        order = probabilities.argsort(descending=True, stable=True).tolist()
        ranked = {self.class_names[index]: float(probabilities[index]) for index in order}
        label = self.class_names[order[0]]
        return Prediction(label, ranked[label], ranked, near, description)


def load(run: str | Path, *, device: str = "auto", catalogue: Catalogue | None = None) -> Predictor:
    """Load a finished run (its folder, or the ``adapter`` folder alone).

    Raises ``RunFolderError`` for a missing or altered file, or where the frozen model's weights are not those that the
    adapter was trained on.
    """
    folder = adapter_folder(Path(run))
    catalogue = catalogue or default_catalogue()
    spec = load_spec(folder / "pipeline.json", catalogue=catalogue)
    place = resolve_device(device)
    with own_randomness(place):  # models draw initial weights before the saved ones take their place
        return _assembled(folder, spec, catalogue, place)


def _assembled(folder: Path, spec: PipelineSpec, catalogue: Catalogue, place: torch.device) -> Predictor:
    facts = read_json_file(folder / "adapter_config.json")["graftwork"]
    tensors = read_tensors(folder / "support.safetensors")
    encoder: Encoder = build(catalogue, spec.encoder, place)
    if encoder.facts().weights != facts["encoder_weights"]:
        raise RunFolderError(
            f"the frozen model is not the one that {folder} was trained on: its weights have changed "
            f"(sha256 {encoder.facts().weights[:12]}, was {facts['encoder_weights'][:12]}); bring the old weights back"
        )
    class_names = tuple(facts["class_names"])
    prompts = ClassPrompts(tensors["class_vectors"], facts["logit_scale"]) if "class_vectors" in tensors else None
    model = build_model(spec, catalogue, facts["node_width"], len(class_names), prompts)
    model.load_state_dict(read_tensors(folder / "adapter_model.safetensors"))
    graph = _stored_graph(tensors)
    support = Support(
        tuple(facts["support_ids"]),
        tensors.get("x", torch.empty(0, facts["node_width"])).to(place),
        tensors["targets"].to(place),
        graph.to(place) if graph else None,
    )
    builder = build(catalogue, spec.graph) if graph is not None and spec.graph else None
    needs_captioner = spec.captioner is not None and "text" in modalities_of(spec.graph)
    arguments = () if spec.captioner and spec.captioner.written else (place,)
    captioner = build(catalogue, spec.captioner, *arguments) if spec.captioner and needs_captioner else None
    return Predictor(spec, class_names, model.to(place).eval(), support, builder, encoder, captioner)


def _stored_graph(tensors: dict[str, Tensor]) -> SparseGraph | None:
    if "graph.rowptr" not in tensors:
        return None
    nodes = len(tensors["graph.rowptr"]) - 1
    return SparseGraph(tensors["graph.rowptr"], tensors["graph.col"], tensors.get("graph.weight"), nodes, nodes)


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
