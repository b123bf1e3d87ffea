"""Build a component from its spec: the one place where implementations are imported."""

from __future__ import annotations

from typing import Any

from ..registry.catalogue import Catalogue
from ..registry.errors import GraftworkError
from ..registry.spec import Spec


class BuildError(GraftworkError):
    """A component's implementation cannot be imported."""


def build(catalogue: Catalogue, spec: Spec, *arguments: Any, **keywords: Any) -> Any:
    """Import and call what the spec's component names. Raises ``BuildError`` when its module cannot be imported."""
    component = catalogue.component_of(spec)
    try:
        builder = component.load()
    except (ImportError, AttributeError) as error:
        owner = catalogue.owner(component)
        raise BuildError(
            f"{component.kind} `{component.type}` of {owner} cannot be imported from {component.build}: {error}; "
            f"reinstall {owner.distribution} or what it needs"
        ) from error
    return builder(spec, *arguments, **keywords)
