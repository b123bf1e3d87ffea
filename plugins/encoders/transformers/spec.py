"""The spec of the `transformers` encoder, readable without loading a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from ....core.roles import EncoderSpec, OnHand, TowerShape
from ...checkpoints.fetch import PATTERNS, command
from ...checkpoints.locate import POCKET, absent, folder_of, is_path, named
from ...checkpoints.parameters import count_parameters
from ...checkpoints.versions import library_versions
from ...checkpoints.wheels import installed_of
from ...pocket import TRANSFORMERS_FOLDERS
from . import files

#: The libraries that make what a model takes.
_PREPARED_BY = {
    "image": ("torchvision", "pillow"),
    "video": ("torchvision", "pillow"),
    "text": ("tokenizers",),
    "audio": ("scipy", "numpy", "torchaudio"),
}
Pooling = Literal["auto", "cls", "mean", "pooler", "projection"]


class TransformersSpec(EncoderSpec):
    """A frozen model of the transformers library: CLIP, SigLIP, CLAP, vision models such as DINOv2, text encoders,
    audio models such as AST and wav2vec 2.0, models of clips such as VideoMAE, and the single-stream ViLT."""

    type: Literal["transformers"] = "transformers"
    model: Annotated[str, Field(min_length=1, examples=["pocket:scene_clip"])]
    """A hub id (`google/siglip-base-patch16-224`), a folder, a package (`wheel:all-minilm-l6-v2`), or what
    ships with Graftwork (`pocket:ast`); sentence-transformers folders bring their pooling."""
    revision: str | None = None
    """For a hub id: branch, tag or commit. Default: what the cache has of `main`."""
    image_size: Annotated[int, Field(ge=8)] | None = None
    """Side of the square that pictures are resized to. Default: what the model was trained with."""
    precision: Literal["fp32", "fp16", "bf16"] = "fp32"
    """Arithmetic of the frozen model; vectors are stored as float32 either way."""
    pooling: Pooling = "auto"
    """What of the hidden states is the vector: `cls` token, `mean` over tokens, the model's own `pooler`, the
    `projection` into the joint space. `auto`: projection where there is one; else what a sentence-transformers folder
    declares; else `mean` for texts, for images `cls`, or `pooler` where there is no class token, and for sounds
    `pooler`, or `mean` where there is none."""

    @field_validator("model")
    @classmethod
    def _model_is_named(cls, model: str) -> str:
        return named(model)

    @model_validator(mode="after")
    def _fits_the_model(self) -> Self:
        if self.revision is not None and is_path(self.model):
            raise ValueError("a folder has no `revision`; it belongs to a hub id")
        config = files.config(root) if (root := self._root()) else None
        if config is None:
            return self  # not here: loading it, or `plan`, says so
        kind = files.kind(config)
        if kind is None:
            raise ValueError(
                f"`{self.model}` is a `{config.get('model_type')}` model, which encodes nothing here; take a vision "
                f"model, a text encoder, an audio encoder or one of {', '.join([*files.JOINT, *files.SINGLE_STREAM])}"
            )
        if self.pooling == "projection" and kind != "joint":
            raise ValueError(f"`{self.model}` has no `projection` into a joint space; take another `pooling`")
        if self.image_size is not None and files.is_timm(config):
            raise ValueError("`image_size` cannot be set for a model of timm; take encoder `timm`, which has `size`")
        if self.image_size is not None and not _takes_sizes(config):
            raise ValueError(f"`image_size` cannot be set for a `{config.get('model_type')}` model; remove it")
        return self

    def _root(self) -> Path | None:
        return folder_of(self.model, self.revision)

    def _config(self) -> dict[str, Any] | None:
        return files.config(root) if (root := self._root()) else None

    def _kind(self) -> files.Kind | None:
        config = self._config()
        return files.kind(config) if config else None

    def _projected(self) -> bool:
        return self.pooling in ("auto", "projection")

    @classmethod
    def on_hand(cls) -> Sequence[OnHand]:
        """The packages that are installed, and what ships."""
        ships = [OnHand({"model": f"{POCKET}:{name}"}, rank=1) for name in TRANSFORMERS_FOLDERS]
        return [*(OnHand({"model": name}) for name in installed_of("transformers")), *ships]

    def modalities(self) -> frozenset[str] | None:
        """Told by the configuration."""
        found = files.modalities(self._config() or {})
        return frozenset(found) or None

    def takes_together(self) -> bool:
        """A single-stream model does."""
        return self._kind() == "single"

    def shares_space(self) -> bool | None:
        """With the projection of a CLIP or SigLIP; hidden states of its two towers do not."""
        kind = self._kind()
        return None if kind is None else kind == "joint" and self._projected()

    def identity(self) -> Mapping[str, Any]:
        """Configuration, weights and pooling by content, precision, version; only the name while they are not here."""
        root = self._root()
        here = root is not None and files.lacking(root) is None
        return {
            "files": files.content(root) if here and root else {"model": self.model, "revision": self.revision},
            "precision": self.precision,
            "pooling": self.pooling,
            "libraries": library_versions("transformers"),
        }

    def modality_identity(self, modality: str) -> Mapping[str, Any]:
        """Of images: resizing and normalisation. Of texts: the tokenizer. By content, and by which libraries."""
        root, image = self._root(), modality == "image"
        packages = _PREPARED_BY[modality]
        return {
            "preprocessing": files.preprocessing(root, modality) if root else None,
            "libraries": library_versions(*packages),
            **({"image_size": self.image_size} if image else {}),
        }

    def width(self, modality: str) -> int | None:
        """As the configuration says."""
        root = self._root()
        return (
            files.width(root, modality, self._projected()) if root and modality in (self.modalities() or ()) else None
        )

    def token_width(self, modality: str) -> int | None:
        """As the configuration says; of the joint space, where tokens are projected into it."""
        if modality not in (self.modalities() or ()):
            return None
        return files.token_width(self._config() or {}, modality, self._projected())

    def tower_shapes(self) -> tuple[TowerShape, ...] | None:
        """As the configuration says; ``None`` where it leaves something to defaults that only loading tells."""
        root = self._root()
        shapes = files.tower_shapes(root, self._projected()) if root else None
        return None if root is None or shapes is None else tuple(self._weighed(root, shapes, one) for one in shapes)

    def _weighed(self, root: Path, shapes: tuple[TowerShape, ...], shape: TowerShape) -> TowerShape:
        """With the parameters of its own module; of a model of one tower, all."""
        if len(shapes) == 1:
            return replace(shape, parameters=self.frozen_parameters())
        part = f"{ {'image': 'vision'}.get(shape.modalities[0], shape.modalities[0]) }_model."
        found = count_parameters(files.all_weights(root), lambda name: name.startswith(part))
        return replace(shape, parameters=found or None)

    def frozen_parameters(self) -> int | None:
        """Counted in the headers of the safetensors files (with a head that goes unused, where they hold one; without
        the decoder of a Whisper).
        """
        root = self._root()
        if root is None or not files.weights(root):
            return None
        unused = ("model.decoder.", "decoder.") if files.is_whisper(files.config(root) or {}) else ()
        return count_parameters(files.all_weights(root), lambda name: not name.startswith(unused))

    def missing_files(self) -> str | None:
        """A folder that is not there, a hub model that is not in the cache, or files that either lacks."""
        root = self._root()
        lack = files.lacking(root) if root else None
        if root is not None and lack is None:
            return None
        if is_path(self.model):
            return lack or absent(self.model)
        return f"`{self.model}` is not on this machine; fetch it: {command(self.model, self.revision, PATTERNS)}"


def _takes_sizes(config: Mapping[str, Any]) -> bool:
    """Whether its pictures have one size, which can be set."""
    return "image" in files.modalities(dict(config)) and config.get("model_type") not in ("siglip2", "vilt")
