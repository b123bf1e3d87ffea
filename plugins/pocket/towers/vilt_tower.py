"""The pocket ViLT: transformers' own ``ViltModel`` in a tiny configuration, its processor, and what it learns from.

Vision-and-Language Transformer: Kim et al., 2021, arXiv:2102.03334. Image-text matching and masked words are theirs;
that the wrong caption is wrong in one word or so, and the heads on patches and words, are ours. They stand behind the
block that can know the answer first: what the pooled vector is to gather, words must know one block earlier, and what
words are to find in the picture, patches another block earlier.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from ..world.picture import SIDE
from .fact_heads import TokenHeads
from .picture_lessons import (
    ATTRIBUTES,
    MOST_OBJECTS,
    NOTHING,
    OBJECT_VALUES,
    PATCH,
    PIXEL_MEAN,
    PIXEL_STD,
    PLACE_VALUES,
    Batch,
)
from .word_tokenizer import END_ID, MASK_ID, MOST_TOKENS, PAD_ID, SPECIAL, START_ID

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast, ViltModel, ViltProcessor
    from transformers.modeling_outputs import BaseModelOutputWithPooling

    from .recipes import TowerSize, ViltRecipe


def build_vilt(size: TowerSize, vocabulary: int) -> ViltModel:
    """An untrained model for a vocabulary of that size."""
    from transformers import ViltConfig, ViltModel

    config = ViltConfig(
        vocab_size=vocabulary,
        hidden_size=size.width,
        num_hidden_layers=size.depth,
        num_attention_heads=size.heads,
        intermediate_size=size.inner,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        initializer_range=0.05,
        image_size=SIDE,
        patch_size=PATCH,
        max_position_embeddings=MOST_TOKENS,
        max_image_length=-1,
        pad_token_id=PAD_ID,
    )
    return ViltModel(config)


def build_processor(tokenizer: PreTrainedTokenizerFast) -> ViltProcessor:
    """Pictures to 48 pixels on the shorter side, normalised, and texts to tokens."""
    from transformers import ViltImageProcessor, ViltProcessor

    images = ViltImageProcessor(
        size={"shortest_edge": SIDE}, size_divisor=PATCH, image_mean=[PIXEL_MEAN] * 3, image_std=[PIXEL_STD] * 3
    )
    return ViltProcessor(images, tokenizer)


def embed_patches(model: ViltModel, pixels: Tensor) -> Tensor:
    """Class token and patches in reading order: [N, 3, 48, 48] to [N, 37, width].

    ``ViltModel`` given pixels hands on its patches in a random order, a new one at each call (each with its position,
    so the other states do not mind). Given this as ``image_embeds`` it keeps the order, and asks no random numbers.
    """
    embeddings = model.embeddings
    patches = embeddings.patch_embeddings(pixels).flatten(2).transpose(1, 2)
    whole = torch.cat([embeddings.cls_token.expand(len(pixels), -1, -1), patches], dim=1)
    placed: Tensor = whole + embeddings.position_embeddings
    return placed


def read_pictures(model: ViltModel, pixels: Tensor, tokens: Tensor, mask: Tensor) -> BaseModelOutputWithPooling:
    """The model's output for pictures of its own size, patches in reading order behind the text's L + 1 tokens."""
    embedded = embed_patches(model, pixels)
    everywhere = torch.ones(embedded.shape[:2], dtype=torch.long)
    out: BaseModelOutputWithPooling = model(
        input_ids=tokens, attention_mask=mask, image_embeds=embedded, pixel_mask=everywhere, output_hidden_states=True
    )
    return out


def learn_from(model: ViltModel, pixels: Tensor, tokens: Tensor, mask: Tensor) -> tuple[Tensor, list[Tensor]]:
    """The pooled vector and, behind each block, the normalised states: float32, by products in bfloat16."""
    with torch.autocast("cpu", torch.bfloat16):
        out = read_pictures(model, pixels, tokens, mask)
    assert out.hidden_states is not None
    return out.pooler_output.float(), [model.layernorm(states) for states in out.hidden_states[1:]]


class LookingObjective(nn.Module):
    """The model without words, with its heads on patches; the forward pass is the training loss."""

    def __init__(self, model: ViltModel, patches: TokenHeads, seen_by: int) -> None:
        """``seen_by``: the block, from 1, behind which the heads ``patches`` stand."""
        super().__init__()
        self.tower, self.patches, self.seen_by = model, patches, seen_by

    def forward(self, pixels: Tensor, facts: Tensor) -> Tensor:
        """Loss of the heads on the patches of ``pixels`` against ``facts`` int64 [N, 36, attributes]."""
        tokens = torch.tensor([[START_ID, END_ID]]).expand(len(pixels), -1)
        _, states = learn_from(self.tower, pixels, tokens, torch.ones_like(tokens))
        loss: Tensor = self.patches(states[self.seen_by - 1][:, tokens.shape[1] + 1 :], facts)
        return loss


class ViltObjective(nn.Module):
    """A ViLT with heads; the forward pass is the training loss."""

    said: Tensor

    def __init__(self, model: ViltModel, said: Tensor, recipe: ViltRecipe, generator: torch.Generator) -> None:
        """``said`` is ``picture_lessons.said_by`` of the tokenizer."""
        super().__init__()
        self.tower, self.recipe, self.generator = model, recipe, generator
        self.register_buffer("said", said, persistent=False)
        width, vocabulary = model.config.hidden_size, model.config.vocab_size
        self.patches = TokenHeads(width, [len(values) for values in ATTRIBUTES.values()])
        self.words = TokenHeads(width, [vocabulary])
        self.places = TokenHeads(width, PLACE_VALUES)
        self.objects = TokenHeads(width, OBJECT_VALUES)
        self.claims = TokenHeads(width, [2, MOST_OBJECTS + 1])
        self.match = TokenHeads(width, [2])

    def forward(self, batch: Batch) -> Tensor:
        """Matching, hidden words, what words speak of and whether it is true, patches: by the recipe's weights."""
        told, matching = self._choose(batch)
        tokens = batch.tokens[told]
        hidden, wanted = self._hide(tokens, matching)
        claims = claims_of(batch, told, self.said).masked_fill((hidden == MASK_ID)[..., None], NOTHING)
        facts = spoken_of(batch, told)
        pooled, states = learn_from(self.tower, batch.pixels, hidden, batch.mask[told])
        words, patches = zip(
            *((one[:, : tokens.shape[1]], one[:, tokens.shape[1] + 1 :]) for one in states), strict=True
        )
        seen, judged = self.recipe.seen_by - 1, self.recipe.judged_by - 1
        looked = [self.patches(patches[block], batch.patches) for block in (seen, -1)]
        loss: Tensor = (
            self.match(pooled, matching[:, None])
            + self.recipe.word_weight * self.words(words[-1], wanted[..., None])
            + self.recipe.dense_weight * self.places(words[seen], facts[..., len(ATTRIBUTES) :])
            + self.recipe.dense_weight * self.objects(words[judged], facts)
            + self.recipe.claim_weight * self.claims(words[judged], claims)
            + self.recipe.dense_weight * torch.stack(looked).mean()
        )
        return loss

    def _choose(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Whose caption each picture gets, int64 [N], and int64 [N] that is 1 where that is its own."""
        own = torch.arange(len(batch.tokens))
        wrong = torch.rand(len(own), generator=self.generator) < self.recipe.mismatched
        strange = torch.rand(len(own), generator=self.generator) < self.recipe.strange
        # A neighbour's caption that is word by word the own one is no wrong one: then a stranger's.
        other = torch.where(batch.alike | strange, (own + 2) % len(own), own ^ 1)
        return torch.where(wrong, other, own), (~wrong).long()

    def _hide(self, tokens: Tensor, matching: Tensor) -> tuple[Tensor, Tensor]:
        """Tokens with some words of true captions hidden, and these words at their places."""
        word = tokens >= len(SPECIAL)
        chance = torch.rand(tokens.shape, generator=self.generator) < self.recipe.masked
        # Half of the true captions stay whole, so that matching is learned on what is met later.
        masked_text = torch.rand(len(tokens), generator=self.generator) < 0.5
        hide = word & chance & masked_text[:, None] & (matching == 1)[:, None]
        return tokens.masked_fill(hide, MASK_ID), torch.where(hide, tokens, NOTHING)


def spoken_of(batch: Batch, told: Tensor) -> Tensor:
    """What is true, in the picture, of the object that each word of its caption speaks of: int64 [N, L, rows].

    Picture n has the caption of ``told[n]``, its own or its neighbour's; neighbours' objects come in one order. Where
    the neighbour's caption says "red" of an object that is blue here, blue is what is to be told. Of a stranger's words
    nothing is.
    """
    own = torch.arange(len(told))
    about = batch.about[told].masked_fill((own // 2 != told // 2)[:, None], -1)
    rows = batch.objects.shape[2]
    facts = batch.objects.gather(1, about.clamp(min=0)[..., None].expand(-1, -1, rows))
    return facts.masked_fill((about < 0)[..., None], NOTHING)


def claims_of(batch: Batch, told: Tensor, said: Tensor) -> Tensor:
    """Of each word that names an attribute: whether its object has it, and how many objects of the picture do.

    int64 [N, L, 2]; ``NOTHING`` at other words, and in the first column where the word speaks of no object. In a
    neighbour's caption the one word that is wrong is told from the others so; a stranger's words are counted alone.
    """
    heard = said[: len(ATTRIBUTES), batch.tokens[told]]
    value, row = (one[..., None] for one in heard.max(dim=0))
    own = spoken_of(batch, told).gather(2, row).squeeze(2)
    having = batch.objects.transpose(1, 2).gather(1, row.expand(-1, -1, batch.objects.shape[1])) == value - 1
    holds = (own == value.squeeze(2) - 1).long().masked_fill(own == NOTHING, NOTHING)
    return torch.stack([holds, having.sum(dim=2)], dim=2).masked_fill(value == 0, NOTHING)
