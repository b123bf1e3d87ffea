"""The spec of the timm encoder, readable without loading a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import ConfigDict, field_validator, model_validator

from ....core.roles import EncoderSpec, OnHand, TowerShape, one_or_each
from ...checkpoints.fetch import command
from ...checkpoints.locate import is_path, named
from ...checkpoints.parameters import count_parameters
from ...checkpoints.versions import library_versions
from ...checkpoints.wheels import WHEEL, WHEELS, installed_of
from . import files
from .architectures import known, require_known
from .pinned import PINNED, Pinned
from .preprocessing import PreprocessingSpec

#: What timm and open_clip put before a hub id; it says nothing more.
HUB = "hf-hub:"


class TimmSpec(EncoderSpec):
    """A vision model of the timm library, frozen: any of its architectures."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"type": "timm", "weights": "wheel:efficientnet-lite0"}]})
    type: Literal["timm"] = "timm"
    model: str | None = None
    """An architecture of timm (`resnet50`), or one with the tag of its weights (`resnet50.a1_in1k`). Default: what the
    weights are of, where they say it: a package, a folder with timm's `config.json`."""
    weights: str | None = None
    """A package (`wheel:efficientnet-lite0`), a file (`.safetensors`, or a state dict without code: `.pth`, `.bin`), a
    folder, or a hub id. Default: the hub's, `timm/ARCHITECTURE.TAG`."""
    revision: str | None = None
    """For a hub id: branch, tag or commit. Default: what the cache has of `main`."""
    output: Literal["pooled", "logits"] = "pooled"
    """The vector: what the classifier reads (`pooled`), or what it gives."""
    preprocessing: PreprocessingSpec | None = None
    """How pictures become pixels, where that is not as the model's `pretrained_cfg` says."""
    precision: Literal["fp32", "fp16", "bf16"] = "fp32"
    """Arithmetic of the frozen model; vectors are stored as float32 either way."""

    @field_validator("model")
    @classmethod
    def _timm_has_it(cls, model: str | None) -> str | None:
        if model is not None and "/" in model:
            raise ValueError(f"`{model}` is a model of the hub or a path; name it under `weights`")
        if model is not None:
            require_known(model)
        return model

    @field_validator("weights")
    @classmethod
    def _weights_are_named(cls, weights: str | None) -> str | None:
        if weights in WHEELS:  # no file here, and no owner: nothing else is called like that
            weights = f"{WHEEL}{weights}"
        return None if weights is None else named(weights.removeprefix(HUB), "timm")

    @model_validator(mode="after")
    def _one_architecture(self) -> Self:
        architecture, _, tag = (self.model or "").partition(".")
        if self.model is None and self.weights is None:
            raise ValueError("neither `model` (an architecture) nor `weights` say which model it is")
        if self.revision is not None and is_path(self.source):
            raise ValueError("what is on this machine has no `revision`; it belongs to a hub id")
        if self.weights is None and not tag:
            tags = known().get(architecture, ())
            hint = f"; tags are: {', '.join(tags[:8])}" if tags else ""
            raise ValueError(f"`{architecture}` needs `weights`, or the tag of its weights{hint}")
        if self.model is None and not self.architecture and self._place() is not None:
            raise ValueError(f"{self.weights} does not say which architecture it is of; name it under `model`")
        if self.model is not None and self.said and self.said.partition(".")[0] != architecture:
            raise ValueError(f"`{self.weights}` are weights of `{self.said}`, not of `{architecture}`; remove `model`")
        return self

    @property
    def source(self) -> str:
        """Where the weights come from: a path, a package, or a hub id."""
        return self.weights or f"timm/{self.model}"

    @property
    def pinned(self) -> Pinned | None:
        """What is known of the weights of a package."""
        return PINNED.get(self.source)

    @property
    def said(self) -> str | None:
        """The architecture that the weights themselves name."""
        return self.pinned.model if self.pinned else files.config(self._place()).get("architecture")

    @property
    def architecture(self) -> str | None:
        """The architecture, with its tag where one is named; ``None`` while it is on no file of this machine."""
        return self.model or self.said

    def _place(self) -> Path | None:
        return files.place(self.source, self.revision)

    @classmethod
    def on_hand(cls) -> Sequence[OnHand]:
        """The packages that are installed."""
        return [OnHand({"weights": name}) for name in installed_of("timm")] if find_spec("timm") else []

    def modalities(self) -> frozenset[str]:
        """Images."""
        return frozenset({"image"})

    def identity(self) -> Mapping[str, Any]:
        """Architecture, weights by content, output, precision, timm's version; the name while they are not here."""
        found = self._place()
        here = found is not None and files.lacking(self.source, found) is None
        return {
            "architecture": self.architecture,
            "weights": files.content(found) if here and found else {"name": self.source, "revision": self.revision},
            "output": self.output,
            "precision": self.precision,
            "libraries": library_versions("timm"),
        }

    def modality_identity(self, modality: str) -> Mapping[str, Any]:
        """Resizing and normalisation, and by which versions of which libraries."""
        return {
            "preprocessing": self.preprocessing.model_dump() if self.preprocessing else None,
            "libraries": library_versions("torchvision", "pillow"),
        }

    def width(self, modality: str) -> int | None:
        """Of a package's weights; of others loading tells."""
        if modality != "image" or self.pinned is None:
            return None
        return self.pinned.width if self.output == "pooled" else self.pinned.classes

    def token_width(self, modality: str) -> int | None:
        """The same."""
        return self.pinned.width if modality == "image" and self.pinned else None

    def tower_shapes(self) -> tuple[TowerShape, ...] | None:
        """Of a package's weights; of others loading tells."""
        if self.pinned is None:
            return None
        widths, read_out = self.pinned.widths, self.width("image")
        assert read_out is not None
        return (TowerShape(("image",), len(widths), one_or_each(widths), read_out, self.pinned.parameters),)

    def frozen_parameters(self) -> int | None:
        """Of a package's weights; of safetensors as their headers say."""
        found = self._place()
        if self.pinned is not None:
            return self.pinned.parameters
        return count_parameters(files.files_of(found)) if found is not None and files.files_of(found) else None

    def missing_files(self) -> str | None:
        """A file, folder or package that is not there, a hub model that is not in the cache, or what they lack."""
        found = self._place()
        lack = files.lacking(self.source, found) if found or is_path(self.source) else None
        if found is not None and lack is None:
            return None
        if is_path(self.source):
            return lack
        return f"`{self.source}` is not on this machine; fetch it: {self.fetching()}"

    def fetching(self) -> str:
        """The command that fetches a model of the hub."""
        return command(self.source, self.revision, files.PATTERNS)
