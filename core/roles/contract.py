"""What a component gives, held against what its role asks for. Light: no torch."""

from __future__ import annotations

from ...registry.errors import GraftworkError


class ContractError(GraftworkError):
    """A component gives what its role does not allow; the message says which, what, and how to try it by itself."""


def broken(role: str, component: object, what: str) -> ContractError:
    """The error to raise: ``what`` follows the name, as "gave [3, 4] for 2 images; ..."."""
    kind = type(component)
    return ContractError(
        f"{role} {kind.__name__} of {kind.__module__} {what} "
        "(`graftwork plugins check` of its package tries it by itself)"
    )


def form(given: object) -> str:
    """``[3, 4]`` of what has a shape, else its type."""
    shape = getattr(given, "shape", None)
    return type(given).__name__ if shape is None else str(list(shape))
