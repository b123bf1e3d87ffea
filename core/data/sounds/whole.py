"""Whether a sound file holds what its headers promise, and nothing that the decoder would pass over in silence.

libsndfile reads a cut WAV as far as it goes, and of several sounds that were joined by their bytes the first alone.
"""

from __future__ import annotations

from .chunks import LAYOUTS, fault_of_au, fault_of_chunks, fault_of_nist, joined
from .mpeg_frames import behind_tags, fault_of_mpeg

#: What the header of a FLAC stream begins with: its name, and the block that must come first.
_FLAC = b"fLaC\x00\x00\x00\x22"
#: The bits of its header that count the samples.
_FLAC_COUNT = (1 << 36) - 1
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
    """Joined, or of unknown length, which libsndfile cannot read."""
    if content.find(_FLAC, len(_FLAC)) > 0:
        return joined("FLAC")
    if content.startswith(_FLAC) and not int.from_bytes(content[18:26], "big") & _FLAC_COUNT:
        return "its header does not say how many samples it has, as of one that was written to a pipe; write it anew"
    return None


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
