"""The trainable graft: what every adapter's spec has. Light: no torch."""

from __future__ import annotations

from typing import ClassVar, Literal

from .component import ComponentSpec


class AdapterSpec(ComponentSpec):
    """The trainable graft."""

    #: Whether it works on the encoder's vectors, or on hidden states inside its towers.
    level: ClassVar[Literal["features", "layers"]] = "features"
    #: Whether it passes messages over a graph, so that a pipeline without one is an error.
    needs_graph: ClassVar[bool] = False
    #: Whether it changes nothing before training; an adapter on features that does sets this to `False`.
    starts_as_identity: ClassVar[bool] = True

    def parameter_count(self, width: int) -> int | None:
        """Trainable parameters for vectors of ``width``, if it can be told without building it."""
        return None
