"""From a skeleton to points along the pen's way, shaken as a hand shakes it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]

#: Points sampled along one stroke: with fewer, thin pens come out dotted.
POINTS_A_STROKE = 40
#: Ends nearer than this (box units) make a stroke a loop.
CLOSED = 0.15


def parse_skeleton(skeleton: str) -> list[tuple[bool, Points]]:
    """The strokes of ``skeleton`` as (straight?, control points [n, 2]) in the unit box."""
    strokes: list[tuple[bool, Points]] = []
    for part in skeleton.split("|"):
        words = part.split()
        straight = words[0] == "-"
        numbers = [[float(number) for number in word.split(",")] for word in words[straight:]]
        strokes.append((straight, np.array(numbers)))
    return strokes


def catmull_rom(control: Points, count: int) -> Points:
    """``count`` points [count, 2] on the Catmull-Rom curve through ``control`` [n, 2]."""
    closed = np.abs(control[0] - control[-1]).max() < CLOSED and len(control) > 3
    # A loop's ends continue into each other; an open stroke's ends run on straight.
    first = control[-2] if closed else 2 * control[0] - control[1]
    last = control[1] if closed else 2 * control[-1] - control[-2]
    padded = np.vstack([first, control, last])
    along = np.linspace(0, len(control) - 1, count)
    start = np.minimum(along.astype(int), len(control) - 2)
    t = (along - start)[:, None]
    a, b, c, d = (padded[start + k] for k in range(4))
    return np.asarray(b + t / 2 * ((c - a) + t * ((2 * a - 5 * b + 4 * c - d) + t * (3 * b - a - 3 * c + d))))


def straight_line(control: Points, count: int) -> Points:
    """``count`` points [count, 2] evenly along the polyline through ``control`` [n, 2]."""
    steps = np.hypot(*np.diff(control, axis=0).T)
    reached = np.concatenate([[0.0], np.cumsum(steps)])
    along = np.linspace(0, reached[-1], count)
    return np.stack([np.interp(along, reached, control[:, axis]) for axis in (0, 1)], 1)


def pen_path(skeleton: str, rng: np.random.Generator, jitter: float) -> Points:
    """Points [m, 2] along ``skeleton`` with every control point moved by ``jitter`` (standard deviation, box units)."""
    paths = []
    for straight, control in parse_skeleton(skeleton):
        shaken = control + rng.normal(0, jitter, control.shape)
        # A corner of a hasty hand is round: now and then straight strokes are drawn as curves.
        rounded = not straight or (len(control) > 2 and rng.random() < 0.2)
        paths.append((catmull_rom if rounded else straight_line)(shaken, POINTS_A_STROKE))
    return np.concatenate(paths)
