"""Names of files, archive members and classes: those that are no UTF-8 cannot be written, some look like others."""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Iterable


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


def look_of(name: str) -> str:
    """What can be seen of ``name``: composed (NFC), without what prints nothing, one blank for any white space."""
    seen = (letter for letter in unicodedata.normalize("NFC", name) if unicodedata.category(letter) != "Cf")
    return " ".join("".join(seen).split())


def alike(names: Iterable[str]) -> list[str]:
    """Those of ``names`` that look like others, each group as ``'red' and 'red '``, in ASCII with escapes."""
    groups: defaultdict[str, list[str]] = defaultdict(list)
    for name in dict.fromkeys(names):
        groups[look_of(name)].append(name)
    return [" and ".join(map(ascii, group)) for group in groups.values() if len(group) > 1]
