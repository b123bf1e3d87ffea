"""The error of models that cannot be used as towers. Light: no torch."""

from __future__ import annotations

from ...registry.errors import UserError


class TowerError(UserError):
    """A model cannot be used as a tower as asked; the message says which part of it, and what would do."""
