"""Questions about clips of two objects that move, in the manner of MSRVTT-QA: one answer each, of a closed list.

Kinds, a quarter of the questions each:

    exists  "is there a red circle": yes or no; the clip has a red thing and a circle even so
    colour  "what color is the circle"
    shape   "what shape is the red object"
    stays   "is the circle in the same place in all pictures": yes or no, seen in no single frame

Clip and kind are drawn first, then whom it is about. What the question alone allows is ``CHANCE``; the clip alone
leaves "yes" as good as "no", but where both objects stay, or both go: 5/16 in all.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from .captions import with_article
from .clips import MovingClip, draw_clip
from .scene import WORLD_COLOURS, WORLD_SHAPES

CLIP_KINDS = ("exists", "colour", "shape", "stays")
CLIP_ANSWERS = ("yes", "no", *WORLD_COLOURS, *WORLD_SHAPES)
#: The best that the question alone can do, by kind.
CHANCE = {"exists": 1 / 2, "colour": 1 / 8, "shape": 1 / 5, "stays": 1 / 2}


@dataclass(frozen=True, slots=True)
class AskedMovingClip:
    """A clip, a question and its answer."""

    kind: str
    clip: MovingClip
    text: str
    answer: str


def draw_asked_moving_clip(random: Random) -> AskedMovingClip:
    """A random clip; kind, question and answer."""
    clip, kind = draw_clip(random), random.choice(CLIP_KINDS)
    mover, other = random.sample(clip.movers, 2)
    thing = mover.thing
    match kind:
        case "exists":
            truth = random.random() < 0.5
            shape = thing.shape if truth else other.thing.shape
            text, answer = f"is there {with_article(f'{thing.colour} {shape}')}", "yes" if truth else "no"
        case "colour":
            text, answer = f"what color is the {thing.shape}", thing.colour
        case "shape":
            text, answer = f"what shape is the {thing.colour} object", thing.shape
        case _:
            text = f"is the {thing.shape} in the same place in all pictures"
            answer = "yes" if len(mover.way) == 1 else "no"
    return AskedMovingClip(kind, clip, text, answer)
