"""What an encoder does not take of a sound, a clip or a prompt: what lies beyond its window, was lost on the way to one
channel or was never there; said in words. Light: no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ..data.video.frames import VideoFrames
from ..data.waveform import Waveform
from ..roles.encoder import Encoder

#: What may be said of a content, by the name of the shelf that remembers it: of so many it is true, of those in all.
REMARKS = {
    "longer": "sounds are longer than the {found} s that the encoder hears; it hears a part of each",
    "cancelled": "sounds have channels that cancel each other when they are mixed to one (20 dB or more are lost); "
    "write one of the channels, or mend the phase",
    "padded": "sounds are silence, in whole or in part, where their clip has none ({found} s in one)",
    "held": "pictures are the last of their clip, shown on after its end (by {found} s in one)",
    "resized": "contents are of clips that change their size in the middle (one from {found}); each frame is taken as "
    "it is",
}


def heeded(encoder: Encoder, content: Any, found: dict[str, str]) -> Any:
    """The content, and in ``found`` what is to be said of it, by a name of ``REMARKS``, with what the words need.

    Of a clip that is found as its frames are decoded.
    """
    if isinstance(content, Waveform):
        found |= _of_sound(encoder, content)
    elif isinstance(content, VideoFrames):
        return replace(content, decode=lambda: (_noted(frame, found) for frame in content))
    elif not isinstance(content, str):
        _noted(content, found)
    return content


def _of_sound(encoder: Encoder, sound: Waveform) -> dict[str, str]:
    heard = encoder.seconds_heard()
    longer = heard is not None and len(sound.samples) > heard * sound.rate
    return (
        ({"longer": f"{heard:.3g}"} if longer else {})
        | ({"cancelled": ""} if sound.cancelled else {})
        | ({"padded": f"{sound.padded:.3g}"} if sound.padded else {})
    )


def _noted(picture: Any, found: dict[str, str]) -> Any:
    """The picture, with what its reader says of it noted."""
    info = getattr(picture, "info", {})
    if "held" in info:
        found["held"] = f"{info['held']:.3g}"
    if "resized" in info:
        found["resized"] = str(info["resized"])
    return picture


def remarks_in_words(name: str, found: Sequence[str], of: int) -> str:
    """The note on those of so many contents of which one thing is to be said."""
    return f"{len(found)} of {of} {REMARKS[name].format(found=found[0])}"


def prompts_in_words(longer: Sequence[str], of: int) -> str:
    """The note on prompts."""
    named = ", ".join(f"{prompt:.60}..." for prompt in longer[:3])
    return f"{len(longer)} of {of} class prompts are longer than the encoder reads; it sees their beginning: {named}"
