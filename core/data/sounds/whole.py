"""Whether a sound file holds what its headers promise, and nothing that the decoder would pass over in silence.

libsndfile reads a cut WAV as far as it goes, and of several sounds that were joined by their bytes the first alone.
"""

from __future__ import annotations

import struct

from .mpeg_frames import behind_tags, fault_of_mpeg

#: A writer that could not go back to fill in the size leaves this or more (or 0): the sound ends where the file ends.
_UNKNOWN = 0x7FFF0000
#: What the header of a FLAC stream begins with: its name, and the block that must come first.
_FLAC = b"fLaC\x00\x00\x00\x22"
#: Flags of an Ogg page.
_FIRST_PAGE, _LAST_PAGE = 2, 4


def fault_of(content: bytes) -> str | None:
    """What is cut off or joined in an encoded sound, in words; ``None`` where nothing of it shows."""
    tagged, content = content[:3] == b"ID3", content[behind_tags(content) :]
    start = content[:4]
    if start in (b"RIFF", b"RIFX", b"RF64"):
        return _fault_of_chunks(content, "<" if start != b"RIFX" else ">", b"data")
    if start == b"FORM":
        return _fault_of_chunks(content, ">", b"SSND")
    if start == b".snd" and len(content) >= 12:
        at, size = struct.unpack_from(">II", content, 4)
        return _cut(size, len(content) - at) or _behind(content, at + size, 0)
    if start == b"OggS":
        return _fault_of_pages(content)
    if start == b"fLaC":
        return _joined("FLAC") if content.find(_FLAC, len(_FLAC)) > 0 else None
    return fault_of_mpeg(content) if tagged or start[:1] == b"\xff" else None


def _fault_of_chunks(content: bytes, order: str, samples: bytes) -> str | None:
    """WAV, its kin of 64 bits, and AIFF: chunks of a name, a size and so many bytes, filled up to even ones."""
    at, wide = 12, None
    while at + 8 <= len(content):
        name, (size,) = content[at : at + 4], struct.unpack_from(f"{order}I", content, at + 4)
        at += 8
        if name == b"ds64" and at + 16 <= len(content):
            wide = struct.unpack_from("<Q", content, at + 8)[0]
        if name == samples:
            size = wide if wide and size == 0xFFFFFFFF else size
            return _cut(size, len(content) - at) or _behind(content, at + size)
        at += size + size % 2
    return None


def _cut(promised: int, there: int) -> str | None:
    if promised == 0 or promised <= there or _UNKNOWN <= promised <= 0xFFFFFFFF:
        return None
    return f"it is cut off: its header promises {promised:,} bytes of samples, and {max(there, 0):,} are there"


def _behind(content: bytes, end: int, sort: int = 4) -> str | None:
    """Another file of the kind (by its name, and the sort that stands at 8), right behind this one."""
    end += end % 2
    another = content[end : end + 4] == content[:4] and content[end + 8 : end + 8 + sort] == content[8 : 8 + sort]
    return _joined({b"R": "WAV", b"F": "AIFF"}.get(content[:1], "AU")) if another else None


def _fault_of_pages(content: bytes) -> str | None:
    """Ogg: a stream that begins after another one's pages of samples was chained to it; the last page is marked."""
    at, begun, ended = 0, False, False
    while at >= 0 and at + 27 <= len(content):
        flags, segments = content[at + 5], content[at + 26]
        if flags & _FIRST_PAGE and begun:
            return _joined("Ogg")
        begun = begun or not flags & _FIRST_PAGE
        end = at + 27 + segments + sum(content[at + 27 : at + 27 + segments])
        ended = bool(flags & _LAST_PAGE) and end <= len(content)
        at = end if content[end : end + 4] == b"OggS" else content.find(b"OggS", end)
    return None if ended else "it is cut off: the page that ends it is not there"


def _joined(kind: str) -> str:
    return f"several {kind} sounds stand one behind the other, of which only the first is heard; make each a file"
