"""Names that are no UTF-8: they cannot be written into results, lists or the store."""

from __future__ import annotations


def not_utf8(name: str) -> str | None:
    """``name`` as it can be printed, where it holds half a surrogate pair: as JSON may write one, and as Python reads
    the bytes of a file's name that are no UTF-8 (U+DC80..U+DCFF)."""
    try:
        name.encode()
    except UnicodeEncodeError:
        try:
            return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
        except UnicodeEncodeError:
            return name.encode("utf-8", "backslashreplace").decode()
    return None
