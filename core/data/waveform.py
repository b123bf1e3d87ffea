"""Sound as data. Light: no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Waveform:
    """What ``Media.read`` gives of modality ``audio``: one channel of sound."""

    #: float32 [T] in [-1, 1], T >= 1.
    samples: NDArray[np.float32]
    #: Samples a second, in Hz.
    rate: int
    #: Whether it was mixed of channels that take each other away: the mean is 20 dB or more below them.
    cancelled: bool = False
    #: How much of it is silence put where a clip has no sound, in seconds.
    padded: float = 0.0
