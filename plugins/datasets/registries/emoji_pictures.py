"""What the emoji data set is made of, whichever way it comes."""

from __future__ import annotations

from dataclasses import dataclass

from ....core.data.items import Media

#: Unicode's subgroups to the names that prompts use: those of things (neither people, symbols nor flags) with at least
#: twelve emoji.
CLASS_NAMES = {
    "animal-mammal": "mammal",
    "animal-bird": "bird",
    "animal-marine": "sea animal",
    "animal-bug": "bug",
    "plant-flower": "flower",
    "plant-other": "plant",
    "food-fruit": "fruit",
    "food-vegetable": "vegetable",
    "food-prepared": "prepared food",
    "food-asian": "Asian food",
    "food-sweet": "sweet food",
    "drink": "drink",
    "place-building": "building",
    "place-other": "place",
    "transport-ground": "vehicle on the ground",
    "transport-air": "aircraft",
    "sky & weather": "sky and weather",
    "event": "celebration",
    "sport": "sport",
    "game": "game",
    "clothing": "clothing",
    "musical-instrument": "musical instrument",
    "computer": "computer",
    "light & video": "light or camera",
    "book-paper": "book or paper",
    "mail": "mail",
    "office": "office item",
    "tool": "tool",
    "household": "household item",
}


@dataclass(frozen=True, slots=True)
class EmojiPicture:
    """An emoji as one vendor draws it."""

    #: ``noto``, ``twemoji``, ``fluent``.
    vendor: str
    #: Its code points as Unicode writes them, with dashes: ``1F3C4``, ``2601-FE0F``.
    hexcode: str
    #: A key of ``CLASS_NAMES``.
    subgroup: str
    #: Label and tags: ``tulip: blossom, flower, growth, plant``.
    words: str
    picture: Media
