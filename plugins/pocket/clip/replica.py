"""One thread of the data-parallel training: its own scenes, its own activations, everyone's weights."""

from __future__ import annotations

import copy

import numpy as np
import torch

from ..scenes.captions import caption, claim_codes, scene_codes
from ..scenes.compose import Composer
from ..scenes.render import render
from ..scenes.stencils import StencilBank
from .architecture import normalised
from .objective import PocketObjective
from .recipe import Recipe
from .vocabulary import Tokenizer


class Replica:
    """Draws batches and leaves their gradients on its copy of the model, whose weights are the master's own."""

    def __init__(self, master: PocketObjective, bank: StencilBank, tokenizer: Tokenizer, recipe: Recipe, number: int):
        self.model = copy.deepcopy(master)
        for mine, theirs in zip(self.model.parameters(), master.parameters(), strict=True):
            mine.data = theirs.data
        self.bank, self.tokenizer, self.batch = bank, tokenizer, recipe.batch
        self.captioned = max(1, round(recipe.batch * recipe.captioned))
        seeds = np.random.SeedSequence((recipe.seed, number)).generate_state(3)
        self.composer = Composer(bank, int(seeds[0]), recipe.mix)
        self.words = np.random.default_rng(int(seeds[1]))
        self.shake = torch.Generator().manual_seed(int(seeds[2]))

    def differentiate(self) -> tuple[float, float]:
        """One batch, forward and backward; returns the contrastive and the heads' loss."""
        # The number of threads belongs to the calling thread: one core a replica, no barriers inside an operation.
        torch.set_num_threads(1)
        scenes = self.composer.scenes(self.batch)
        pictures = normalised(render(scenes, self.bank, self.shake))
        captions = [caption(scene, self.words) for scene in scenes[: self.captioned]]
        tokens = self.tokenizer([caption.text for caption in captions])
        self.model.zero_grad(set_to_none=True)
        claims = claim_codes([caption.claim for caption in captions])
        contrast, heads = self.model(pictures, tokens, claims, scene_codes(scenes))
        (contrast + heads).backward()
        return float(contrast.detach()), float(heads.detach())
