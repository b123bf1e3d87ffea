"""Let torchvision be imported beside a torch build that lacks its compiled operators; see ``registry.importing``."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec


def declare_missing_torchvision_ops() -> None:
    """Import torchvision, where it is installed; with ``graftwork`` imported its missing operators are declared then.

    Nothing needs to call it: whoever imports torchvision gets the same.
    """
    if find_spec("torchvision") is not None:
        import_module("torchvision")
