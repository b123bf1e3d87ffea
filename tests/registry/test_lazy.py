"""Names that a light package imports on first use."""

from __future__ import annotations

from importlib import import_module

import pytest

from graftwork.registry.lazy import lazy


@pytest.mark.parametrize(
    "package", ["graftwork", "graftwork.core.roles", "graftwork.core.graft", "graftwork.core.testing"]
)
def test_every_exported_name_is_found(package: str) -> None:
    """What `__all__` promises can be imported, and is what `dir` shows."""
    module = import_module(package)
    assert dir(module) == sorted(module.__all__)
    for name in module.__all__:
        assert getattr(module, name) is not None


def test_a_name_that_no_module_holds_is_an_attribute_error_that_names_the_package() -> None:
    """So that `hasattr` and `from ... import` say what is missing, and where."""
    get = lazy("graftwork.registry", {".errors": ("UserError",)})
    assert get("UserError")
    with pytest.raises(AttributeError, match=r"module 'graftwork.registry' has no attribute 'other'"):
        get("other")
