"""The versions of the libraries behind a result. Light."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version


def library_versions(*packages: str) -> dict[str, str]:
    """Installed versions."""
    out = {}
    for package in packages:
        try:
            out[package] = version(package)
        except PackageNotFoundError:
            out[package] = "absent"
    return out
