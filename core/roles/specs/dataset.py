"""Where items come from: what every data set's spec has. Light: no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from ....registry.spec import ActsWith
from ...data.found_files import FoundFiles, Reading
from .component import ComponentSpec


@dataclass(frozen=True, slots=True)
class Sampling:
    """Which frames of a clip are seen, and what is heard of one without sound."""

    #: So many, the middles of as many equal parts; ``None``: one in the middle of each ``every`` seconds.
    frames: int | None
    every: float | None = None
    #: Where a clip has no sound: it cannot be read, or silence stands for it.
    absent: Literal["refuse", "silence"] = "refuse"


class DatasetSpec(ComponentSpec):
    """Where items come from."""

    #: Which of `image`, `video`, `audio`, `vector` its items have; without a graph section their vectors are the nodes.
    gives: ClassVar[tuple[str, ...]] = ("image",)

    shots: Annotated[int, Field(ge=1)] | None = None
    """Labelled training items a class; the rest of the training split stays unlabelled. Default: all of them."""
    on_error: Literal["fail", "skip", "record"] = "fail"
    """Pictures, clips and sounds that cannot be decoded: `fail` names them all, `skip` goes on without them, `record`
    also lists them in the run folder (`unreadable.jsonl`)."""
    max_errors: Annotated[int, Field(ge=0), ActsWith(on_error=("skip", "record"))] = 100
    """With `skip` or `record`: more unreadable items than this still fail."""
    duplicates: Literal["note", "fail"] = "note"
    """Contents that are in several splits, or in several classes, byte for byte: a `note` counts them, in the plan, the
    run and its result; `fail` refuses and names them."""
    background: Annotated[str, Field(pattern="^#[0-9a-f]{6}$")] = "#ffffff"
    """The colour under transparent pixels of pictures, as `#rrggbb` in small letters; white by default."""

    def tree(self) -> str | None:
        """The folder of which all that lies below is data, so that nothing may be written there; ``None``: none is."""
        return None

    @classmethod
    def reading(cls, found: FoundFiles) -> Reading | None:
        """How a data set of this type would read what lies there; ``None``: it does not. `graftwork init` asks.

        Names and counts are given; it may look into a file of its own kind, and opens no media. Raises ``DataError``
        for such a file that is broken: said where nothing else reads what lies there.
        """
        return None

    def sampling(self) -> Sampling | None:
        """Which frames of a clip its items of `video` have, so that a new clip is seen alike; ``None``: it has none."""
        return None
