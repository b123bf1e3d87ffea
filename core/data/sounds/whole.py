"""Whether a sound file holds what its headers promise, and nothing that the decoder would pass over in silence.

libsndfile reads a cut WAV as far as it goes, and of several sounds that were joined by their bytes the first alone.
"""

from __future__ import annotations

from .chunks import LAYOUTS, fault_of_au, fault_of_chunks, fault_of_nist, joined
from .flac_frames import is_of_unknown_length, with_length
from .mpeg_frames import behind_tags, fault_of_mpeg

#: What the header of a FLAC stream begins with: its name, and the block that must come first.
_FLAC = b"fLaC\x00\x00\x00\x22"
#: Kinds, as libsndfile calls them, of which it can be told whether a sound is whole.
TOLD = ("WAV", "WAVEX", "RF64", "W64", "CAF", "AIFF", "AU", "NIST", "FLAC", "OGG", "MP3", "MPEG")
#: Flags of an Ogg page.
_FIRST_PAGE, _LAST_PAGE = 2, 4


def fault_of(content: bytes) -> str | None:
    """What is cut off or joined in an encoded sound, in words; ``None`` where nothing of it shows."""
    tagged, content = content[:3] == b"ID3", content[behind_tags(content) :]
    start = content[:4]
    if start in LAYOUTS:
        return fault_of_chunks(content, LAYOUTS[start])
    if start == b".snd":
        return fault_of_au(content)
    if start == b"NIST":
        return fault_of_nist(content)
    if start == b"OggS":
        return _fault_of_pages(content)
    if start == b"fLaC":
        return _fault_of_flac(content)
    return fault_of_mpeg(content) if tagged or start[:1] == b"\xff" else None


def _fault_of_flac(content: bytes) -> str | None:
    """Joined."""
    return joined("FLAC") if content.find(_FLAC, len(_FLAC)) > 0 else None


def readable(content: bytes) -> bytes:
    """The same as the decoder reads it: a FLAC of unknown length with its length. Raises ``ValueError`` for a cut
    one."""
    start = behind_tags(content)
    flac = content[start:] if content[start : start + len(_FLAC)] == _FLAC else b""
    return with_length(flac) if flac and is_of_unknown_length(flac) else content


def _fault_of_pages(content: bytes) -> str | None:
    """Ogg: a stream that begins after another one's pages of samples was chained to it; the last page is marked."""
    at, begun, ended = 0, False, False
    while at >= 0 and at + 27 <= len(content):
        flags, segments = content[at + 5], content[at + 26]
        if flags & _FIRST_PAGE and begun:
            return joined("Ogg")
        begun = begun or not flags & _FIRST_PAGE
        end = at + 27 + segments + sum(content[at + 27 : at + 27 + segments])
        ended = bool(flags & _LAST_PAGE) and end <= len(content)
        at = end if content[end : end + 4] == b"OggS" else content.find(b"OggS", end)
    return None if ended else "it is cut off: the page that ends it is not there"
