"""Reporters.

Specs and declarations are light; implementations are imported on first use.
"""

from __future__ import annotations

from ...registry.component import components
from .specs import ConsoleSpec, JsonlSpec, TensorboardSpec

COMPONENTS = components(
    "reporter",
    __name__,
    (ConsoleSpec, "console:Console", "live progress and a table"),
    (JsonlSpec, "jsonl:Jsonl", "events.jsonl in the run folder"),
    (TensorboardSpec, "tensorboard:Tensorboard", "curves and figures for TensorBoard"),
)
