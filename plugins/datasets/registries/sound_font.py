"""Recordings of instruments in a SoundFont 2 file, by the General MIDI program that plays them.

Source: "SoundFont Technical Specification 2.01", sections 5 (chunks), 7 (presets, instruments, samples), 8.1
(generators).
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....core.data.items import DataError

#: Chunk to the form of its rows.
_ROWS = {
    "phdr": "<20sHHHIII",
    "pbag": "<HH",
    "pgen": "<HH",
    "inst": "<20sH",
    "ibag": "<HH",
    "igen": "<HH",
    "shdr": "<20sIIIIIBbHH",
}
#: Generators that name an instrument, and a sample.
_INSTRUMENT, _SAMPLE = 41, 53
#: Of samples: mono, and the left one of two.
_HEARD = (1, 4)
#: Fewest samples of a loop.
_LEAST_LOOP = 32


@dataclass(frozen=True, slots=True)
class Recording:
    """One sample, as it was recorded."""

    name: str
    #: Samples a second.
    rate: int
    #: int16 [T].
    samples: NDArray[np.int16]
    #: Where what is played on and on begins and ends, in samples; of what has no loop the same number twice.
    loop: tuple[int, int]

    def lasting(self, count: int) -> NDArray[np.int16]:
        """Its first ``count`` samples; the loop is repeated where it ends before that, as a sampler does."""
        start, end = self.loop
        if len(self.samples) >= count or start == end:
            return self.samples[:count]
        repeats = -(-(count - end) // (end - start))
        return np.concatenate([self.samples[:end], np.tile(self.samples[start:end], max(repeats, 0))])[:count]


class SoundFont:
    """A SoundFont 2 file. Raises ``DataError`` for another one, or where a part of it names what is not there."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            with path.open("rb") as file:
                content = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
            self._chunks = dict(_chunks(content, 12, len(content)))
            self._rows: dict[str, list[tuple[Any, ...]]] = {
                name: list(struct.iter_unpack(form, self._chunks[name])) for name, form in _ROWS.items()
            }
            self._samples = np.frombuffer(self._chunks["smpl"], "<i2")
        except (OSError, ValueError, KeyError, struct.error) as error:
            raise DataError(f"{path}: no SoundFont 2 file that can be read: {error}") from None

    def recordings(self, program: int) -> list[Recording]:
        """What bank 0 plays by a program of General MIDI (0: piano), by name; of stereo the left channel."""
        try:
            headers = [self._rows["shdr"][one] for one in self._samples_of(program)]
        except IndexError:
            raise DataError(f"{self._path}: program {program} names a part that is not there") from None
        return sorted((self._recording(row) for row in headers if row[9] in _HEARD), key=lambda one: one.name)

    def _samples_of(self, program: int) -> set[int]:
        """Their numbers, by presets, instruments and zones."""
        presets = self._rows["phdr"]
        chosen = [at for at, row in enumerate(presets[:-1]) if (row[1], row[2]) == (program, 0)]
        instruments = {
            one for at in chosen for one in self._named("p", presets[at][3], presets[at + 1][3], _INSTRUMENT)
        }
        rows = self._rows["inst"]
        return {one for at in instruments for one in self._named("i", rows[at][1], rows[at + 1][1], _SAMPLE)}

    def _named(self, level: str, start: int, end: int, generator: int) -> Iterator[int]:
        """What the generators of some zones name; ``level``: of presets or of instruments."""
        bags, generators = self._rows[f"{level}bag"], self._rows[f"{level}gen"]
        for zone in range(start, end):
            yield from (value for kind, value in generators[bags[zone][0] : bags[zone + 1][0]] if kind == generator)

    def _recording(self, row: tuple[Any, ...]) -> Recording:
        raw, start, end, loop, loop_end, rate = row[:6]
        inside = start <= loop and loop + _LEAST_LOOP <= loop_end <= end
        name = raw.partition(b"\0")[0].decode("latin1").strip()
        return Recording(name, rate, self._samples[start:end], (loop - start, loop_end - start) if inside else (0, 0))


def _chunks(content: memoryview, start: int, end: int) -> Iterator[tuple[str, memoryview]]:
    """Name and content of each chunk between two places of a RIFF file, those inside lists too."""
    while start < end:
        name, size = bytes(content[start : start + 4]), struct.unpack_from("<I", content, start + 4)[0]
        if name == b"LIST":
            yield from _chunks(content, start + 12, start + 8 + size)
        else:
            yield name.decode("latin1"), content[start + 8 : start + 8 + size]
        start += 8 + size + size % 2
