"""Build a component from its spec: the one place where implementations are imported."""

from __future__ import annotations

from importlib import import_module
from typing import Any, TypeVar

from .catalogue import Catalogue
from .errors import GraftworkError, missing_extra, nearest
from .loading import said
from .moved import moved
from .spec import Spec

R = TypeVar("R")


class BuildError(GraftworkError):
    """A component's implementation cannot be imported."""


def build(role: type[R], catalogue: Catalogue, spec: Spec, *arguments: Any, **keywords: Any) -> R:
    """Import and call what the spec's component names.

    Raises ``MissingExtra`` where a library is not installed that an extra brings, ``BuildError`` where its module
    cannot be imported, where what it names cannot be called with this, or where it gives something else than the
    ``role`` that was asked for.
    """
    component = catalogue.component_of(spec)
    owner = catalogue.owner(component)
    what = f"{component.kind} `{component.type}` of {owner} cannot be imported from {component.build}"
    module, _, attribute = component.build.partition(":")
    try:
        found = import_module(module)
    except ImportError as error:
        if missing := missing_extra(error, f"{component.kind} `{component.type}`"):
            raise missing from error
        remedy = moved(error) or f"reinstall {owner.distribution} or what it needs"
        raise BuildError(f"{what}: {error}; {remedy}") from error
    except Exception as error:  # a third party's module may raise anything
        raise BuildError(f"{what}: {said(error)}") from error
    if not hasattr(found, attribute):
        near = nearest(attribute, vars(found))
        hint = f"did you mean `{near}`?" if near else f"`build` of its Component names what {module} does not have"
        raise BuildError(f"{what}: there is no `{attribute}`; {hint}")
    builder = getattr(found, attribute)
    try:
        made = builder(spec, *arguments, **keywords)
    except ImportError as error:
        raise missing_extra(error, f"{component.kind} `{component.type}`") or error from None
    except TypeError as error:
        if error.__traceback__ and error.__traceback__.tb_next:
            raise
        # None of its lines has run: it is abstract, or takes other arguments.
        raise BuildError(
            f"{component.kind} `{component.type}` of {owner} cannot be made by {component.build}: {error}; "
            f"`graftwork plugins check {owner.distribution}` tries it by itself"
        ) from error
    if not isinstance(made, role):
        raise BuildError(
            f"{component.kind} `{component.type}` of {owner} is a {type(made).__name__} as {component.build} makes it, "
            f"and no {role.__name__}, as its kind asks"
        )
    return made
