"""What comes of a check. Light."""

from __future__ import annotations


class NotApplicable(Exception):
    """A check that has nothing to say about this component; the message is the reason."""


class ConformanceError(AssertionError):
    """A component does not keep what its kind promises; the message names each check that failed, and how."""
