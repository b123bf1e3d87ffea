"""What every component's spec has. Light: no torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ....registry.spec import Spec

Json = Mapping[str, Any]


class ComponentSpec(Spec):
    """The object of a component in a spec; what stands under ``type`` says which."""

    type: str
    """Which component of its kind."""
