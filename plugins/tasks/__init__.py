"""Tasks.

Specs and declarations are light; implementations are imported on first use.
"""

from __future__ import annotations

from ...registry.component import components
from .specs import (
    AudioVisualQaSpec,
    ClassificationSpec,
    EventsSpec,
    Nlvr2Spec,
    RetrievalSpec,
    SegmentationSpec,
    VqaSpec,
)

COMPONENTS = components(
    "task",
    __name__,
    (ClassificationSpec, "classification:Classification", "one class an item"),
    (VqaSpec, "vqa:Vqa", "answers to questions about pictures, soft scores"),
    (AudioVisualQaSpec, "audio_visual_qa:AudioVisualQa", "answers to questions about what is seen and heard"),
    (Nlvr2Spec, "nlvr2:Nlvr2", "is a statement true of two pictures?"),
    (EventsSpec, "events:Events", "one class a segment of a clip"),
    (SegmentationSpec, "segmentation:Segmentation", "masks of what sounds, frame by frame"),
    (RetrievalSpec, "retrieval:Retrieval", "find images by text and texts by image"),
)
