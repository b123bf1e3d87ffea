"""Text in files that people write or editors save: UTF-8, with or without a byte order mark. Light: no torch."""

from __future__ import annotations

import codecs

#: What other encodings begin with; that of UTF-32 begins with that of UTF-16.
_MARKS = {
    codecs.BOM_UTF32_LE: "UTF-32",
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}


def text_of(content: bytes) -> str:
    """The text of a file, without its mark.

    Raises ``ValueError`` for another encoding, in words that go on from the file's name.
    """
    if encoding := next((name for mark, name in _MARKS.items() if content.startswith(mark)), None):
        raise ValueError(f"not UTF-8 but {encoding}; save it as UTF-8")
    if b"\0" in content[:4]:
        raise ValueError("not UTF-8: it begins with zero bytes, as UTF-16 without a mark does; save it as UTF-8")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"not UTF-8: byte {error.start}") from None


def lines_of(content: bytes) -> list[str]:
    """The lines of a file, as ``text_of``; of files put together each may have begun with a mark.

    Only a line feed ends a line: JSON may hold U+2028 as it is.
    """
    return [line.removeprefix("\ufeff") for line in text_of(content).split("\n")]
