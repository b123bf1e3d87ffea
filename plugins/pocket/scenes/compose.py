"""Random scenes: which things, where, how large, in what look. Everything follows from one numpy generator."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeVar

import numpy as np

from .scene import COLOURS, RGB, TEXTURES, Ground, Kind, Look, Scene, Thing
from .shapes import SHAPES
from .stencils import CHARACTERS, StencilBank

Arrangement = Literal["close-up", "single", "several", "pair", "bare"]
T = TypeVar("T")
_GREYS = ("white", "black", "gray")


@dataclass(frozen=True)
class Mix:
    """How often each arrangement and kind is drawn."""

    arrangements: dict[Arrangement, float] = field(
        default_factory=lambda: {"close-up": 0.56, "single": 0.18, "several": 0.11, "pair": 0.11, "bare": 0.04}
    )
    close_up_digits: float = 0.7
    """Share of digits among the close-ups (the rest are letters)."""
    handwritten: float = 0.75
    """Share of handwritten characters among the close-ups."""
    low_resolution: float = 0.6
    """Share of close-ups seen at eight pixels a side."""


class Composer:
    """Draws scenes from a stencil bank, one after another, from one generator."""

    def __init__(self, bank: StencilBank, seed: int, mix: Mix | None = None) -> None:
        self.mix = mix or Mix()
        self.rng = np.random.default_rng(seed)
        self.pen, self.aspects = bank.pen, bank.aspects
        self.hand_rows: dict[str, list[int]] = {}
        self.printed_rows: dict[str, list[int]] = {}
        for row, (name, hand) in enumerate(zip(bank.names, bank.hand, strict=True)):
            (self.hand_rows if hand else self.printed_rows).setdefault(name, []).append(row)

    def scenes(self, count: int) -> list[Scene]:
        """The next ``count`` scenes."""
        names, shares = list(self.mix.arrangements), np.array(list(self.mix.arrangements.values()))
        drawn = self.rng.choice(len(names), size=count, p=shares / shares.sum())
        return [self.scene(names[index]) for index in drawn]

    def scene(self, arrangement: Arrangement) -> Scene:
        """One scene of the given arrangement."""
        if arrangement == "close-up":
            return self._close_up()
        ground = self._ground(_pick(self.rng, TEXTURES) if self.rng.random() < 0.6 else "plain")
        look = self._look(float(self.rng.random() < 0.15))
        if arrangement == "bare":
            return Scene((), ground, look)
        if arrangement == "single":
            extent = self._extent()
            x, y = self.rng.uniform(extent * 0.45, 1 - extent * 0.45, 2)
            return Scene(((self._thing(ground, x, y, extent),),), ground, look)
        if arrangement == "pair":
            return Scene(self._pair(ground), ground, look)
        return Scene((self._several(ground),), ground, look)

    def _close_up(self) -> Scene:
        digit = self.rng.random() < self.mix.close_up_digits
        name = _pick(self.rng, CHARACTERS[:10] if digit else CHARACTERS[10:])
        plain = self.rng.random() < 0.85
        grey = self.rng.random() < 0.75
        ground = self._ground("plain" if plain else _pick(self.rng, TEXTURES), _GREYS if grey else tuple(COLOURS))
        x, y = self.rng.normal(0.5, 0.03, 2)
        extent = float(self.rng.uniform(0.8, 1.02))
        hand = self.rng.random() < self.mix.handwritten
        palette = _GREYS if grey else tuple(COLOURS)
        thing = self._thing(ground, x, y, extent, name, hand, palette)
        return Scene(((thing,),), ground, self._look(self.mix.low_resolution))

    def _pair(self, ground: Ground) -> tuple[tuple[Thing, ...], ...]:
        offset, drift = self.rng.uniform(0.2, 0.28), self.rng.uniform(-0.08, 0.08)
        ends = [(0.5 - offset, 0.5 + drift), (0.5 + offset, 0.5 - drift)]
        if self.rng.random() < 0.5:
            ends = [(y, x) for x, y in ends]
        if self.rng.random() < 0.5:
            ends.reverse()
        first, second = (self._thing(ground, x, y, float(self.rng.uniform(0.26, 0.42))) for x, y in ends)
        if first.name.lower() == second.name.lower():
            return self._pair(ground)
        return (first,), (second,)

    def _several(self, ground: Ground) -> tuple[Thing, ...]:
        count = int(self.rng.integers(2, 6))
        extent = float(self.rng.uniform(0.2, 0.27))
        cells = self.rng.permutation(9)[:count]
        middles = np.array([(0.17 + 0.33 * (cell % 3), 0.17 + 0.33 * (cell // 3)) for cell in cells])
        spots = (middles + self.rng.normal(0, 0.01, middles.shape)).tolist()
        first = self._thing(ground, spots[0][0], spots[0][1], extent)
        alike = [self._thing(ground, x, y, extent, first.name, first.hand, (first.colour,)) for x, y in spots[1:]]
        return (first, *alike)

    def _extent(self) -> float:
        low, high = ((0.26, 0.36), (0.44, 0.56), (0.66, 0.9))[int(self.rng.integers(3))]
        return float(self.rng.uniform(low, high))

    def _thing(
        self,
        ground: Ground,
        x: float,
        y: float,
        extent: float,
        name: str | None = None,
        hand: bool | None = None,
        palette: Sequence[str] = tuple(COLOURS),
    ) -> Thing:
        """A thing at (x, y) in a colour of ``palette`` that the ground does not have (unless nothing else is left)."""
        rng = self.rng
        if name is None:
            name = _pick(rng, tuple(SHAPES)) if rng.random() < 0.5 else _pick(rng, CHARACTERS)
        kind: Kind = "shape" if name in SHAPES else "digit" if name.isdigit() else "letter"
        written = kind != "shape" and (rng.random() < 0.5 if hand is None else hand)
        # A bank without fonts has only handwriting.
        written = (written and name in self.hand_rows) or name not in self.printed_rows
        row = _pick(rng, (self.hand_rows if written else self.printed_rows)[name])
        taken = {ground.colour} if ground.texture == "plain" else {ground.colour, ground.second}
        colour = _pick(rng, [c for c in palette if c not in taken] or [c for c in COLOURS if c not in taken])
        shape = kind == "shape"
        return Thing(
            name, kind, colour, self._rgb(colour), written, float(x), float(y), extent,
            stretch=float(rng.uniform(0.85, 1.15) if shape else rng.uniform(0.68, 1.3)),
            angle=float(rng.normal(0, 4 if shape else 7)),
            shear=float(rng.normal(0, 0.05) if shape else rng.normal(0.05, 0.13)),
            pen=self._pen(row, shape),
            warp=0.0 if shape else float(rng.uniform(0, 0.06)),
            row=row,
        )  # fmt: skip

    def _pen(self, row: int, shape: bool) -> float:
        if self.pen[row]:
            # The narrower a character, the broader a pen it bears: a 1 written with a marker is still a 1.
            broadest = 0.11 + 0.14 * max(0.0, 1 - self.aspects[row] / 0.6)
            return float(self.rng.uniform(0.035, broadest))
        return float(self.rng.uniform(-0.01, 0.01) if shape else self.rng.uniform(-0.01, 0.045))

    def _ground(self, texture: str, palette: Sequence[str] = tuple(COLOURS)) -> Ground:
        colour, second = (str(c) for c in self.rng.choice(palette, 2, replace=False))
        period, phase = self.rng.uniform(0.2, 0.34), self.rng.uniform(0, 1)
        return Ground(texture, colour, self._rgb(colour), second, self._rgb(second), float(period), float(phase))

    def _rgb(self, colour: str) -> RGB:
        red, green, blue = np.clip(np.array(COLOURS[colour]) + self.rng.normal(0, 0.035, 3), 0, 1)
        return float(red), float(green), float(blue)

    def _look(self, low_resolution: float) -> Look:
        rng = self.rng
        low = rng.random() < low_resolution
        resolution = 8 if low else int(_pick(rng, (10, 12, 16, 32, 32, 32)))
        interpolation: Literal["bicubic", "bilinear", "nearest"] = "bicubic"
        if rng.random() < 0.25:
            interpolation = "bilinear" if rng.random() < 0.7 else "nearest"
        blur = float(rng.uniform(0, 1)) if rng.random() < 0.3 else 0.0
        noise = float(rng.uniform(0, 0.08)) if rng.random() < 0.4 else 0.0
        return Look(resolution, interpolation, blur, float(rng.uniform(0.75, 1.15)), float(rng.normal(0, 0.05)), noise)


def _pick(rng: np.random.Generator, options: Sequence[T]) -> T:
    return options[int(rng.integers(len(options)))]
