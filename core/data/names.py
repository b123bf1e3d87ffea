"""Names of files and archive members that are no UTF-8: they cannot be written into results, lists or the store."""

from __future__ import annotations


def not_utf8(name: str) -> str | None:
    """``name`` as it can be printed, where it holds bytes that are no UTF-8 (as Python reads them: U+DC80..U+DCFF)."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return None
