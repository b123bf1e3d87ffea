"""What the stages of a run work with."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import torch

from ...registry.catalogue import Catalogue
from ..events import Tell

Stage = Callable[[str], AbstractContextManager[None]]


@dataclass(frozen=True, slots=True)
class RunContext:
    """Of one run."""

    catalogue: Catalogue
    #: Folder of stored vectors and descriptions.
    store: Path
    device: torch.device
    #: Within ``stage(name)`` runs a stage.
    stage: Stage
    tell: Tell
