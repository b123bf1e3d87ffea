"""Who hears what happens: what every reporter's spec has. Light: no torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from .component import ComponentSpec


class ReporterSpec(ComponentSpec):
    """Who hears what happens during a run."""

    #: Whether it writes to a terminal: ``graftwork run`` builds such a one, but not with ``--quiet``; Python where
    #: ``show`` is asked for.
    shows: ClassVar[bool] = False
    #: Files and folders in the run folder that it writes, as patterns of paths (``*`` for anything, ``/`` too). In what
    #: an interrupted run left they make room for the next; what no pattern names counts as the user's and is kept.
    writes: ClassVar[Sequence[str]] = ()
