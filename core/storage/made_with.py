"""What files record of the code behind them. Light: no torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from .record import Record


class Installed(Record):
    """A plugin, as it was installed."""

    distribution: str
    """Its distribution, as pip names it."""
    version: str
    """Of that distribution."""


class MadeWith(Protocol):
    """A record of what something was made with."""

    @property
    def plugins(self) -> Mapping[str, Installed]:
        """The plugins used, by name."""

    @property
    def components(self) -> Mapping[str, int | str] | None:
        """Kind and type of each component to its version; ``None`` where it is not recorded."""
