"""What the stages of a pipeline work with. Light: no torch."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ...registry.catalogue import Catalogue
from ..events import Tell
from ..spec.node_kinds import used_captioner
from ..spec.pipeline_spec import PipelineSpec
from .encode import EncoderStage
from .stored_captioner import StoredCaptioner
from .stored_encoder import StoredEncoder

if TYPE_CHECKING:
    import torch

Stage = Callable[[str], AbstractContextManager[None]]


def _no_device() -> torch.device:
    raise AssertionError("a plan or a lock loads no model")


@dataclass(frozen=True, slots=True)
class RunContext:
    """Of one run; with catalogue and store alone, of a look at what is stored, which loads no model."""

    catalogue: Catalogue
    #: Folder of stored vectors and descriptions.
    store: Path
    tell: Tell = lambda event: None
    #: Within ``stage(name)`` runs a stage.
    stage: Stage = lambda name: nullcontext()
    #: Asked when the first model is loaded.
    find_device: Callable[[], torch.device] = _no_device
    #: Whether a data set may fetch what its spec allows it to.
    may_download: bool = False
    #: Whether items are scored by a finished run, and nothing is trained on them.
    to_score: bool = False
    _encoders: list[StoredEncoder] = field(default_factory=list, repr=False)
    _captioners: list[StoredCaptioner] = field(default_factory=list, repr=False)

    @property
    def device(self) -> torch.device:
        """Where the run computes."""
        return self.find_device()

    def encoder(self, spec: PipelineSpec) -> EncoderStage:
        """The encoder stage of a pipeline; a model is in memory once, however many pipelines of a search use it."""
        return EncoderStage(spec.encoder, self.catalogue, self.store, self.find_device, self._encoders)

    def captioner(self, spec: PipelineSpec) -> StoredCaptioner | None:
        """The captioner of a pipeline that reads texts; one model once, as of encoders."""
        wanted = used_captioner(spec)
        if wanted is None:
            return None
        found = next((one for one in self._captioners if one.spec == wanted), None)
        if found is None:
            found = StoredCaptioner(wanted, self.catalogue, self.store, self.find_device)
            self._captioners.append(found)
        return found
