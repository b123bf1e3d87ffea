"""How many samples a sound may have, and how fast they may follow each other: a small file can ask for all memory."""

from __future__ import annotations

#: Samples of one channel in one sound: 50 minutes at 44,100 Hz, 2.3 hours at 16,000 Hz, 512 MB.
MAX_SAMPLES = 1 << 27
#: Rates in Hz that sounds are recorded at; beyond them a resampling filter or its result takes gigabytes.
LEAST_RATE, GREATEST_RATE = 100, 1_000_000


def require_few(samples: float) -> None:
    """Raises ``ValueError`` for a sound of more than ``MAX_SAMPLES``."""
    if samples > MAX_SAMPLES:
        raise ValueError(f"the sound has more than {MAX_SAMPLES:,} samples; cut it up")


def require_known_rate(rate: float) -> None:
    """Raises ``ValueError`` for a rate that no sound is recorded at."""
    if not LEAST_RATE <= rate <= GREATEST_RATE:
        raise ValueError(
            f"a sound of {rate:,} samples a second; between {LEAST_RATE} and {GREATEST_RATE:,} are taken: look whether "
            "its header is right"
        )
