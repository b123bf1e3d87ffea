"""Build a component from its spec: the one place where implementations are imported."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from .catalogue import Catalogue
from .errors import GraftworkError, nearest
from .loading import said
from .spec import Spec


class BuildError(GraftworkError):
    """A component's implementation cannot be imported."""


def build(catalogue: Catalogue, spec: Spec, *arguments: Any, **keywords: Any) -> Any:
    """Import and call what the spec's component names.

    Raises ``BuildError`` where its module cannot be imported, or what it names cannot be called with this.
    """
    component = catalogue.component_of(spec)
    owner = catalogue.owner(component)
    what = f"{component.kind} `{component.type}` of {owner} cannot be imported from {component.build}"
    module, _, attribute = component.build.partition(":")
    try:
        found = import_module(module)
    except ImportError as error:
        raise BuildError(f"{what}: {error}; reinstall {owner.distribution} or what it needs") from error
    except Exception as error:  # a third party's module may raise anything
        raise BuildError(f"{what}: {said(error)}") from error
    if not hasattr(found, attribute):
        near = nearest(attribute, vars(found))
        hint = f"did you mean `{near}`?" if near else f"`build` of its Component names what {module} does not have"
        raise BuildError(f"{what}: there is no `{attribute}`; {hint}")
    builder = getattr(found, attribute)
    try:
        return builder(spec, *arguments, **keywords)
    except TypeError as error:
        if error.__traceback__ and error.__traceback__.tb_next:
            raise
        # None of its lines has run: it is abstract, or takes other arguments.
        raise BuildError(
            f"{component.kind} `{component.type}` of {owner} cannot be made by {component.build}: {error}; "
            f"`graftwork plugins check {owner.distribution}` tries it by itself"
        ) from error
