"""What the stages of a run work with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from ..registry.catalogue import Catalogue
from .encode import Tell
from .measure import Meter


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Of one run."""

    catalogue: Catalogue
    #: Folder of stored vectors and descriptions.
    store: Path
    device: torch.device
    meter: Meter
    tell: Tell
