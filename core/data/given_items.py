"""Contents that a user hands over, as items: paths, pictures, arrays, waveforms, texts."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL.Image import Image

from ...registry.errors import counted
from .given_clips import ClipInSegments
from .items import DataError, Item, Media
from .pictures import WHITE, bytes_of, open_picture
from .sounds import open_sound
from .vector_files import as_vectors
from .video import SUFFIXES as CLIPS
from .video import Absent, Clip, VideoFrames, file_clip, sound_media
from .waveform import Waveform

#: A path or a ``PIL.Image`` or uint8 array [H, W] or [H, W, 3]; a text; a path or a ``Waveform``; a path or
#: ``VideoFrames``; or any of them as ``Media``.
Content = str | Path | Image | np.ndarray[Any, Any] | Waveform | VideoFrames | Media
#: One content, or one an item; for an item of several passes a tuple or list of them.
Contents = Content | Sequence[Content | Sequence[Content]]
#: What is given of one item, by modality.
Row = Mapping[str, Content | ClipInSegments | Sequence[Content]]
#: Makes media of modality ``video`` of a clip, as those of the data set were made; ``None``: it does not say.
Sampled = Callable[[Clip], Media] | None
#: Modality to what ``predict`` and the command line call it.
WORDS = {"image": ("images", "IMAGES"), "video": ("clips", "CLIPS"), "audio": ("sounds", "--sound")}
WORDS |= {"text": ("texts", "--text"), "vector": ("vectors", "IMAGES (files of vectors)")}


def rows_of(given: Mapping[str, Contents | None], needed: Sequence[str]) -> list[Row]:
    """What is given of each item, of the modalities that are needed of it.

    Raises ``DataError`` where one of these is not given at all, where something is given that nothing reads, and where
    there are not as many of each.
    """
    there = {kind: _listed(kind, contents) for kind in WORDS if (contents := given.get(kind)) is not None}
    kinds = [kind for kind in WORDS if kind in needed]
    for kind in kinds:
        if kind not in there:
            raise DataError(_lacks(kind, kinds))
    for kind in there.keys() - set(kinds):
        raise DataError(f"this run hears no {WORDS[kind][0]}")
    first = next(iter(there), "image")
    for kind, contents in there.items():
        if len(contents) != len(there[first]):
            raise DataError(f"{_number(kind, contents)} for {_number(first, there[first])}")
    return [dict(zip(kinds, row, strict=True)) for row in zip(*(there[kind] for kind in kinds), strict=True)]


def _number(kind: str, contents: Sequence[Content | Sequence[Content]]) -> str:
    """``1 image``, ``2 texts``; ``2 items of 2 images`` of items of several passes."""
    passes = {len(one) for one in contents if isinstance(one, (tuple, list))}
    word = WORDS[kind][0]
    if not passes:
        return counted(len(contents), word)
    return f"{counted(len(contents), 'items')} of {' or '.join(counted(one, word) for one in sorted(passes))}"


def _listed(kind: str, contents: Contents) -> list[Content | Sequence[Content]]:
    """One content alone is a list of one: a path is no sequence of letters, a picture none of rows."""
    if isinstance(contents, (str, Path, Image, Waveform, VideoFrames, Media)):
        return [contents]
    if kind == "vector" and isinstance(contents, np.ndarray):
        return [contents] if contents.ndim == 1 else list(contents)
    if isinstance(contents, np.ndarray) and (contents.ndim == 2 or contents.shape[2:] == (3,)):
        return [contents]
    if isinstance(contents, (bytes, Mapping)) or not isinstance(contents, Iterable):
        raise DataError(f"{WORDS[kind][0]}: give one, or a list of them, not a {type(contents).__name__}")
    return list(contents)


def _lacks(kind: str, kinds: Sequence[str]) -> str:
    call = ", ".join("images" if one == "image" else f"{WORDS[one][0]}=[...]" for one in kinds)
    word, option = WORDS[kind]
    return (
        f"this pipeline hears {' and '.join(kinds)}: give {word}, too; in Python give predict({call}), "
        f"on the command line {option}"
    )


def open_item(
    name: str, row: Row, background: str = WHITE, sampling: Sampled = None, absent: Absent = "refuse"
) -> Item:
    """An item of contents that are decoded by now. Raises ``DataError`` for one that cannot be.

    ``background``, as ``#rrggbb``, lies under transparent pixels; ``sampling`` makes media of frames of a clip;
    ``absent`` says what is heard of one without sound.
    """
    opened = partial(_opened, background=background, sampling=sampling, absent=absent)
    several = {kind: value for kind, value in row.items() if isinstance(value, (tuple, list))}
    shared = {kind: opened(kind, value) for kind, value in row.items() if kind not in several}
    lengths = set(map(len, several.values()))
    if len(lengths) > 1 or 0 in lengths:
        raise DataError(f"item {name}: its modalities have {' and '.join(map(str, sorted(lengths)))} passes")
    count = lengths.pop() if lengths else 0
    passes = tuple({kind: opened(kind, value[n]) for kind, value in several.items()} for n in range(count))
    return Item(name, shared, None, passes)


def _opened(modality: str, content: object, background: str, sampling: Sampled, absent: Absent) -> Media:
    """Known by being what it is: nothing of it is stored. Its source is its path, or empty."""
    if isinstance(content, Media):
        return _held(content.read(), content.source)
    if modality == "text":
        if not isinstance(content, str):
            raise DataError(f"a text is a str, not a {type(content).__name__}")
        return Media.of_text(content, content)
    if modality == "vector":
        (vector,) = as_vectors(np.asarray(content)[None], "vectors")
        return _held(vector, "")
    source = str(content) if isinstance(content, (str, Path)) else ""
    if modality == "video":
        return _held(_open_clip(content, sampling), source)
    if modality == "audio" and is_clip(source):
        return _held(sound_media(file_clip(Path(source)), absent=absent).read(), source)
    return _held(open_sound(content) if modality == "audio" else open_picture(content, background), source)


def _open_clip(content: object, sampling: Sampled) -> VideoFrames:
    if isinstance(content, VideoFrames):
        return content
    if not isinstance(content, (str, Path)):
        raise DataError(f"a clip is a path or VideoFrames, not a {type(content).__name__}")
    if sampling is None:
        raise DataError("this run's data set does not say which frames of a clip are seen; give VideoFrames")
    frames: VideoFrames = sampling(file_clip(Path(content))).read()
    return frames


def _held(opened: Any, source: str) -> Media:
    return Media(hashlib.sha256(str(id(opened)).encode()).hexdigest(), source, lambda: opened)


def is_clip(name: str) -> bool:
    """Whether a file is a clip by its suffix."""
    return Path(name).suffix.lower() in CLIPS


def bytes_held(item: Item) -> int:
    """Memory that the pictures and sounds of an item take that ``open_item`` gave."""
    media = [one for own in (item.modalities, *item.passes) for one in own.values()]
    return sum(_bytes(one.read()) for one in media)


def _bytes(content: Any) -> int:
    if isinstance(content, np.ndarray):
        return int(content.nbytes)
    return int(content.samples.nbytes) if isinstance(content, Waveform) else bytes_of(content)


def name_of_row(row: Row, number: int) -> str:
    """The files that are given of an item, else its number, counted from 1."""
    media = [value for kind, value in row.items() if kind != "text"]
    given = [one for value in media for one in (value if isinstance(value, (tuple, list)) else [value])]
    named = (one.path if isinstance(one, ClipInSegments) else one for one in given)
    sources = (one.source if isinstance(one, Media) else one for one in named)
    return " ".join(str(one) for one in sources if isinstance(one, (str, Path))) or str(number + 1)


def name_of(item: Item) -> str:
    """The files of its pictures; without any those of its sounds, or its text."""
    kind = next(kind for kind in WORDS if kind in item.views()[0])
    own = [item.modalities[kind]] if kind in item.modalities else [one[kind] for one in item.passes]
    return " ".join(filter(None, (media.source for media in own)))
