"""FLAC of unknown length, as one that was written to a pipe has it: its last frame says how many samples there are.

libsndfile does not read such a file; with the number in its header it does. Frames are laid out as RFC 9639 has it.
"""

from __future__ import annotations

from functools import cache

#: Where the first block of the header (STREAMINFO) has its sizes of blocks, and the number of samples: 36 bits.
_BLOCK_SIZES, _COUNT, _BITS = slice(8, 12), slice(18, 26), (1 << 36) - 1
#: A frame is no longer: 65,535 samples of 8 channels of 32 bits, and a little.
_LONGEST = 65_535 * 8 * 4 + 1024
#: How many places that look like the beginning of the last frame are tried: one in 256 others has a checksum that fits.
_TRIED = 4
#: Samples of a frame by code; 6 and 7 say it at the end of the frame's header.
_SIZES = {1: 192, **{code: 144 << code for code in range(2, 6)}, **{code: 1 << code for code in range(8, 16)}}


class CutFlacError(ValueError):
    """The file does not end with a whole frame."""


def is_of_unknown_length(content: bytes) -> bool:
    """Whether a header says no number of samples."""
    return not int.from_bytes(content[_COUNT], "big") & _BITS


def with_length(content: bytes) -> bytes:
    """The same with the number of samples in its header. Raises ``CutFlacError``."""
    count = _samples(content)
    said = int.from_bytes(content[_COUNT], "big") | count
    return content[: _COUNT.start] + said.to_bytes(8, "big") + content[_COUNT.stop :]


def _samples(content: bytes) -> int:
    """Up to the end of the last frame, which ends with the file."""
    at, first, tried = len(content), max(42, len(content) - _LONGEST), 0
    while tried < _TRIED and (at := content.rfind(b"\xff", first, at)) >= 0:
        if (end := _end_of(content, at)) is not None:
            if _crc(content[at:], 16, 0x8005) == 0:
                return end
            tried += 1
    raise CutFlacError("it is cut off or damaged: no whole frame ends it")


def _end_of(content: bytes, at: int) -> int | None:
    """The number of the sample behind a frame, by its header; ``None`` where there is none."""
    header = content[at : at + 16]
    if len(header) < 6 or header[1] & 0xFE != 0xF8:
        return None
    number, after = _number(header)
    size, rate = header[2] >> 4, header[2] & 15
    at_end = {6: 1, 7: 2}.get(size, 0)
    stop = after + at_end + {12: 1, 13: 2, 14: 2}.get(rate, 0)
    if after == 0 or stop >= len(header) or _crc(header[: stop + 1], 8, 0x07):
        return None
    samples = int.from_bytes(header[after : after + at_end], "big") + 1 if at_end else _SIZES.get(size)
    if samples is None:
        return None
    counts_samples = header[1] & 1  # else frames, of which all but the last have one size
    return number * (1 if counts_samples else int.from_bytes(content[_BLOCK_SIZES][2:], "big")) + samples


def _number(header: bytes) -> tuple[int, int]:
    """What is coded as UTF-8 codes characters, in up to seven bytes, and where it ends; (0, 0) for what is not."""
    first = header[4]
    more = next((ones for ones in range(8) if not first << ones & 0x80), 8)
    if more in (1, 8):
        return 0, 0
    rest = header[5 : 4 + more] if more else b""
    value = first & (0x7F >> more)
    for byte in rest:
        value = value << 6 | byte & 0x3F
    return value, 5 + len(rest)


def _crc(content: bytes, bits: int, polynomial: int) -> int:
    """The remainder, highest bit first, from 0; 0 of what ends with its own."""
    table, mask, remainder = _table(bits, polynomial), (1 << bits) - 1, 0
    for byte in content:
        remainder = (remainder << 8 & mask) ^ table[remainder >> bits - 8 ^ byte]
    return remainder


@cache
def _table(bits: int, polynomial: int) -> list[int]:
    """The remainder of each byte."""
    top, mask, table = 1 << bits - 1, (1 << bits) - 1, []
    for value in range(256):
        one = value << bits - 8
        for _ in range(8):
            one = (one << 1 ^ polynomial if one & top else one << 1) & mask
        table.append(one)
    return table
