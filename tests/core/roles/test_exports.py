"""Names that a light package imports on first use."""

from __future__ import annotations

from importlib import import_module

import pytest


@pytest.mark.parametrize(
    "package", ["graftwork", "graftwork.core.roles", "graftwork.core.graft", "graftwork.core.testing"]
)
def test_every_exported_name_is_found(package: str) -> None:
    """What `__all__` promises can be imported, and is what `dir` shows."""
    module = import_module(package)
    assert dir(module) == sorted(module.__all__)
    for name in module.__all__:
        assert getattr(module, name) is not None
