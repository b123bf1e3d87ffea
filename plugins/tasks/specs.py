"""The specs of the tasks."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from ...core.roles import HeadSpec, PairTaskSpec, TaskSpec
from ...registry.slot import Slot


class ClassificationSpec(TaskSpec):
    """One class an item: cross-entropy, accuracy."""

    type: Literal["classification"] = "classification"
    head: Annotated[HeadSpec, Slot("head", "cosine")] = Field(
        default_factory=lambda: {"type": "cosine"},
        validate_default=True,
    )
    """The head that makes class logits."""
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of the target that is spread over all classes."""


class ReadOutTaskSpec(TaskSpec):
    """What the tasks share that have a head on the read-outs of the towers."""

    level: ClassVar[Literal["features", "layers"]] = "layers"

    head: Annotated[HeadSpec, Slot("head", "linear")] = Field(
        default_factory=lambda: {"type": "linear"},
        validate_default=True,
    )
    """The head that makes class logits of the read-outs."""


class VqaSpec(ReadOutTaskSpec):
    """Visual question answering over a vocabulary of answers, each with a soft score."""

    type: Literal["vqa"] = "vqa"
    needs: ClassVar[tuple[str, ...]] = ("image", "text")
    passes_are: ClassVar[Literal["one", "each", "joined", "mean", "masks", "pairs"]] = "mean"


class AudioVisualQaSpec(ReadOutTaskSpec):
    """Questions about what is seen and heard: an item's passes are frames with their sounds, its text the question."""

    type: Literal["audio_visual_qa"] = "audio_visual_qa"
    needs: ClassVar[tuple[str, ...]] = ("image", "audio", "text")
    passes_are: ClassVar[Literal["one", "each", "joined", "mean", "masks", "pairs"]] = "mean"


class Nlvr2Spec(ReadOutTaskSpec):
    """Is a statement true of two pictures? An item's two passes are the pictures, its text the statement."""

    type: Literal["nlvr2"] = "nlvr2"
    needs: ClassVar[tuple[str, ...]] = ("image", "text")
    passes_are: ClassVar[Literal["one", "each", "joined", "mean", "masks", "pairs"]] = "joined"


class EventsSpec(ReadOutTaskSpec):
    """One class for each segment of a clip: audio-visual event classification."""

    type: Literal["events"] = "events"
    passes_are: ClassVar[Literal["one", "each", "joined", "mean", "masks", "pairs"]] = "each"


class SegmentationSpec(ReadOutTaskSpec):
    """Masks of what sounds in the frames of a clip: the head sees each patch of a frame beside what the towers read out
    of the frame and its sound."""

    type: Literal["segmentation"] = "segmentation"
    needs: ClassVar[tuple[str, ...]] = ("image", "audio")
    passes_are: ClassVar[Literal["one", "each", "joined", "mean", "masks", "pairs"]] = "masks"

    head: Annotated[HeadSpec, Slot("head", "mlp")] = Field(
        default_factory=lambda: {"type": "mlp"},
        validate_default=True,
    )
    """The mask decoder: the head that makes logits of a patch."""
    places: Annotated[int, Field(ge=1, le=32)] = 4
    """A patch is divided into places x places, each with a logit; these are scaled up to the mask bilinearly."""
    f_clips: Annotated[int, Field(ge=1)] | None = None
    """Clips a batch in the figure that published code calls F; its name says how many, since it depends on them and on
    the order of the clips. Default: no such figure."""

    def outputs(self, classes: int) -> int:
        """One a place of a patch."""
        return self.places**2


class RetrievalSpec(PairTaskSpec):
    """Find the image (or clip) of a text and the texts of an image, by the cosine of their read-outs."""

    type: Literal["retrieval"] = "retrieval"
    relevant: Literal["shared", "own"] = "shared"
    """What is right for a text: every image that some item shows with the same words (`shared`), or that of its own
    item alone (`own`), as published protocols of clips count, where equal captions of several clips are one right."""
