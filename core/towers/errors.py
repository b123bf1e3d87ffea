"""The error of models that cannot be used as towers. Light: no torch."""

from __future__ import annotations

from ...registry.errors import UserError


class TowerError(UserError):
    """A model cannot be used as a tower as asked; the message says which part of it, and what would do."""


#: Why an adapter inside towers has no place, and what would do.
NO_BLOCKS = (
    "sits in blocks, and none of these towers has blocks to enter; take a model of transformers, a vision model of "
    "`timm` or a ViT of `open_clip`, or an adapter on features"
)
