"""What an encoder does not take of a sound or a prompt: what lies beyond its window, or was lost on the way to one
channel; said in words. Light: no torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..data.waveform import Waveform
from ..roles.encoder import Encoder

#: What may be said of a sound, by the name of the shelf that remembers it.
REMARKS = ("longer", "cancelled")


def remarks_on(encoder: Encoder, content: Any) -> dict[str, str]:
    """What is to be said of a content, by a name of ``REMARKS``, with what the words need; empty for most."""
    if not isinstance(content, Waveform):
        return {}
    heard = encoder.seconds_heard()
    longer = heard is not None and len(content.samples) > heard * content.rate
    return ({"longer": f"{heard:.3g}"} if longer else {}) | ({"cancelled": ""} if content.cancelled else {})


def remarks_in_words(name: str, found: Sequence[str], of: int) -> str:
    """The note on those of so many sounds of which one thing is to be said."""
    if name == "longer":
        heard = f"the {found[0]} s that the encoder hears; it hears a part of each"
        return f"{len(found)} of {of} sounds are longer than {heard}"
    return (
        f"{len(found)} of {of} sounds have channels that cancel each other when they are mixed to one (20 dB or more "
        "are lost); write one of the channels, or mend the phase"
    )


def prompts_in_words(longer: Sequence[str], of: int) -> str:
    """The note on prompts."""
    named = ", ".join(f"{prompt:.60}..." for prompt in longer[:3])
    return f"{len(longer)} of {of} class prompts are longer than the encoder reads; it sees their beginning: {named}"
