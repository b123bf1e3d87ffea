"""The spec of the open_clip encoder, readable without loading a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from ....core.roles import EncoderSpec, OnHand, TowerShape
from ....registry.errors import nearest
from ....registry.spec import LocalPath
from ...checkpoints.versions import library_versions
from . import files
from . import weights as open_clip_weights


class OpenClipSpec(EncoderSpec):
    """A CLIP of the open_clip library, frozen."""

    type: Literal["open_clip"] = "open_clip"
    model: str = "pocket"
    """`pocket` (ships with Graftwork), an architecture (`ViT-B-16`), `local-dir:FOLDER` or `hf-hub:OWNER/NAME`."""
    pretrained: str | None = None
    """For an architecture: open_clip's tag of its weights (`openai`, `laion2b_s34b_b88k` ...)."""
    checkpoint: LocalPath | None = None
    """For an architecture: a file of weights instead of a tag (safetensors, or a state dict without code)."""
    image_size: Annotated[int, Field(ge=8)] | None = None
    """Side of the square that pictures are resized to. Default: what the model was trained with."""
    precision: Literal["fp32", "fp16", "bf16"] = "fp32"
    """Arithmetic of the frozen model; vectors are stored as float32 either way."""

    @field_validator("model")
    @classmethod
    def _model_is_known(cls, model: str) -> str:
        known = ["pocket", *files.architectures()]
        if not model.startswith(("local-dir:", "hf-hub:")) and model not in known:
            near = nearest(model, known)
            raise ValueError(f"unknown architecture `{model}`" + (f"; did you mean `{near}`?" if near else ""))
        return files.absolute(model)

    @model_validator(mode="after")
    def _one_source_of_weights(self) -> Self:
        complete = files.is_complete(self.model)
        given = [name for name in ("pretrained", "checkpoint") if getattr(self, name) is not None]
        if complete and given:
            raise ValueError(f"`{self.model}` brings its own weights: remove {' and '.join(given)}")
        if not complete and len(given) != 1:
            raise ValueError(f"`{self.model}` needs either `pretrained` (a tag) or `checkpoint` (a file)")
        return self

    @classmethod
    def on_hand(cls) -> Sequence[OnHand]:
        """What ships."""
        return [OnHand({}, rank=1)]

    def identity(self) -> Mapping[str, Any]:
        """Architecture, weights by content where they are a file, precision, open_clip's version."""
        return {
            "architecture": (files.config(self.model) or {}).get("model_cfg"),
            "weights": files.weights_identity(self.model, self.pretrained, self.checkpoint),
            "precision": self.precision,
            "libraries": library_versions("open_clip_torch"),
        }

    def modality_identity(self, modality: str) -> Mapping[str, Any]:
        """Of images: how they are resized and normalised, and by which versions of which libraries."""
        if modality != "image":
            return {}
        return {
            "preprocessing": (files.config(self.model) or {}).get("preprocess_cfg"),
            "image_size": self.image_size,
            "libraries": library_versions("torchvision", "pillow"),
        }

    def missing_files(self) -> str | None:
        """Looks at the file or folder, or for the tag in the caches on this machine."""
        return open_clip_weights.missing(self.model, self.pretrained, self.checkpoint)

    def width(self, modality: str) -> int | None:
        """Width of CLIP's joint space."""
        model = (files.config(self.model) or {}).get("model_cfg")
        width = model.get("embed_dim") if isinstance(model, dict) else None
        return width if isinstance(width, int) else None

    def token_width(self, modality: str) -> int | None:
        """Tokens are projected into the joint space; towers of other libraries give none."""
        model = (files.config(self.model) or {}).get("model_cfg") or {}
        tower = model.get("vision_cfg" if modality == "image" else "text_cfg")
        foreign = not isinstance(tower, dict) or "timm_model_name" in tower or "hf_model_name" in tower
        return None if foreign else self.width(modality)

    def modalities(self) -> frozenset[str]:
        """Both."""
        return frozenset({"image", "text"})

    def shares_space(self) -> bool:
        """That is what a CLIP is trained for."""
        return True

    def tower_shapes(self) -> tuple[TowerShape, ...] | None:
        """As the configuration says; not known for towers of other libraries."""
        shapes = files.tower_shapes((files.config(self.model) or {}).get("model_cfg") or {})
        return shapes and files.weighed(shapes, self.model, self.checkpoint)

    def frozen_parameters(self) -> int | None:
        """Counted in the header of a local safetensors file; ``None`` for a tag."""
        return files.count_parameters(self.model, self.checkpoint)
