"""The frames of an MPEG sound (MP3): whether all that its first one promises is there, and nothing more.

mpg123 stops at the count that the first frame promises, and steps over what is damaged with a line on the terminal.
"""

from __future__ import annotations

from collections.abc import Iterator

#: kbit/s by index: layer I, II and III of version 1, layer I of version 2, layers II and III of version 2.
_RATES = {
    (1, 1): (0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (1, 2): (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (1, 3): (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (2, 1): (0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (2, 2): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_HZ = (44100, 48000, 32000)
#: Frames by which a promise may be off: some encoders count the frame that promises, or the silence they add.
_SLACK = 2
#: How far behind the beginning the first frame may be: a tag of another kind, some zeros.
_LEAD = 1 << 16
_JOINED = "several MP3 sounds stand one behind the other, of which only the first is heard; make each a file"


def fault_of_mpeg(content: bytes) -> str | None:
    """What is cut off, joined or damaged, in words; ``None`` for what is no MPEG sound, or promises nothing."""
    start = _first_frame(content)
    if start is None:
        return None
    promised = _promised(content, start)
    end, frames = start, -1 if promised else 0  # the frame that promises holds no samples
    for at, size in _frames(content, start):
        if promised and at > start and _promised(content, at):
            return _JOINED
        end, frames = at + size, frames + 1
    if promised and frames < promised - _SLACK:
        return f"it is cut off or damaged: its header promises {promised:,} frames, and {max(frames, 0):,} are there"
    if promised and frames > promised + _SLACK:
        return _JOINED
    behind = _next_frame(content, end)
    if behind is not None:
        return f"it is damaged: what stands from byte {end:,} to {behind:,} is no frame, and others follow"
    return None


def _first_frame(content: bytes) -> int | None:
    """Where two frames in a row begin, behind any ID3 tag."""
    at = behind_tags(content)
    found = content.find(b"\xff", at, at + _LEAD)
    while found >= 0:
        size = _size(content, found)
        if size and _size(content, found + size):
            return found
        found = content.find(b"\xff", found + 1, at + _LEAD)
    return None


def _next_frame(content: bytes, end: int) -> int | None:
    """Where three frames in a row begin behind ``end``; less may be by chance."""
    found = content.find(b"\xff", end)
    while found >= 0:
        first = _size(content, found)
        second = _size(content, found + first) if first else 0
        if second and _size(content, found + first + second):
            return found
        found = content.find(b"\xff", found + 1)
    return None


def _frames(content: bytes, at: int) -> Iterator[tuple[int, int]]:
    """Place and size of each whole frame, one right behind the other, over tags that stand between two."""
    while True:
        size = _size(content, at)
        if not size:
            behind = behind_tags(content, at)
            if behind == at:
                return
            at = behind
        elif at + size > len(content):
            return
        else:
            yield at, size
            at += size


def behind_tags(content: bytes, at: int = 0) -> int:
    """Behind an ID3 tag of the second kind (its size in four times seven bits), or of the first (128 bytes)."""
    while content[at : at + 3] == b"ID3" and len(content) >= at + 10:
        at += 10 + sum((content[at + 6 + place] & 0x7F) << 7 * (3 - place) for place in range(4))
    return at + 128 if content[at : at + 3] == b"TAG" else at


def _size(content: bytes, at: int) -> int:
    """Bytes of the frame that begins there; 0 where none does (or one of free size, which cannot be told)."""
    if at + 4 > len(content) or content[at] != 0xFF or content[at + 1] & 0xE0 != 0xE0:
        return 0
    version = {3: 1, 2: 2, 0: 4}.get(content[at + 1] >> 3 & 3, 0)  # 4: half of version 2, called 2.5
    layer, rate, hertz = 4 - (content[at + 1] >> 1 & 3), content[at + 2] >> 4, content[at + 2] >> 2 & 3
    if not version or layer == 4 or hertz == 3 or not 0 < rate < 15:
        return 0
    bits = 1000 * _RATES[min(version, 2), layer if version == 1 else min(layer, 2)][rate]
    frequency, padding = _HZ[hertz] // version, content[at + 2] >> 1 & 1
    if layer == 1:
        return (12 * bits // frequency + padding) * 4
    return (72 if layer == 3 and version > 1 else 144) * bits // frequency + padding


def _promised(content: bytes, at: int) -> int:
    """Frames that follow, as a frame of the encoder's own (Xing, Info) says; 0 where it is none, or says nothing."""
    mono, first = content[at + 3] >> 6 == 3, content[at + 1] >> 3 & 3 == 3
    side = at + 4 + ((17 if mono else 32) if first else (9 if mono else 17))
    if (
        content[side : side + 4] not in (b"Xing", b"Info")
        or not content[side + 7 : side + 8]
        or not content[side + 7] & 1
    ):
        return 0
    return int.from_bytes(content[side + 8 : side + 12], "big")
