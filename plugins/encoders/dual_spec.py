"""The spec of the `dual` encoder: one model for images, another for texts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from ...core.roles import EncoderSpec
from ...registry.slot import Slot

#: What the outer encoder says for its parts, and what each part says for itself.
_OUTER, _INNER = "templates", "batch_size"


class DualSpec(EncoderSpec):
    """Images by one encoder, texts by another; of any library and width."""

    type: Literal["dual"] = "dual"
    batch_size: Annotated[int, Field(ge=1)] = 64
    """Stands in `image` and in `text`; not here."""
    image: Annotated[EncoderSpec, Slot("encoder")]
    """What encodes images."""
    text: Annotated[EncoderSpec, Slot("encoder")]
    """What encodes texts and prompts. Its own `templates` are not used: those beside it are."""
    joint_space: bool | None = None
    """Whether the vectors of both lie in one space, as those of a text encoder distilled into a CLIP do. Default: only
    if `image` and `text` are the same model and it has one."""

    @model_validator(mode="after")
    def _each_part_can(self) -> Self:
        for modality, part in self._parts().items():
            can = part.modalities()
            if can is not None and modality not in can:
                raise ValueError(f"`{modality}`: {part.type} `{getattr(part, 'model', '')}` has no {modality} tower")
            if getattr(part, _OUTER) != type(part).model_fields[_OUTER].default:
                raise ValueError(f"`{modality}.{_OUTER}` is not used; set `{_OUTER}` beside `image` and `text`")
        if getattr(self, _INNER) != type(self).model_fields[_INNER].default:
            raise ValueError(f"set `{_INNER}` inside `image` and `text`: each has its own")
        widths = self.image.width("image"), self.text.width("text")
        if self.joint_space and None not in widths and widths[0] != widths[1]:
            raise ValueError(f"vectors of widths {widths[0]} and {widths[1]} lie in no joint space")
        return self

    def _parts(self) -> dict[str, EncoderSpec]:
        return {"image": self.image, "text": self.text}

    def _one_model(self) -> bool:
        """Whether both parts are the same but for how they are asked."""
        image, text = (part.model_dump(exclude={_OUTER, _INNER}) for part in self._parts().values())
        return image == text

    def tower(self, modality: str) -> EncoderSpec:
        """``image`` or ``text``; the latter for any other modality too, which then says that it has none."""
        part = self.image if modality == "image" else self.text
        return part.tower(modality)

    def modalities(self) -> frozenset[str]:
        """Both."""
        return frozenset({"image", "text"})

    def shares_space(self) -> bool | None:
        """As declared, else whether one joint model does both."""
        if self.joint_space is not None:
            return self.joint_space
        return self.image.shares_space() if self._one_model() else False

    def identity(self) -> Mapping[str, Any]:
        """Of both; vectors are stored under that of their tower alone."""
        return {modality: part.identity() for modality, part in self._parts().items()}

    def modality_identity(self, modality: str) -> Mapping[str, Any]:
        """The tower's."""
        return self.tower(modality).modality_identity(modality)

    def width(self, modality: str) -> int | None:
        """The tower's."""
        return self.tower(modality).width(modality)

    def token_width(self, modality: str) -> int | None:
        """The tower's."""
        return self.tower(modality).token_width(modality)

    def frozen_parameters(self) -> int | None:
        """Of both, one model once."""
        parts = [self.image] if self._one_model() else [self.image, self.text]
        counts = [part.frozen_parameters() for part in parts]
        return None if None in counts else sum(count for count in counts if count)

    def missing_files(self) -> str | None:
        """Of both."""
        missing = dict.fromkeys(filter(None, (part.missing_files() for part in self._parts().values())))
        return "; ".join(missing) or None
