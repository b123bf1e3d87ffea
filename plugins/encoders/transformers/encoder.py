"""The transformers encoder: models of pictures, clips, texts and sounds, frozen; by hub id or by folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import normalize

from ....core.roles import Encoder, EncoderError, EncoderFacts
from ....core.towers.frozen_tower import FrozenTower
from ...checkpoints.fetch import PATTERNS, NotFetched, command, fetch
from ...checkpoints.fingerprint import fingerprint
from ...checkpoints.libraries import DTYPES, quiet_transformers, reason_of
from ...checkpoints.locate import absent, commit_of, folder_of, is_path
from ..closed_tower import closed
from . import files
from .audio import AudioSide
from .image import ImageSide
from .sentence_modules import transformer_folder
from .side import Inputs, Side
from .single_stream import SingleStream, together
from .spec import TransformersSpec
from .text import TextSide
from .towers import frozen_towers
from .video import VideoSide
from .whisper import WhisperSide, load_encoder


class Transformers(Encoder):
    """A frozen model of pictures, clips, texts or sounds, or of several of them.

    Raises ``EncoderError`` when it is not there, not safe to open, or of a kind that cannot encode.

    Tokens are the last hidden states after the tower's final norm: of an image the class token (where there is one),
    register tokens and patches; of a text every token, special ones included, padding left out; of a sound the patches
    of its spectrogram, or its frames. With the projection of a CLIP they are projected, as the pooled token is; so are
    SigLIP's text tokens. SigLIP's image tokens are not: its vector pools them by attention. Dense layers of a
    sentence-transformers folder act on vectors, not on tokens.
    """

    def __init__(self, spec: TransformersSpec, device: torch.device) -> None:
        self._spec = spec
        root = _complete_folder(spec)
        config = files.config(root) or {}
        self._kind = files.kind(config)
        self._projects = self._kind == "joint" and spec.pooling in ("auto", "projection")
        if self._kind is None:
            raise EncoderError(f"encoder.model: {root} is a `{config.get('model_type')}` model, and no encoder")
        with _explained(spec.model), quiet_transformers():
            self._model = _load(root, DTYPES[spec.precision]).to(device)
            self._single = SingleStream(self._model, root, spec.pooling) if self._kind == "single" else None
            self._sides = {} if self._single else self._loaded_sides(root)
        self.takes_clips = "video" in self._sides
        self._root = root
        self._revision = commit_of(root)
        self._facts: EncoderFacts | None = None

    def _loaded_sides(self, root: Path) -> dict[str, Side]:
        """By modality, in the order of the towers."""
        joint, folder = self._kind == "joint", transformer_folder(root)
        of_sounds = WhisperSide if files.is_whisper(files.config(root) or {}) else AudioSide
        made: dict[str, Callable[[], Side]] = {
            "image": lambda: ImageSide(self._model, folder, joint, self._spec.image_size),
            "text": lambda: TextSide(self._model, root, joint),
            "video": lambda: VideoSide(self._model, folder),
            "audio": lambda: of_sounds(self._model, folder, joint),
        }
        return {modality: made[modality]() for modality in files.modalities(files.config(root) or {})}

    def facts(self) -> EncoderFacts:
        """Fingerprint over all weights, dense layers included; hashed once."""
        if self._facts is None:
            tensors, parameters = self._model.state_dict(), list(self._model.parameters())
            if isinstance(text := self._sides.get("text"), TextSide):
                tensors |= {f"dense.{name}": tensor for name, tensor in text.dense.state_dict().items()}
                parameters += text.dense.parameters()
            scale = getattr(self._model, "logit_scale", getattr(self._model, "logit_scale_a", None))
            self._facts = EncoderFacts(
                fingerprint(tensors),
                sum(parameter.numel() for parameter in parameters),
                float(scale.exp()) if scale is not None and self._projects else None,
                self._revision,
            )
        return self._facts

    def preprocess(self, modality: str, content: Any) -> Any:
        """A picture as pixels, a sound as features; a text as it is: texts are tokenized a batch at a time."""
        if self._single is not None:
            return self._single.preprocess(modality, content)
        return content if isinstance(content, Mapping) else self._side(modality).preprocess(content)

    @torch.no_grad()
    def encode(self, modality: str, batch: Sequence[Any]) -> Tensor:
        """Unit vectors float32 [B, d] of a batch of one modality, on the CPU."""
        found: dict[int, Tensor] = {}
        for side, inputs, rows in self._ready(modality, batch):
            vectors = normalize(self._vectors(side, side.module(**inputs), inputs).float(), dim=-1).cpu()
            found |= zip(rows, vectors, strict=True)
        return torch.stack([found[row] for row in range(len(batch))])

    @torch.no_grad()
    def encode_tokens(self, modality: str, batch: Sequence[Any]) -> list[Tensor]:
        """Tokens float32 [T_i, d] of each content, on the CPU; see the class."""
        found: dict[int, Tensor] = {}
        for side, inputs, rows in self._ready(modality, batch):
            hidden = side.hidden(side.module(**inputs), inputs)
            states = side.projected_tokens(hidden.states) if self._projects else hidden.states
            for row, one, mask in zip(rows, states, hidden.mask, strict=True):
                found[row] = one[mask].float().cpu()
        return [found[row] for row in range(len(batch))]

    def towers(self) -> Sequence[FrozenTower]:
        """One a modality; a single-stream model is one. One that cannot be entered runs as it is, beside others."""
        said = self._model.config.to_dict()
        if files.is_timm(said):
            raise EncoderError(closed(self._spec.model, ["image"], "it is a model of timm", "encoder `timm` for it"))
        shapes = files.tower_shapes(self._root, self._projects, said)
        if shapes is None:  # a loaded configuration leaves nothing to defaults: its structure is one of its own
            raise EncoderError(closed(self._spec.model, files.modalities(said)))
        if self._single is not None:
            return (self._single.frozen_tower(shapes[0].read_out),)
        return frozen_towers(self._spec.model, self._sides, shapes, self._vectors)

    def truncated(self, texts: Sequence[str]) -> list[bool]:
        """Texts with more tokens than the window."""
        text = self._single.text if self._single else self._sides.get("text")
        return text.truncated(texts) if isinstance(text, TextSide) else [False] * len(texts)

    def seconds_heard(self) -> float | None:
        """As the audio side's extractor says."""
        audio = self._sides.get("audio")
        return audio.seconds_heard() if isinstance(audio, AudioSide) else None

    def _vectors(self, side: Side, out: Any, inputs: Inputs) -> Tensor:
        """The vectors [B, d] of what a side's module gave, before they are normalised."""
        return side.projected(out) if self._projects else side.pooled(side.hidden(out, inputs), self._spec.pooling)

    def _ready(self, modality: str, batch: Sequence[Any]) -> Iterator[tuple[Side, dict[str, Any], list[int]]]:
        """A side, what its module is called with, and for which rows of the batch."""
        side = self._side(modality)
        ready = [self.preprocess(modality, one) for one in batch]
        for rows in side.groups(ready):
            yield side, side.collate([ready[row] for row in rows]), rows

    def _side(self, modality: str) -> Side:
        if self._single is not None:
            raise EncoderError(together())
        if modality not in self._sides:
            has = " and ".join(self._sides)
            raise EncoderError(f"encoder: `{self._spec.model}` has no {modality} tower; it encodes {has}")
        return self._sides[modality]


def _complete_folder(spec: TransformersSpec) -> Path:
    """The folder of the model, fetched from the hub where it is not whole."""
    root = folder_of(spec.model, spec.revision)
    if not is_path(spec.model) and (root is None or files.lacking(root)):
        how = f"where it can: {command(spec.model, spec.revision, PATTERNS)}"
        try:
            root = fetch(spec.model, spec.revision, PATTERNS, how)
        except NotFetched as error:
            raise EncoderError(f"encoder.{error.field}: {error}") from error
    if root is None:
        raise EncoderError(f"encoder.model: {absent(spec.model)}")
    if lack := files.lacking(root):
        remedy = "convert it with transformers' `save_pretrained`, or take a revision with safetensors"
        raise EncoderError(f"encoder.model: {lack}; {remedy}" if not files.weights(root) else f"encoder.model: {lack}")
    return root


def _load(root: Path, dtype: torch.dtype) -> Any:
    """The model in evaluation mode. Raises ``EncoderError`` for tensors that its weights lack."""
    from transformers import AutoConfig, AutoModel

    folder = transformer_folder(root)
    config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    if files.is_whisper(config.to_dict()):
        return load_encoder(folder, config, dtype)
    if getattr(config, "model_args", None):  # timm writes the number of classes there too; its wrapper takes it once
        config.model_args = {key: value for key, value in config.model_args.items() if key != "num_classes"}
    model, said = AutoModel.from_pretrained(
        folder,
        config=config,
        dtype=dtype,
        use_safetensors=True,
        trust_remote_code=False,
        local_files_only=True,
        output_loading_info=True,
    )
    lacking = sorted(key for key in said["missing_keys"] if not key.startswith("pooler."))
    if lacking:
        raise EncoderError(f"encoder.model: the weights in {root} lack {', '.join(lacking[:5])} of {len(lacking)}")
    if said["missing_keys"]:
        model.pooler = None  # it would pool by random weights
    return model.eval().requires_grad_(False)


@contextmanager
def _explained(model: str) -> Iterator[None]:
    """Whatever transformers and its file formats raise while loading, as an ``EncoderError``."""
    try:
        yield
    except EncoderError:
        raise
    except Exception as error:  # assertions, safetensors' own errors, missing packages: it cannot be loaded
        raise EncoderError(f"encoder.model: transformers cannot load `{model}`: {reason_of(error)}") from error
