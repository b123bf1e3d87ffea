"""Class names as prompts. Light: no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..data.items import Media
from ..events import Tell
from ..roles.specs import EncoderSpec
from .encode import EncoderStage

if TYPE_CHECKING:
    from ..roles.head import ClassPrompts


def class_prompts(spec: EncoderSpec, class_names: tuple[str, ...]) -> list[Media]:
    """One text for each class and template, class by class."""
    texts = [template.replace("{}", name) for name in class_names for template in spec.templates]
    return [Media.of_text(text, "prompt") for text in texts]


def encode_prompts(stage: EncoderStage, class_names: tuple[str, ...], tell: Tell) -> ClassPrompts:
    """Class vectors: the mean of a class's unit prompt vectors, normalised (CLIP's prompt ensemble)."""
    import torch
    from torch.nn.functional import normalize

    from ..roles.head import ClassPrompts

    vectors = torch.from_numpy(stage.encode("text", class_prompts(stage.spec, class_names), tell))
    by_class = vectors.view(len(class_names), len(stage.spec.templates), -1)
    return ClassPrompts(normalize(by_class.mean(dim=1), dim=-1), stage.facts("text").logit_scale)
