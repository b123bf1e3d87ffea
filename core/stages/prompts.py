"""Class names as prompts. Light: no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..data.items import Items, Media
from ..roles.specs import EncoderSpec
from ..spec.pipeline_spec import PipelineSpec
from .context import RunContext
from .encode import EncoderStage

if TYPE_CHECKING:
    from ..roles.head import ClassPrompts


def class_prompts(spec: EncoderSpec, class_names: tuple[str, ...]) -> list[Media]:
    """One text for each class and template, class by class."""
    texts = [template.replace("{}", name) for name in class_names for template in spec.templates]
    return [Media.of_text(text, "prompt") for text in texts]


def encode_prompts(items: Items, spec: PipelineSpec, stage: EncoderStage, context: RunContext) -> ClassPrompts | None:
    """Class vectors, where the task uses them: the mean of a class's unit prompt vectors, normalised (as CLIP)."""
    if not spec.task.uses_prompts():
        return None
    import torch
    from torch.nn.functional import normalize

    from ..roles.head import ClassPrompts

    class_names = items.content.class_names
    vectors = torch.from_numpy(stage.encode("text", class_prompts(spec.encoder, class_names), context.tell))
    by_class = vectors.view(len(class_names), len(spec.encoder.templates), -1)
    return ClassPrompts(normalize(by_class.mean(dim=1), dim=-1), stage.facts("text").logit_scale)
