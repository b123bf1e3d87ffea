"""Encoders.

Specs and declarations are light; implementations are imported on first use.
"""

from __future__ import annotations

from ...registry.component import Component, components
from .conse.spec import ConseSpec
from .dual import DualSpec
from .open_clip.spec import OpenClipSpec
from .specs import GivenSpec
from .timm.spec import TimmSpec
from .transformers.spec import TransformersSpec

_COMPOSED = "graftwork.core.stages.composed_encoder:compose"

COMPONENTS = (
    *components(
        "encoder",
        __name__,
        (OpenClipSpec, "open_clip.encoder:OpenClip", "any CLIP of open_clip; `pocket` needs no network"),
        (
            TransformersSpec,
            "transformers.encoder:Transformers",
            "CLIP, SigLIP, CLAP, ViLT, models of pictures, texts and sounds of transformers",
        ),
        (TimmSpec, "timm.encoder:Timm", "any vision model of timm: convolutional networks, vision transformers"),
        (GivenSpec, "given:Given", "no model: vectors that the data set brings"),
        (ConseSpec, "conse.encoder:Conse", "images in a text encoder's space, by a classifier's likeliest classes"),
    ),
    Component("encoder", "dual", DualSpec, _COMPOSED, "one encoder a modality: images, clips, texts, sounds"),
)
