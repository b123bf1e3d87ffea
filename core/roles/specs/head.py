"""What turns adapted vectors into logits: what every head's spec has. Light: no torch."""

from __future__ import annotations

from typing import ClassVar

from .component import ComponentSpec


class HeadSpec(ComponentSpec):
    """What turns adapted vectors into class logits."""

    #: Whether it needs a vector for each class name, so that the encoder must have a text tower.
    needs_prompts: ClassVar[bool] = False
    #: Whether ``Head.fit`` makes a classifier of the labelled items before any training (leave-one-out asks for that).
    solves: ClassVar[bool] = False
    #: Whether ``Head.fit`` is shown the unlabelled items of the pool as well, with -1 for their class.
    fits_pool: ClassVar[bool] = False

    def uses_prompts(self) -> bool:
        """Whether *this* head needs class vectors; by default what ``needs_prompts`` says."""
        return self.needs_prompts

    def parameter_count(self, width: int, classes: int) -> int | None:
        """Trainable parameters, if they can be told without building it."""
        return None
