"""The values that a search lists, and how many combinations it tries. Light: no torch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from .pipeline_spec import PipelineSpec, SearchRange


def lists_of(spec: PipelineSpec) -> dict[str, Sequence[Any]]:
    """The values that a search lists, by dotted path; its ranges list none."""
    return {key: values for key, values in spec.search.items() if not isinstance(values, SearchRange)}


def trial_count(spec: PipelineSpec) -> int:
    """How many combinations will be tried."""
    if spec.trials is not None:
        return spec.trials
    return math.prod(len(values) for values in lists_of(spec).values())
