"""Tasks.

Specs and declarations are light; implementations are imported on first use.
"""

from __future__ import annotations

from ...core.roles import TaskSpec
from ...registry.component import Component
from .specs import ClassificationSpec, EventsSpec, Nlvr2Spec, RetrievalSpec, VqaSpec


def _component(type_: str, spec: type[TaskSpec], target: str, summary: str) -> Component:
    return Component("task", type_, spec, f"graftwork.plugins.tasks.{target}", summary)


COMPONENTS = (
    _component("classification", ClassificationSpec, "classification:Classification", "one class an item"),
    _component("vqa", VqaSpec, "vqa:Vqa", "answers to questions about pictures, soft scores"),
    _component("nlvr2", Nlvr2Spec, "nlvr2:Nlvr2", "is a statement true of two pictures?"),
    _component("events", EventsSpec, "events:Events", "one class a segment of a clip"),
    _component("retrieval", RetrievalSpec, "retrieval:Retrieval", "find images by text and texts by image"),
)
