"""Rendered pictures kept in memory with all that is known of them: rendered once, looked at many times."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ..clip.teacher import Teacher
from ..scenes.captions import claim_codes
from ..scenes.compose import Composer, Mix
from ..scenes.describe import described, sentence
from ..scenes.render import render
from ..scenes.stencils import StencilBank

#: Pictures rendered at once.
_BATCH = 128


@dataclass(frozen=True)
class Album:
    """Pictures and what is true of them, row by row."""

    pictures: Tensor
    """uint8 [count, 3, 32, 32]."""
    codes: Tensor
    """What is said of each group, int16 [count, 2, attributes]; negative where nothing is."""
    taught: Tensor
    """The teacher's unit embeddings, float32 [count, 128]."""
    descriptions: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.descriptions)


def render_album(
    bank: StencilBank, teacher: Teacher, mix: Mix, seed: int, count: int, watch: Callable[[int], None]
) -> Album:
    """``count`` pictures of scenes of ``mix``; ``watch`` is told how many more are done."""
    composer, shake = Composer(bank, seed, mix), torch.Generator().manual_seed(seed)
    pictures, codes, taught, descriptions = [], [], [], []
    for start in range(0, count, _BATCH):
        scenes = composer.scenes(min(_BATCH, count - start))
        known = [described(scene) for scene in scenes]
        drawn = (render(scenes, bank, shake) * 255).round()
        pictures.append(drawn.byte())
        codes.append(claim_codes(known))
        taught.append(teacher.embed(drawn / 255))
        descriptions += [sentence(facts) for facts in known]
        watch(len(scenes))
    return Album(torch.cat(pictures), torch.cat(codes), torch.cat(taught), tuple(descriptions))
