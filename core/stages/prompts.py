"""Class names as prompts. Light: no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..data.items import DataError, Items, Media, some_of
from ..events import Note
from ..roles.specs import EncoderSpec
from ..spec.pipeline_spec import PipelineSpec
from .beyond_window import prompts_in_words
from .context import RunContext
from .encode import EncoderStage

if TYPE_CHECKING:
    from torch import Tensor

    from ..roles.head import ClassPrompts

#: Vectors of equal tokens differ by less than this, whatever else is in their batch.
NEAR = 1e-5


def class_prompts(spec: EncoderSpec, class_names: tuple[str, ...]) -> list[Media]:
    """One text for each class and template, class by class."""
    texts = [template.replace("{}", name) for name in class_names for template in spec.templates]
    return [Media.of_text(text, "prompt") for text in texts]


def encode_prompts(items: Items, spec: PipelineSpec, stage: EncoderStage, context: RunContext) -> ClassPrompts | None:
    """Class vectors, where the task uses them: the mean of a class's unit prompt vectors, normalised (as CLIP).

    Tells of prompts that are longer than the encoder reads. Raises ``DataError`` for classes with one vector.
    """
    if not spec.task.uses_prompts():
        return None
    import torch
    from torch.nn.functional import normalize

    from ..roles.head import ClassPrompts

    class_names = items.content.class_names
    prompts = class_prompts(spec.encoder, class_names)
    vectors = torch.from_numpy(stage.encode("text", prompts, context.tell))
    cut = stage.truncated(prompts)
    if longer := [prompt.read() for prompt in prompts if prompt.digest in cut]:
        context.tell(Note(prompts_in_words(longer, len(prompts))))
    by_class = vectors.view(len(class_names), len(spec.encoder.templates), -1)
    _require_apart(by_class.flatten(1), class_names, bool(longer))
    return ClassPrompts(normalize(by_class.mean(dim=1), dim=-1), stage.facts("text").logit_scale)


def _require_apart(vectors: Tensor, class_names: tuple[str, ...], longer: bool) -> None:
    """No score can tell apart two classes whose prompts, [C, templates * d], are the same to the encoder."""
    sums = vectors.double().sum(dim=1).tolist()
    order = sorted(range(len(sums)), key=sums.__getitem__)  # equal vectors stand beside each other
    same: list[str] = []
    for position, one in enumerate(order):
        for other in order[position + 1 :]:
            if sums[other] - sums[one] > NEAR * vectors.shape[1]:
                break
            if bool((vectors[one] - vectors[other]).abs().max() < NEAR):
                same.append(f"{class_names[min(one, other)]} = {class_names[max(one, other)]}")
    if same:
        why = "their prompts are cut to one beginning: shorten" if longer else "it takes their names for one: change"
        raise DataError(
            f"{len(same)} pairs of classes are the same to the encoder, since {why} them with `class_names` in "
            f"`dataset`, or `templates` in `encoder`:{some_of(same)}"
        )
