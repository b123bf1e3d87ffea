"""The reporter role: who hears what happens during a run."""

from __future__ import annotations

from abc import ABC, abstractmethod

from ..events import Event


class Reporter(ABC):
    """Built as ``build(spec, folder)``; ``folder`` is the run folder while it is written."""

    @abstractmethod
    def hear(self, event: Event) -> None:
        """Called for every event, in order, in the training process."""

    def close(self) -> None:  # noqa: B027  # most reporters have nothing to close
        """Called once, also when the run fails."""
