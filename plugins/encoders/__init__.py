"""Encoders.

Specs and declarations are light; implementations are imported on first use.
"""

from __future__ import annotations

from ...registry.component import Component
from .dual import DualSpec
from .open_clip.spec import OpenClipSpec
from .transformers.spec import TransformersSpec

COMPONENTS = (
    Component(
        "encoder",
        "open_clip",
        OpenClipSpec,
        "graftwork.plugins.encoders.open_clip.encoder:OpenClip",
        "any CLIP of open_clip; `pocket` needs no network",
    ),
    Component(
        "encoder",
        "transformers",
        TransformersSpec,
        "graftwork.plugins.encoders.transformers.encoder:Transformers",
        "CLIP, SigLIP, CLAP, ViLT, models of pictures, texts and sounds of transformers",
    ),
    Component(
        "encoder",
        "dual",
        DualSpec,
        "graftwork.core.stages.composed_encoder:compose",
        "one encoder a modality: images, texts, sounds",
    ),
)
