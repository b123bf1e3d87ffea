"""The pytest plugin: it registers a marker, and turns it into tests. Loaded in every session, so it imports nothing.

    @pytest.mark.graftwork_plugin("graftwork-shift")
    def test_conformance(graftwork_check):
        graftwork_check()

gives a test for each check of each component of that installed plugin, on the examples that it brings.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

MARKER = "graftwork_plugin"
ARGUMENT = "graftwork_check"


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker."""
    config.addinivalue_line(
        "markers",
        f"{MARKER}(name, kind=None, type=None): with the argument `{ARGUMENT}`, a test for each conformance check of "
        "each component of an installed Graftwork plugin",
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test for each check of the plugin that the marker names."""
    marker = metafunc.definition.get_closest_marker(MARKER)
    if ARGUMENT not in metafunc.fixturenames or marker is None:
        return
    from .plugin_checks import plugin_checks

    folder = metafunc.config.stash.setdefault(_folders(), _Folder())
    checks = plugin_checks(*marker.args, folder=folder.path, **marker.kwargs)
    metafunc.parametrize(ARGUMENT, checks, ids=repr)


class _Folder:
    """Where examples lie for as long as the session lasts."""

    def __init__(self) -> None:
        from .case import kept_with

        self.path = kept_with(self, "graftwork-examples-")


def _folders() -> pytest.StashKey[_Folder]:
    global _KEY
    if _KEY is None:
        import pytest

        _KEY = pytest.StashKey[_Folder]()
    return _KEY


_KEY: pytest.StashKey[_Folder] | None = None
