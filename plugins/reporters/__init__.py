"""Reporters.

Specs and declarations are light; implementations are imported on first use.
"""

from __future__ import annotations

from ...registry.component import Component
from .specs import ConsoleSpec, JsonlSpec

COMPONENTS = (
    Component(
        "reporter", "console", ConsoleSpec, "graftwork.plugins.reporters.console:Console", "live progress and a table"
    ),
    Component(
        "reporter", "jsonl", JsonlSpec, "graftwork.plugins.reporters.jsonl:Jsonl", "events.jsonl in the run folder"
    ),
)
