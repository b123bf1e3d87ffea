"""One thing that is true of a kernel for all inputs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from hypothesis import strategies as st

from .kernel import Inputs, Kernel


@dataclass(frozen=True)
class Property:
    """A name, and a check of one drawn input.

    The check raises AssertionError where the property does not hold, and returns in words why it does not apply to
    this input, or None. What else it needs drawn, it draws from the data. It leaves the inputs as they are.
    """

    name: str
    check: Callable[[Kernel, Inputs, st.DataObject], str | None]
