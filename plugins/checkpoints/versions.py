"""The versions of the libraries behind a result. Light."""

from __future__ import annotations

from functools import cache
from importlib.metadata import PackageNotFoundError, version


def library_versions(*packages: str) -> dict[str, str]:
    """Installed versions, as they were when this process asked first: each look at the store names them."""
    return {package: _version(package) for package in packages}


@cache
def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "absent"
