"""The specs of published data sets in their own layout."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from ....core.roles import DatasetSpec
from ....registry.spec import LocalPath


class PublishedSpec(DatasetSpec):
    """What published picture sets share."""

    root: LocalPath
    """The folder that holds the data set's folder, or that folder itself; torchvision's layout and CoOp's are known."""
    split: Literal["official", "coop"] = "official"
    """The official split, or that of CoOp's split file. Results on the two are not comparable."""
    split_file: LocalPath | None = None
    """CoOp's split file, where it is not in the data set's folder under its own name."""
    download: bool = False
    """Whether a run may fetch what is missing (torchvision's download; a plan fetches nothing)."""

    @model_validator(mode="after")
    def _split_file_is_used(self) -> PublishedSpec:
        if self.split_file and self.split != "coop":
            raise ValueError('`split_file` is read with "split": "coop" alone')
        return self


class CarvedSpec(PublishedSpec):
    """Published picture sets whose official split has no validation pictures."""

    val_fraction: Annotated[float, Field(ge=0, lt=1)] = 0.2
    """Share of each class of the official training split that becomes `val`, by content hash. 0: no `val`."""


class OxfordPetsSpec(CarvedSpec):
    """Oxford-IIIT Pets: 37 breeds, 7,349 pictures. Official: 3,680 train, 3,669 test; CoOp's: 2,944/736/3,669."""

    type: Literal["oxford_pets"] = "oxford_pets"


class Flowers102Spec(PublishedSpec):
    """Oxford Flowers 102, 8,189 pictures. Official train/val/test: 1,020/1,020/6,149; CoOp's: 4,093/1,633/2,463."""

    type: Literal["flowers102"] = "flowers102"


class Food101Spec(CarvedSpec):
    """Food-101, 101,000 pictures. Official: 75,750 train, 25,250 test; CoOp's train/val/test: 50,500/20,200/30,300."""

    type: Literal["food101"] = "food101"
