"""Damage done to media files: what a decoder makes of them is a content, or ``DataError``, and nothing else."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from functools import cache

import numpy as np
import soundfile

from graftwork.core.data.items import DataError
from graftwork.core.data.pictures import decode, finding
from graftwork.core.data.sounds import decode as decode_sound

from .picture_forms import FORMS, coloured, encoded
from .sound_files import tone

MORE_PICTURES = ("ICO", "PCX", "SGI", "DDS", "ICNS", "MPO", "IM", "MSP", "XBM")
SOUNDS = (("WAV", None), ("WAV", "IMA_ADPCM"), ("RF64", None), ("AIFF", None), ("AU", None), ("FLAC", None))
SOUNDS += (("OGG", "VORBIS"), ("OGG", "OPUS"), ("MP3", None), ("CAF", None), ("W64", None))


def sound(kind: str, subtype: str | None) -> bytes:
    """A short tone as a file."""
    out = io.BytesIO()
    soundfile.write(out, tone(440, 16000, 0.2), 16000, format=kind, subtype=subtype)
    return out.getvalue()


@cache
def seeds() -> dict[str, tuple[bytes, bool]]:
    """Name to a whole file, and whether it is a sound."""
    made = {name: (form.write(), False) for name, form in FORMS.items()}
    for kind in MORE_PICTURES:
        picture = coloured().resize((64, 64)) if kind in ("ICO", "ICNS") else coloured()
        picture = picture.convert("1") if kind in ("MSP", "XBM") else picture
        made[kind] = encoded(picture, kind), False
    return made | {f"{kind} {subtype}": (sound(kind, subtype), True) for kind, subtype in SOUNDS}


def damaged(content: bytes, rng: np.random.Generator) -> bytes:
    """Some bytes exchanged, a piece cut out, doubled or zeroed, the end cut off."""
    made = bytearray(content)
    start, stop = sorted(int(place) for place in rng.integers(0, len(made), 2))
    what = int(rng.integers(0, 6))
    if what <= 1:
        near = min(len(made), 64 if what else len(made))
        for place in rng.integers(0, near, int(rng.integers(1, 9))):
            made[place] = int(rng.integers(0, 256))
    elif what == 2:
        made[start:stop] = bytes(stop - start)
    elif what == 3:
        del made[start:stop]
    elif what == 4:
        made[start:start] = made[start:stop]
    else:
        del made[stop:]
    return bytes(made)


def outcomes(count: int, seed: int) -> Iterator[tuple[str, str]]:
    """Name of the file damaged, and ``read``, ``refused``, or what else was raised, which is a fault."""
    rng, files = np.random.default_rng(seed), list(seeds().items())
    for number in range(count):
        name, (content, is_sound) = files[number % len(files)]
        yield name, _outcome(damaged(content, rng), is_sound)


def _outcome(content: bytes, is_sound: bool) -> str:
    read: Callable[[bytes, str], object] = decode_sound if is_sound else decode
    try:
        if not is_sound:
            finding(content)
        read(content, "damaged")
    except DataError:
        return "refused"
    except Exception as error:  # noqa: BLE001 - this is what is looked for
        return f"{type(error).__name__}: {error}"
    return "read"
