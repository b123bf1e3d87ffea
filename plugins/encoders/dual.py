"""The `dual` encoder: each modality by a model of its own, composed as any spec with parts is. Light: no torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from ...core.roles import EncoderSpec, TowerShape
from ...registry.slot import Slot

#: What the outer encoder says for its parts, and what each part says for itself.
_OUTER, _INNER = "templates", "batch_size"


class DualSpec(EncoderSpec):
    """Images, clips, texts and sounds, each by an encoder of its own; of any library and width."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "type": "dual",
                    "image": {"type": "transformers", "model": "pocket:scene_clip"},
                    "audio": {"type": "transformers", "model": "pocket:ast"},
                }
            ]
        }
    )
    type: Literal["dual"] = "dual"
    batch_size: Annotated[int, Field(ge=1)] = 64
    """Stands in each part; not here."""
    image: Annotated[EncoderSpec, Slot("encoder")] | None = None
    """What encodes images."""
    video: Annotated[EncoderSpec, Slot("encoder")] | None = None
    """What encodes clips; without it the encoder of images does, frame by frame."""
    text: Annotated[EncoderSpec, Slot("encoder")] | None = None
    """What encodes texts and prompts. Its own `templates` are not used: those beside it are."""
    audio: Annotated[EncoderSpec, Slot("encoder")] | None = None
    """What encodes sounds."""
    joint_space: bool | None = None
    """Whether the vectors of all parts lie in one space, as those of a text encoder distilled into a CLIP do. Default:
    only if all are the same model and it has one."""

    @model_validator(mode="after")
    def _each_part_can(self) -> Self:
        if len(self._parts()) < 2:
            raise ValueError("two of `image`, `video`, `text`, `audio` are needed; for one, write that encoder itself")
        for modality, part in self._parts().items():
            can = part.modalities()
            if can is not None and part.seen(modality) not in can:
                raise ValueError(f"`{modality}`: {part.type} `{getattr(part, 'model', '')}` has no {modality} tower")
            if can is not None and part.takes_together():
                raise ValueError(
                    f"`{modality}`: {part.type} `{getattr(part, 'model', '')}` encodes no {modality} alone"
                )
            if getattr(part, _OUTER) != type(part).model_fields[_OUTER].default:
                raise ValueError(f"`{modality}.{_OUTER}` is not used; set `{_OUTER}` beside {self._named()}")
        if getattr(self, _INNER) != type(self).model_fields[_INNER].default:
            raise ValueError(f"set `{_INNER}` inside {self._named()}: each has its own")
        widths = dict.fromkeys(part.width(part.seen(modality)) for modality, part in self._parts().items())
        if self.joint_space and None not in widths and len(widths) > 1:
            raise ValueError(f"vectors of widths {' and '.join(map(str, widths))} lie in no joint space")
        return self

    def _named(self) -> str:
        return " and ".join(f"`{modality}`" for modality in self._parts())

    def _parts(self) -> dict[str, EncoderSpec]:
        parts = {"image": self.image, "video": self.video, "text": self.text, "audio": self.audio}
        return {modality: part for modality, part in parts.items() if part is not None}

    def _models(self) -> list[EncoderSpec]:
        """The parts, each model once, however it is asked."""
        found: dict[str, EncoderSpec] = {}
        for part in self._parts().values():
            found.setdefault(repr(part.model_dump(exclude={_OUTER, _INNER})), part)
        return list(found.values())

    def tower(self, modality: str) -> EncoderSpec:
        """The part of that modality; for any other the last part, which then says that it has none."""
        parts = self._parts()
        part = parts.get(modality, list(parts.values())[-1])
        return part.tower(part.seen(modality))

    def modalities(self) -> frozenset[str]:
        """Those of its parts."""
        return frozenset(self._parts())

    def shares_space(self) -> bool | None:
        """As declared, else whether one joint model does both."""
        if self.joint_space is not None:
            return self.joint_space
        models = self._models()
        return models[0].shares_space() if len(models) == 1 else False

    def identity(self) -> Mapping[str, Any]:
        """Of all; vectors are stored under that of their tower alone."""
        return {modality: part.identity() for modality, part in self._parts().items()}

    def modality_identity(self, modality: str) -> Mapping[str, Any]:
        """The tower's."""
        tower = self.tower(modality)
        return tower.modality_identity(tower.seen(modality))

    def width(self, modality: str) -> int | None:
        """The tower's."""
        tower = self.tower(modality)
        return tower.width(tower.seen(modality))

    def token_width(self, modality: str) -> int | None:
        """The tower's."""
        tower = self.tower(modality)
        return tower.token_width(tower.seen(modality))

    def tower_shapes(self) -> tuple[TowerShape, ...] | None:
        """Of each part, that of its modality."""
        found: list[TowerShape] = []
        for modality, part in self._parts().items():
            shapes = part.tower_shapes()
            if shapes is None:
                return None
            found += [shape for shape in shapes if modality in shape.modalities]
        return tuple(found)

    def frozen_parameters(self) -> int | None:
        """Of all, one model once."""
        counts = [part.frozen_parameters() for part in self._models()]
        return None if None in counts else sum(count for count in counts if count)

    def missing_files(self) -> str | None:
        """Of all."""
        missing = dict.fromkeys(filter(None, (part.missing_files() for part in self._parts().values())))
        return "; ".join(missing) or None
