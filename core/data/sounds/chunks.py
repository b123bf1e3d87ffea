"""Sounds in chunks (WAV and its kin of 64 bits, W64, AIFF, CAF) and behind one header (AU, NIST): whether the samples
that a header promises are all there, and no others behind them."""

from __future__ import annotations

import math
import re
import struct
from dataclasses import dataclass, replace

#: A writer that could not go back to fill in the size leaves this or more: the sound ends where the file ends.
_UNKNOWN = 0x7FFF0000
#: The largest sizes, signed and unsigned, in 64 bits: what such a writer leaves there, less what a size counts itself.
_UNKNOWN_WIDE = 1 << 62
#: Kinds of which libsndfile takes a size of 0 in the same way.
_ZERO_UNKNOWN = ("AIFF", "W64")
#: Bytes behind a sound that are let pass, whatever they are: a tag, what an archive fills up.
_SLACK = 1024
#: Kinds of which libsndfile reads samples to the end of the file, whatever the header says.
_TO_THE_END = ("W64", "NIST")
#: Tags that stand behind a sound without being a chunk of it.
_TAGS = (b"TAG", b"ID3", b"APETAGEX", b"LYRICSBEGIN")
#: Chunks that hold no samples, known by their names even where their sizes are wrong.
_OTHERS = (b"LIST", b"id3 ", b"ID3 ", b"bext", b"_PMX", b"iXML", b"axml", b"cue ", b"smpl", b"fact", b"PEAK", b"ANNO")
#: What the GUIDs of W64 end in.
_GUID = b"\xf3\xac\xd3\x11\x8c\xd1\x00\xc0\x4f\x8e\xdb\x8a"


@dataclass(frozen=True, slots=True)
class Layout:
    """How a kind writes its chunks: a name, a size, and so many bytes, filled up to a multiple."""

    kind: str
    #: Where the first chunk begins.
    first: int
    #: Bytes of a name, how its size is packed, and how many bytes of name and size that size counts.
    name: int
    size: str
    counted: int
    filled_to: int
    #: The name of the chunk that holds the samples.
    samples: bytes

    @property
    def head(self) -> int:
        """Bytes of name and size."""
        return self.name + struct.calcsize(self.size)

    def chunk(self, content: bytes, at: int) -> tuple[bytes, int] | None:
        """Name of the chunk that begins there, and how many bytes it says to hold; ``None`` where none begins."""
        if not self.name or at + self.head > len(content):
            return None
        name = content[at : at + self.name]
        size = struct.unpack_from(self.size, content, at + self.name)[0] - self.counted
        known = name.endswith(_GUID) if self.name > 4 else name.isascii() and name.decode().isprintable()
        return (name, size) if known else None

    def behind(self, content: bytes, end: int) -> int:
        """Where what stands behind a chunk begins: some writers do not fill up."""
        return end if self.chunk(content, end) else end + -end % self.filled_to


_WAV = Layout("WAV", 12, 4, "<I", 0, 2, b"data")
LAYOUTS = {
    b"RIFF": _WAV,
    b"RF64": _WAV,
    b"RIFX": replace(_WAV, size=">I"),
    b"FORM": Layout("AIFF", 12, 4, ">I", 0, 2, b"SSND"),
    b"riff": Layout("W64", 40, 16, "<Q", 24, 8, b"data" + _GUID),
    b"caff": Layout("CAF", 8, 4, ">q", 0, 1, b"data"),
}
#: No chunks at all.
_PLAIN = Layout("", 0, 0, "", 0, 1, b"")


def fault_of_chunks(content: bytes, layout: Layout) -> str | None:
    """What is cut off, joined or not promised, in words; ``None`` where nothing of it shows."""
    at, wide = layout.first, None
    while (chunk := layout.chunk(content, at)) is not None:
        name, size = chunk
        at += layout.head
        if name == b"ds64" and at + 16 <= len(content):
            wide = struct.unpack_from("<Q", content, at + 8)[0]
        if name == layout.samples:
            return _fault_of_samples(content, at, wide if wide and size == 0xFFFFFFFF else size, layout)
        at = layout.behind(content, at + max(size, 0))
    return None


def fault_of_au(content: bytes) -> str | None:
    """The same of an AU file: one header, then samples to its end."""
    if len(content) < 12:
        return None
    at, size = struct.unpack_from(">II", content, 4)
    return _fault_of_samples(content, at, size, replace(_PLAIN, kind="AU"))


def fault_of_nist(content: bytes) -> str | None:
    """The same of a NIST (SPHERE) file, which corpora of speech call ``.wav``: a header in words, then samples."""
    head = content[: int(content[8:16]) if content[8:16].strip().isdigit() else 1024]
    counts = dict(re.findall(rb"(sample_count|sample_n_bytes|channel_count) -i (\d{1,12})", head))
    if not counts.keys() >= {b"sample_count", b"sample_n_bytes"}:
        return "its header does not say how many samples it has; write it as WAV or FLAC"
    size = math.prod(map(int, counts.values()))
    return _fault_of_samples(content, len(head), size, replace(_PLAIN, kind="NIST"))


def joined(kind: str) -> str:
    """Words for several sounds in one file."""
    return f"several {kind} sounds stand one behind the other, of which only the first is heard; make each a file"


def _fault_of_samples(content: bytes, at: int, promised: int, layout: Layout) -> str | None:
    there = len(content) - at
    if promised < 0 or _UNKNOWN <= promised <= 0xFFFFFFFF or promised >= _UNKNOWN_WIDE:
        return None
    if promised == 0 and layout.kind in _ZERO_UNKNOWN:
        return None
    if promised > there:
        return f"it is cut off: its header promises {promised:,} bytes of samples, and {max(there, 0):,} are there"
    return _fault_behind(content, at + promised, promised, layout)


def _fault_behind(content: bytes, end: int, promised: int, layout: Layout) -> str | None:
    """Of what stands behind the samples: another file of the kind, more samples, or bytes that are nothing known."""
    at = layout.behind(content, end)
    if any(_begins_like(content, place, layout) for place in (end, at)):
        return joined(layout.kind)
    if layout.kind in _TO_THE_END and any(content[end:]):
        others = f"{len(content) - end:,} others, which would be heard as samples"
        return f"behind the {promised:,} bytes of samples stand {others}"
    while (chunk := layout.chunk(content, at)) is not None:
        name, size = chunk
        if name == layout.samples:
            return "its samples stand in several chunks, of which only the first is heard; write it anew as one sound"
        if name in _OTHERS and size > len(content) - at - layout.head:
            return None
        if not 0 <= size <= len(content) - at - layout.head:
            break
        at = layout.behind(content, at + layout.head + size)
    behind = content[at:]
    if len(behind) <= _SLACK or behind.startswith(_TAGS) or not any(behind):
        return None
    return (
        f"its header promises {promised:,} bytes of samples, and {len(behind):,} bytes that are none of its parts "
        "stand behind them, which would not be heard: mend the header, or cut them off"
    )


def _begins_like(content: bytes, at: int, layout: Layout) -> bool:
    """Whether another file of the kind begins there, by its name, and the form where the kind writes one."""
    if layout.kind in ("WAV", "AIFF"):
        return content[at : at + 4] == content[:4] and content[at + 8 : at + 12] == content[8:12]
    return content[at : at + max(layout.name, 4)] == content[: max(layout.name, 4)]
