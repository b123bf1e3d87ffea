"""The plain shapes, each a filled polygon (with holes) in the unit box."""

from __future__ import annotations

import math

Polygon = list[tuple[float, float]]


def regular(corners: int, turn: float = 0.0, radius: float = 0.5) -> Polygon:
    """A regular polygon around the middle of the unit box; ``turn`` in turns, 0 has a corner on top."""
    angles = [2 * math.pi * (corner / corners + turn) for corner in range(corners)]
    return [(0.5 + radius * math.sin(angle), 0.5 - radius * math.cos(angle)) for angle in angles]


def _star() -> Polygon:
    outer, inner = regular(5), regular(5, 0.1, 0.21)
    return [corner for pair in zip(outer, inner, strict=True) for corner in pair]


def _heart() -> Polygon:
    turns = [2 * math.pi * step / 48 for step in range(48)]
    xs = [16 * math.sin(t) ** 3 for t in turns]
    ys = [13 * math.cos(t) - 5 * math.cos(2 * t) - 2 * math.cos(3 * t) - math.cos(4 * t) for t in turns]
    return [(0.5 + x / 34, 0.45 - y / 34) for x, y in zip(xs, ys, strict=True)]


def _crescent() -> Polygon:
    outer = [(0.5 - 0.5 * math.cos(a), 0.5 - 0.5 * math.sin(a)) for a in _sweep(-1.9, 1.9)]
    inner = [(0.72 - 0.42 * math.cos(a), 0.5 - 0.42 * math.sin(a)) for a in _sweep(1.75, -1.75)]
    return outer + inner


def _sweep(start: float, stop: float, steps: int = 24) -> list[float]:
    return [start + (stop - start) * step / steps for step in range(steps + 1)]


_CROSS: Polygon = [(0.33, 0), (0.67, 0), (0.67, 0.33), (1, 0.33), (1, 0.67), (0.67, 0.67),
                   (0.67, 1), (0.33, 1), (0.33, 0.67), (0, 0.67), (0, 0.33), (0.33, 0.33)]  # fmt: skip
_ARROW: Polygon = [(0, 0.36), (0.5, 0.36), (0.5, 0.1), (1, 0.5), (0.5, 0.9), (0.5, 0.64), (0, 0.64)]

#: name -> (outline, holes), y down.
SHAPES: dict[str, tuple[Polygon, list[Polygon]]] = {
    "circle": (regular(48), []),
    "square": (regular(4, 0.125, math.sqrt(0.5)), []),
    "triangle": (regular(3), []),
    "diamond": ([(0.5, 0), (0.85, 0.5), (0.5, 1), (0.15, 0.5)], []),
    "hexagon": (regular(6), []),
    "star": (_star(), []),
    "heart": (_heart(), []),
    "cross": (_CROSS, []),
    "ring": (regular(48), [regular(48, 0, 0.3)]),
    "frame": (regular(4, 0.125, math.sqrt(0.5)), [regular(4, 0.125, 0.42)]),
    "crescent": (_crescent(), []),
    "arrow": (_ARROW, []),
}
