"""The timm encoder: any architecture of timm, frozen; by hub tag, by file or folder, or from a package."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import normalize

from ....core.roles import Encoder, EncoderError, EncoderFacts
from ....core.towers.frozen_tower import FrozenTower
from ...checkpoints.fingerprint import fingerprint
from ...checkpoints.libraries import DTYPES, first_lines
from ...checkpoints.locate import commit_of
from ..maps import tokens_of_map
from ..pinned_batches import stacked
from . import files, weights
from .spec import TimmSpec
from .towers import ReadOut, frozen_tower


def import_timm() -> Any:
    """timm, importable beside any torchvision."""
    import timm

    return timm


class Timm(Encoder):
    """A frozen vision model of timm. Raises ``EncoderError`` when weights are missing or do not fit the architecture.

    A vector is what the classifier reads, or what it gives. Tokens are what ``forward_features`` gives: class and
    register tokens and patches of a transformer, the positions of a convolutional network's map row by row.
    """

    def __init__(self, spec: TimmSpec, device: torch.device) -> None:
        self._spec, self._device, self._dtype = spec, device, DTYPES[spec.precision]
        library, found = import_timm(), weights.complete(spec)
        try:
            model = weights.load(library, spec, found)
        except EncoderError:
            raise
        except Exception as error:  # an architecture's own assertions: it cannot be made
            raise EncoderError(
                f"encoder.model: timm cannot make `{spec.architecture}`: {first_lines(error)}"
            ) from error
        self._model: Any = model.to(device, self._dtype)
        self._read_out = ReadOut(self._model, spec.output)
        if spec.output == "logits" and not self._model.num_classes:
            raise EncoderError(f'encoder.output: {found} has no classifier (0 classes); take "pooled"')
        self._transform = _transform(library, spec, found, self._model)
        self._revision = commit_of(found)
        if spec.preprocessing is not None and spec.preprocessing.size is not None:
            self._require_size(spec.preprocessing.size)
        self._facts: EncoderFacts | None = None

    def facts(self) -> EncoderFacts:
        """Fingerprint over all weights, the classifier's among them; hashed once."""
        if self._facts is None:
            count = sum(parameter.numel() for parameter in self._model.parameters())
            self._facts = EncoderFacts(fingerprint(self._model.state_dict()), count, None, self._revision)
        return self._facts

    def preprocess(self, modality: str, content: Any) -> Any:
        """A picture as resized, normalised pixels [3, H, W]."""
        if modality != "image" or isinstance(content, Tensor):
            return content
        return self._transform(content.convert("RGB"))

    @torch.no_grad()
    def encode(self, modality: str, batch: Sequence[Any]) -> Tensor:
        """Unit vectors float32 [B, d] of pictures, on the CPU."""
        return normalize(self._read_out(self._pixels(modality, batch)).float(), dim=-1).cpu()

    @torch.no_grad()
    def encode_tokens(self, modality: str, batch: Sequence[Any]) -> list[Tensor]:
        """Tokens float32 [T, d] of each picture, on the CPU; see the class."""
        found = self._model.forward_features(self._pixels(modality, batch))
        tokens = tokens_of_map(found, self._model.num_features) if isinstance(found, Tensor) else None
        if tokens is None or tokens.ndim != 3:
            name = self._spec.architecture
            raise EncoderError(f"encoder.model: `{name}` gives no single map of tokens; take other nodes")
        return list(tokens.float().cpu())

    @torch.no_grad()
    def class_probabilities(self, modality: str, batch: Sequence[Any]) -> Tensor:
        """float32 [B, C] of pictures over the classes that the model was trained for, on the CPU."""
        if not self._model.num_classes:
            raise EncoderError(f"encoder: `{self._spec.source}` has no classifier (0 classes)")
        return self._model(self._pixels(modality, batch)).float().softmax(dim=-1).cpu()  # type: ignore[no-any-return]

    def towers(self) -> Sequence[FrozenTower]:
        """One, of pictures. Raises ``EncoderError`` for an architecture without blocks that adapters can enter."""
        blank = self.preprocess("image", Image.new("RGB", (256, 256)))
        pixels = partial(self._pixels, "image")
        return (frozen_tower(self._spec.source, self._read_out, pixels, blank),)

    @torch.no_grad()
    def _require_size(self, size: int) -> None:
        try:
            self._read_out(torch.zeros(1, 3, size, size, device=self._device, dtype=self._dtype))
        except Exception as error:  # each architecture's own: positions are fixed, or a map would be empty
            raise EncoderError(
                f"encoder.preprocessing.size: `{self._spec.architecture}` takes no pictures of {size} pixels: "
                f"{first_lines(error)}"
            ) from error

    def _pixels(self, modality: str, batch: Sequence[Any]) -> Tensor:
        if modality != "image":
            raise EncoderError(f"encoder: timm encodes images, and has no {modality} tower")
        return stacked([self.preprocess(modality, one) for one in batch], self._device, self._dtype)


def _transform(library: Any, spec: TimmSpec, found: Path, model: Any) -> Callable[[Any], Tensor]:
    """timm's own evaluation transform, by the configuration of folder or architecture, and by what the spec says."""
    own = dict(files.config(found).get("pretrained_cfg") or model.pretrained_cfg or {})
    if spec.pinned is not None:
        own = spec.pinned.preprocessing.over(own)
    said = spec.preprocessing.over(own) if spec.preprocessing else own
    _require_normalisation(spec, said)
    settings = library.data.resolve_data_config(said, pretrained_cfg=own)
    return library.data.create_transform(**settings, is_training=False)  # type: ignore[no-any-return]


def _require_normalisation(spec: TimmSpec, said: Mapping[str, Any]) -> None:
    lacking = [name for name in ("mean", "std") if not said.get(name)]
    if lacking:
        raise EncoderError(
            f"encoder.preprocessing: nothing says the {' and the '.join(lacking)} of the pixels that "
            f"`{spec.architecture}` was trained with; set `preprocessing.{lacking[0]}`"
        )
