"""The conse encoder: what a classifier takes an image for, said in a text encoder's space."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import normalize

from ....core.roles import Encoder, EncoderError, EncoderFacts, EncoderSpec
from ..class_names import names_in
from .spec import ConseSpec


class Conse(Encoder):
    """Convex combination of semantic embeddings (Norouzi et al. 2014, "Zero-shot learning by convex combination of
    semantic embeddings", eq. 4): the vector of an image is sum_k p_k t(name_k) over its k likeliest classes, at unit
    length; p are the classifier's probabilities, t the text encoder's unit vectors. Texts are the text encoder's own.

    Raises ``EncoderError`` where the classifier has another number of classes than there are names.
    """

    def __init__(
        self, spec: ConseSpec, device: torch.device, assemble: Callable[[EncoderSpec, torch.device], Encoder]
    ) -> None:
        self._spec = spec
        try:
            names = names_in(spec.class_names)
        except ValueError as error:
            raise EncoderError(f"encoder.class_names: {error}") from error
        if names is None:
            raise EncoderError(f"encoder.class_names: {spec.class_names} does not exist")
        self._names = names
        self._known: dict[int, Tensor] = {}
        self._image, self._text = assemble(spec.image, device), assemble(spec.text, device)

    def facts(self) -> EncoderFacts:
        """A fingerprint of both fingerprints, and the sum of their parameters."""
        found = [part.facts() for part in (self._image, self._text)]
        fingerprint = hashlib.sha256("".join(one.weights for one in found).encode()).hexdigest()
        return EncoderFacts(fingerprint, sum(one.parameters for one in found), None)

    def preprocess(self, modality: str, content: Any) -> Any:
        """As the part does."""
        return self._part(modality).preprocess(modality, content)

    @torch.no_grad()
    def encode(self, modality: str, batch: Sequence[Any]) -> Tensor:
        """Unit vectors float32 [B, d] in the text encoder's space, on the CPU."""
        if modality != "image":
            return self._part(modality).encode(modality, batch)
        probabilities = self._image.class_probabilities("image", batch)
        if probabilities.shape[1] != len(self._names):
            raise EncoderError(
                f"encoder.class_names: the classifier has {probabilities.shape[1]} classes, and "
                f"{self._spec.class_names} {len(self._names)} names; name a file with a line a class"
            )
        shares, classes = probabilities.topk(min(self._spec.likeliest, len(self._names)), dim=1)
        return normalize((shares[..., None] * self._vectors(classes)).sum(1), dim=-1)

    def encode_tokens(self, modality: str, batch: Sequence[Any]) -> list[Tensor]:
        """Of texts; an image is one vector. Raises ``EncoderError``."""
        if modality == "image":
            raise EncoderError("encoder: conse gives no tokens of an image; take encoder `dual`, or other nodes")
        return self._part(modality).encode_tokens(modality, batch)

    def class_probabilities(self, modality: str, batch: Sequence[Any]) -> Tensor:
        """The classifier's."""
        return self._part(modality).class_probabilities(modality, batch)

    def truncated(self, texts: Sequence[str]) -> list[bool]:
        """As the text encoder says."""
        return self._text.truncated(texts)

    def _vectors(self, classes: Tensor) -> Tensor:
        """Of the names of ``classes`` (any shape), an axis [d] more; each is encoded when it first comes up."""
        wanted = classes.flatten().tolist()
        new = sorted({*wanted} - self._known.keys())
        for start in range(0, len(new), self._spec.batch_size):
            some = new[start : start + self._spec.batch_size]
            texts = [self._spec.wording.replace("{}", self._names[one]) for one in some]
            self._known |= zip(some, self._text.encode("text", texts), strict=True)
        return torch.stack([self._known[one] for one in wanted]).view(*classes.shape, -1)

    def _part(self, modality: str) -> Encoder:
        if modality not in ("image", "text"):
            raise EncoderError(f"encoder: conse encodes images and texts, and has no {modality} tower")
        return self._image if modality == "image" else self._text
