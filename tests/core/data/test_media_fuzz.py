"""Damaged media raise nothing but our own error. `make evidence-fuzz` tries 30,000."""

from __future__ import annotations

from collections import Counter

from ...support.media.fuzz import outcomes, seeds


def test_damaged_media_are_read_or_refused_by_name() -> None:
    """Over all formats, some of each."""
    found = Counter(outcome for _, outcome in outcomes(6 * len(seeds()), seed=1))
    assert set(found) == {"read", "refused"}, found
    assert min(found.values()) > 20
