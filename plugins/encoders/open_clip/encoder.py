"""The open_clip encoder: any architecture, tag, checkpoint or folder, frozen."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import normalize

from ....core.roles import Encoder, EncoderError, EncoderFacts
from ....core.storage.files import IRREGULAR, irregular_in
from ....core.towers.frozen_tower import FrozenTower
from ....registry.errors import nearest
from ...checkpoints.fetch import asking_once
from ...checkpoints.fingerprint import fingerprint
from ...checkpoints.libraries import DTYPES, reason_of, without_remote_code
from ..pinned_batches import stacked
from . import files
from .spec import OpenClipSpec
from .tokens import image_tokens, text_tokens
from .towers import frozen_towers


def import_open_clip() -> Any:
    """open_clip, importable beside any torchvision."""
    import open_clip

    return open_clip


def _hub(spec: OpenClipSpec) -> contextlib.AbstractContextManager[None]:
    """What is fetched comes of open_clip itself, model and tokenizer file by file."""
    return contextlib.nullcontext() if files.folder_of(spec.model) else asking_once()


class OpenClip(Encoder):
    """A frozen CLIP. Raises ``EncoderError`` when weights are missing or do not fit the architecture."""

    def __init__(self, spec: OpenClipSpec, device: torch.device) -> None:
        self._device, self._name = device, spec.model
        self._dtype = DTYPES[spec.precision]
        self._library = import_open_clip()
        try:
            with without_remote_code(), _hub(spec):
                self._model, self._preprocess, self._tokenize = self._load(spec)
        except EncoderError:
            raise
        except Exception as error:  # assertions, safetensors' and pickle's own errors: it cannot be loaded
            reason = spec.missing_files() or reason_of(error)
            raise EncoderError(f"encoder: open_clip cannot load `{spec.model}`: {reason}") from error
        self._model.eval().requires_grad_(False)
        self._facts: EncoderFacts | None = None
        self._tokenized: tuple[tuple[str, ...], Tensor] | None = None

    def facts(self) -> EncoderFacts:
        """Fingerprint over all weights; hashed once."""
        if self._facts is None:
            count = sum(parameter.numel() for parameter in self._model.parameters())
            weights = fingerprint(self._model.state_dict())
            self._facts = EncoderFacts(weights, count, float(self._model.logit_scale.exp()))
        return self._facts

    @torch.no_grad()
    def encode(self, modality: str, batch: Sequence[Any]) -> Tensor:
        """Unit vectors float32 [B, embed_dim] of pictures or texts, on the CPU."""
        inputs = self._inputs(modality, batch)
        vectors = self._model.encode_image(inputs) if modality == "image" else self._model.encode_text(inputs)
        return normalize(vectors.float(), dim=-1).cpu()

    @torch.no_grad()
    def encode_tokens(self, modality: str, batch: Sequence[Any]) -> list[Tensor]:
        """Tokens float32 [T_i, embed_dim] in the joint space, on the CPU; see ``open_clip_tokens``."""
        inputs = self._inputs(modality, batch)
        image = modality == "image"
        tokens = image_tokens(self._model.visual, inputs) if image else text_tokens(self._model, inputs)
        return [one.float().cpu() for one in tokens]

    def preprocess(self, modality: str, content: Any) -> Any:
        """A picture as resized, normalised pixels [3, side, side]; texts are tokenized a batch at a time."""
        return self._preprocess(content) if modality == "image" and not isinstance(content, Tensor) else content

    def towers(self) -> Sequence[FrozenTower]:
        """Of images and of texts; a ResNet runs as it is, beside a text tower that adapters can enter."""
        width = int(self.encode("text", [""]).shape[1])
        return frozen_towers(self._name, self._model, width, self._inputs)

    def _inputs(self, modality: str, batch: Sequence[Any]) -> Tensor:
        if modality == "image":
            return stacked([self.preprocess(modality, picture) for picture in batch], self._device, self._dtype)
        if modality == "text":
            return self._tokens(batch).to(self._device)
        raise EncoderError(f"encoder: open_clip has no {modality} tower")

    def truncated(self, texts: Sequence[str]) -> list[bool]:
        """Whether a text still has a token, and not padding as the empty text, in the place after the window."""
        tokens, padding = self._tokens(texts), self._tokenize([""])[0, -1]
        full = tokens[:, -1] != padding  # only these can be too long
        if bool(full.any()):
            wide = self._tokenize(list(itertools.compress(texts, full.tolist())), context_length=tokens.shape[1] + 1)
            full[full.clone()] = wide[:, -1] != padding
        return full.tolist()

    def _tokens(self, texts: Sequence[str]) -> Tensor:
        """int64 [B, window]; the latest batch is remembered, since it is counted first and encoded then."""
        if self._tokenized is None or self._tokenized[0] != tuple(texts):
            self._tokenized = tuple(texts), self._tokenize(list(texts))
        return self._tokenized[1]

    def _load(self, spec: OpenClipSpec) -> tuple[Any, Callable[[Any], Tensor], Callable[..., Tensor]]:
        folder = files.folder_of(spec.model)
        if folder is not None and folder.is_dir() and (irregular := irregular_in(folder)):
            raise EncoderError(f"encoder: {irregular} {IRREGULAR}")
        if folder is not None and files.weights_file(spec.model, None) is None:
            raise EncoderError(f"encoder: {folder} holds none of {', '.join(files.WEIGHT_FILES)}")
        name = f"{files.LOCAL}{folder}" if folder else spec.model
        if spec.pretrained is not None:
            _require_tag(self._library, spec.model, spec.pretrained)
        if spec.checkpoint is not None and not Path(spec.checkpoint).is_file():
            raise EncoderError(f"encoder.checkpoint: {spec.checkpoint} does not exist")
        model, _, preprocess = self._library.create_model_and_transforms(
            name,
            pretrained=spec.pretrained or spec.checkpoint,
            precision={"fp32": "fp32", "fp16": "pure_fp16", "bf16": "pure_bf16"}[spec.precision],
            device=self._device,
            force_image_size=spec.image_size,
            weights_only=True,
        )
        return model, preprocess, self._tokenizer(name, folder, model)

    def _tokenizer(self, name: str, folder: Path | None, model: Any) -> Callable[..., Tensor]:
        vocabulary = folder / files.VOCABULARY_FILE if folder else None
        if vocabulary is not None and vocabulary.is_file():
            length = model.context_length
            return self._library.SimpleTokenizer(bpe_path=str(vocabulary), context_length=length)  # type: ignore[no-any-return]
        said = files.text_config(name)
        given = said.get("tokenizer_kwargs") or {}
        # open_clip would hand them on to transformers, among them `trust_remote_code`.
        if odd := sorted(given.keys() - files.TOKENIZER_KEYS):
            raise EncoderError(
                f"encoder.model: {name}: `tokenizer_kwargs` in its configuration asks for {', '.join(odd)}: only "
                f"{', '.join(sorted(files.TOKENIZER_KEYS))} are taken from a model's files, so that none of them can "
                "make a library run its code; remove the others, or take another model"
            )
        if said.get("hf_tokenizer_name"):
            return self._library.get_tokenizer(name, trust_remote_code=False)  # type: ignore[no-any-return]
        return self._library.get_tokenizer(name)  # type: ignore[no-any-return]  # open_clip's own: takes no such word


def _require_tag(library: Any, model: str, tag: str) -> None:
    tags = library.list_pretrained_tags_by_model(model)
    if tag not in tags:
        near = nearest(tag, tags)
        hint = f"did you mean `{near}`?" if near else f"known: {', '.join(tags) or 'none'}"
        raise EncoderError(f"encoder.pretrained: open_clip has no weights `{tag}` for {model}; {hint}")
