"""Who hears what happens: what every reporter's spec has. Light: no torch."""

from __future__ import annotations

from typing import ClassVar

from .component import ComponentSpec


class ReporterSpec(ComponentSpec):
    """Who hears what happens during a run."""

    #: Whether it writes to a terminal: ``graftwork run`` builds such a one, but not with ``--quiet``; Python where
    #: ``show`` is asked for.
    shows: ClassVar[bool] = False
