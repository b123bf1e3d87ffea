"""What lies beyond an encoder's window: sounds and prompts of which it takes a part, said in words. Light: no torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..data.waveform import Waveform
from ..roles.encoder import Encoder


def is_longer(encoder: Encoder, content: Any) -> bool:
    """Whether a content is a sound of which the encoder hears a part alone."""
    heard = encoder.seconds_heard() if isinstance(content, Waveform) else None
    return heard is not None and len(content.samples) > heard * content.rate


def sounds_in_words(longer: int, of: int, heard: str) -> str:
    """The note on sounds; ``heard``: seconds, as ``seconds_in_words`` gives them."""
    return f"{longer} of {of} sounds are longer than the {heard} s that the encoder hears; it hears a part of each"


def seconds_in_words(encoder: Encoder) -> str:
    """``0.655``."""
    return f"{encoder.seconds_heard() or 0:.3g}"


def prompts_in_words(longer: Sequence[str], of: int) -> str:
    """The note on prompts."""
    named = ", ".join(f"{prompt:.60}..." for prompt in longer[:3])
    return f"{len(longer)} of {of} class prompts are longer than the encoder reads; it sees their beginning: {named}"
