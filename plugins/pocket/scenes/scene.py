"""What a training picture holds, as data: the ground truth from which pictures, captions and questions are made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from .shapes import SHAPES

Kind = Literal["digit", "letter", "shape"]
RGB = tuple[float, float, float]

COLOURS: dict[str, RGB] = {
    "red": (0.87, 0.1, 0.1),
    "green": (0.1, 0.62, 0.15),
    "blue": (0.12, 0.2, 0.87),
    "yellow": (0.95, 0.9, 0.12),
    "orange": (0.98, 0.53, 0.05),
    "purple": (0.52, 0.1, 0.62),
    "pink": (0.98, 0.6, 0.75),
    "cyan": (0.1, 0.85, 0.88),
    "brown": (0.45, 0.26, 0.1),
    "white": (1.0, 1.0, 1.0),
    "black": (0.0, 0.0, 0.0),
    "gray": (0.5, 0.5, 0.5),
}
TEXTURES = (
    "plain",
    "horizontally striped",
    "vertically striped",
    "diagonally striped",
    "checkered",
    "dotted",
    "shaded",
)
PLACES = ("top left", "top", "top right", "left", "center", "right", "bottom left", "bottom", "bottom right")
SIZES = ("small", "medium", "large")
COUNTS = ("one", "two", "three", "four", "five")
RELATIONS = ("left of", "right of", "above", "below")
#: Letters whose two cases look alike once size and position are free: their case is never spoken of.
CASELESS = frozenset("cosuvwxz")
DIGITS = "0123456789"
LETTERS = "abcdefghijklmnopqrstuvwxyz"

#: Everything that can be said of a group of like things and of its surroundings: attribute -> its values.
VALUES: dict[str, tuple[str, ...]] = {
    "what": (*DIGITS, *LETTERS, *SHAPES),
    "kind": ("digit", "letter", "shape"),
    "case": ("uppercase", "lowercase"),
    "style": ("handwritten", "printed"),
    "colour": tuple(COLOURS),
    "size": SIZES,
    "place": PLACES,
    "count": COUNTS,
    "relation": RELATIONS,
    "texture": TEXTURES,
    "ground": tuple(COLOURS),
    "second": tuple(COLOURS),
    "detail": ("low resolution", "sharp"),
}
Facts = Mapping[str, str]


@dataclass(frozen=True)
class Thing:
    """One drawn thing. Lengths are shares of the picture's side, x to the right and y down from the top left."""

    name: str
    kind: Kind
    colour: str
    rgb: RGB
    hand: bool
    x: float
    y: float
    extent: float
    """Length of the longer side of its bounding box, before stretching."""
    stretch: float
    """Factor on its width."""
    angle: float
    """Degrees, clockwise."""
    shear: float
    pen: float
    """Half the width of the pen (for a pen's path) or what is added to the outline, as a share of ``extent``."""
    warp: float
    """Standard deviation of the elastic displacement, as a share of ``extent``."""
    row: int
    """Its row in the stencil bank."""


@dataclass(frozen=True)
class Ground:
    """The background: a texture in one or two colours."""

    texture: str
    colour: str
    rgb: RGB
    second: str
    second_rgb: RGB
    period: float
    """Length of the pattern, as a share of the picture's side."""
    phase: float


@dataclass(frozen=True)
class Look:
    """How the camera saw it: resolution in pixels a side, then contrast, brightness, blur and noise in [0, 1]."""

    resolution: int
    interpolation: Literal["bicubic", "bilinear", "nearest"]
    blur: float
    gain: float
    lift: float
    noise: float


@dataclass(frozen=True)
class Scene:
    """Groups of like things (same name and colour) on a ground, seen in some look."""

    groups: tuple[tuple[Thing, ...], ...]
    ground: Ground
    look: Look

    @property
    def things(self) -> tuple[Thing, ...]:
        """All things, in drawing order."""
        return tuple(thing for group in self.groups for thing in group)


def size_word(extent: float) -> str:
    """small, medium or large."""
    return SIZES[(extent > 0.4) + (extent > 0.6)]


def place_word(x: float, y: float) -> str | None:
    """The ninth of the picture that (x, y) lies in; None near the border of two, where words would be unsure."""
    if min(abs(c - border) for c in (x, y) for border in (0.38, 0.62)) < 0.02:
        return None
    column, row = ((c > 0.38) + (c > 0.62) for c in (x, y))
    return PLACES[3 * row + column]


def facts(scene: Scene) -> tuple[dict[str, str], ...]:
    """What is true of each group of ``scene`` (of the bare ground, if it has none); what is unsure is left out."""
    ground = _ground_facts(scene)
    if not scene.groups:
        return (ground,)
    return tuple(ground | _group_facts(group) | _relation(scene, number) for number, group in enumerate(scene.groups))


def _ground_facts(scene: Scene) -> dict[str, str]:
    ground = scene.ground
    said = {"texture": ground.texture, "ground": ground.colour}
    if ground.texture != "plain":
        said["second"] = ground.second
    if scene.look.resolution <= 10:
        said["detail"] = "low resolution"
    elif scene.look.resolution >= 24 and scene.look.blur < 0.2:
        said["detail"] = "sharp"
    return said


def _group_facts(group: tuple[Thing, ...]) -> dict[str, str]:
    thing = group[0]
    said = {"what": thing.name.lower(), "kind": thing.kind, "colour": thing.colour, "count": COUNTS[len(group) - 1]}
    said["size"] = size_word(thing.extent)
    if thing.kind != "shape":
        said["style"] = "handwritten" if thing.hand else "printed"
    if thing.kind == "letter" and thing.name.lower() not in CASELESS:
        said["case"] = "uppercase" if thing.name.isupper() else "lowercase"
    place = place_word(thing.x, thing.y)
    if len(group) == 1 and place is not None:
        said["place"] = place
    return said


def _relation(scene: Scene, number: int) -> dict[str, str]:
    if len(scene.groups) != 2 or any(len(group) != 1 for group in scene.groups):
        return {}
    (here,), (there,) = scene.groups[number], scene.groups[1 - number]
    dx, dy = here.x - there.x, here.y - there.y
    if abs(dx) > 2 * abs(dy):
        return {"relation": "left of" if dx < 0 else "right of"}
    if abs(dy) > 2 * abs(dx):
        return {"relation": "above" if dy < 0 else "below"}
    return {}
