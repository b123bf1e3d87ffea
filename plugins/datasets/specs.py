"""The specs of the data sets that are a module by themselves."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ...core.roles import DatasetSpec
from ...registry.spec import Items


class DigitsSpec(DatasetSpec):
    """scikit-learn's 1,797 real handwritten digits, 8x8 grey.

    A fixed stratified split: half train, a fifth val, the rest test.
    """

    type: Literal["digits"] = "digits"
    class_names: Annotated[Items[str], Field(min_length=10, max_length=10)] = tuple("0123456789")
    """The ten names that prompts use, digit 0 first."""


class PocketWorldSpec(DatasetSpec):
    """Graftwork's own world of shapes that sound, drawn as it is read: tasks whose labels need both modalities.

    `events`: which colour has the object that sounds, in each of four segments? `vqa`: questions with soft scores.
    `nlvr2`: statements about two pictures. `retrieval`: pictures with two captions each, an item a pair.
    `s4`: the one object that sounds is cut out; `ms3`: one, two or three at once (task type `segmentation`).
    `audio_visual_qa`: questions about what sounds in a clip; `audio_visual_qa_short`: shorter clips, fewer kinds of
    questions. `clips`: clips of three frames with a caption each; `clips_often`: with four;
    `clips_twins`: simpler ones, in pairs with two colours exchanged (task type `retrieval`).
    `clips_qa`: questions about such clips (task type `vqa`).
    """

    type: Literal["pocket_world"] = "pocket_world"
    task: Literal[
        "events",
        "vqa",
        "nlvr2",
        "retrieval",
        "s4",
        "ms3",
        "audio_visual_qa",
        "audio_visual_qa_short",
        "clips",
        "clips_often",
        "clips_twins",
        "clips_qa",
    ]
    """What is asked."""
    train: Annotated[int, Field(ge=1)] = 2000
    """Items to train on."""
    val: Annotated[int, Field(ge=0)] = 400
    """Items to select on. 0: no `val`."""
    test: Annotated[int, Field(ge=1)] = 1000
    """Items to report on."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Another seed, another world."""
