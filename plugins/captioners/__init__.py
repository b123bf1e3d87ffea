"""Captioners.

Specs and declarations are light; implementations are imported on first use.
"""

from __future__ import annotations

from ...registry.component import components
from .specs import CaptionsFileSpec, TransformersCaptionerSpec

COMPONENTS = components(
    "captioner",
    __name__,
    (
        TransformersCaptionerSpec,
        "transformers:TransformersCaptioner",
        "any image-text-to-text model of transformers; `pocket` needs no network",
    ),
    (CaptionsFileSpec, "captions_file:CaptionsFile", "descriptions that you bring, JSON lines or CSV"),
)
