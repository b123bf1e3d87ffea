"""Events as JSON lines."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from ...core.events import Event, JobAdvanced, StageAdvanced
from ...core.roles import Reporter
from .specs import JsonlSpec

FILE = "events.jsonl"


class Jsonl(Reporter):
    """One line an event: its name, UTC time and fields. What only shows that it goes on is left out."""

    def __init__(self, spec: JsonlSpec, folder: Path) -> None:
        self._file = open(folder / FILE, "w", encoding="utf-8", buffering=1)  # noqa: SIM115  # closed in close()

    def hear(self, event: Event) -> None:
        """Write the event."""
        if not isinstance(event, (JobAdvanced, StageAdvanced)):
            record = {"event": type(event).__name__, "time": datetime.now(UTC).isoformat(timespec="milliseconds")}
            self._file.write(json.dumps(record | asdict(event)) + "\n")

    def close(self) -> None:
        """Close the file."""
        self._file.close()
