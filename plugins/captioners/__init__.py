"""Captioners.

Specs and declarations are light; implementations are imported on first use.
"""

from __future__ import annotations

from ...registry.component import Component
from .specs import CaptionsFileSpec, TransformersCaptionerSpec

COMPONENTS = (
    Component(
        "captioner",
        "transformers",
        TransformersCaptionerSpec,
        "graftwork.plugins.captioners.transformers:TransformersCaptioner",
        "any image-text-to-text model of transformers; `pocket` needs no network",
    ),
    Component(
        "captioner",
        "captions_file",
        CaptionsFileSpec,
        "graftwork.plugins.captioners.captions_file:CaptionsFile",
        "descriptions that you bring, JSON lines or CSV",
    ),
)
