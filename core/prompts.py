"""Class names as prompts. Light: no torch."""

from __future__ import annotations

from .dataset import Media
from .roles import EncoderSpec


def class_prompts(spec: EncoderSpec, class_names: tuple[str, ...]) -> list[Media]:
    """One text for each class and template, class by class."""
    texts = [template.replace("{}", name) for name in class_names for template in spec.templates]
    return [Media.of_text(text, "prompt") for text in texts]
