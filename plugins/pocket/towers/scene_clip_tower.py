"""The pocket scene CLIP: transformers' own ``CLIPModel``, both towers transformers, and what it learns from.

Contrastive pre-training: Radford et al., 2021, arXiv:2103.00020. The neighbours that differ in one attribute, and the
heads on patches and words, are ours: at this budget the contrastive loss alone learns little.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..world.picture import SIDE
from .fact_heads import TokenHeads
from .picture_lessons import ATTRIBUTES, PATCH, PIXEL_MEAN, PIXEL_STD, SAID, Batch, WordFacts
from .word_tokenizer import END_ID, MOST_TOKENS, PAD_ID, START_ID

if TYPE_CHECKING:
    from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel, PreTrainedTokenizerFast

    from .recipes import SceneClipRecipe


def build_scene_clip(recipe: SceneClipRecipe, vocabulary: int) -> CLIPModel:
    """An untrained model for a vocabulary of that size."""
    from transformers import CLIPConfig, CLIPModel

    vision, text = recipe.vision, recipe.text
    config: CLIPConfig = CLIPConfig(
        projection_dim=recipe.projection,
        vision_config={
            "hidden_size": vision.width,
            "num_hidden_layers": vision.depth,
            "num_attention_heads": vision.heads,
            "intermediate_size": vision.inner,
            "image_size": SIDE,
            "patch_size": PATCH,
            "hidden_act": "gelu",
        },
        text_config={
            "hidden_size": text.width,
            "num_hidden_layers": text.depth,
            "num_attention_heads": text.heads,
            "intermediate_size": text.inner,
            "vocab_size": vocabulary,
            "max_position_embeddings": MOST_TOKENS,
            "hidden_act": "gelu",
            "pad_token_id": PAD_ID,
            "bos_token_id": START_ID,
            "eos_token_id": END_ID,
        },
    )
    return CLIPModel(config)


def build_image_processor() -> CLIPImageProcessor:
    """Pictures to 48 x 48 (shorter side, then the middle), normalised."""
    from transformers import CLIPImageProcessor

    return CLIPImageProcessor(
        size={"shortest_edge": SIDE},
        crop_size={"height": SIDE, "width": SIDE},
        image_mean=[PIXEL_MEAN] * 3,
        image_std=[PIXEL_STD] * 3,
    )


def contrastive_loss(images: Tensor, texts: Tensor, scale: Tensor, alike: Tensor) -> Tensor:
    """CLIP's symmetric loss of unit rows [N, dim], in which neighbours with the same caption do not compete."""
    logits = scale * images @ texts.T
    own = torch.arange(len(images))
    spared = torch.zeros_like(logits, dtype=torch.bool)
    spared[own, own ^ 1] = alike
    logits = logits.masked_fill(spared, -torch.inf)
    return (F.cross_entropy(logits, own) + F.cross_entropy(logits.T, own)) / 2


class LookingObjective(nn.Module):
    """The image tower with its heads alone; the forward pass is the training loss."""

    def __init__(self, clip: CLIPModel, patches: TokenHeads) -> None:
        super().__init__()
        self.vision, self.patches = clip.vision_model, patches

    def forward(self, pixels: Tensor, facts: Tensor) -> Tensor:
        """Loss of the heads on the patches of ``pixels`` against ``facts`` int64 [N, 36, attributes]."""
        states = self.vision(pixel_values=pixels).last_hidden_state
        loss: Tensor = self.patches(self.vision.post_layernorm(states[:, 1:]), facts)
        return loss


class SceneClipObjective(nn.Module):
    """A CLIP with heads on its patches and words; the forward pass is the training loss."""

    def __init__(self, clip: CLIPModel, tokenizer: PreTrainedTokenizerFast, dense_weight: float) -> None:
        super().__init__()
        self.tower, self.word_facts, self.dense_weight = clip, WordFacts(tokenizer), dense_weight
        vision, text = clip.config.vision_config, clip.config.text_config
        self.patches = TokenHeads(vision.hidden_size, [len(values) for values in ATTRIBUTES.values()])
        self.words = TokenHeads(text.hidden_size, [1 + len(values) for values in SAID.values()])

    def forward(self, batch: Batch) -> Tensor:
        """Contrastive loss, and the heads' weighted by ``dense_weight``."""
        clip = self.tower
        seen = clip.vision_model(pixel_values=batch.pixels)
        read = clip.text_model(input_ids=batch.tokens, attention_mask=batch.mask)
        images = F.normalize(clip.visual_projection(seen.pooler_output), dim=-1)
        texts = F.normalize(clip.text_projection(read.pooler_output), dim=-1)
        scale = clip.logit_scale.exp().clamp(max=100)
        states = clip.vision_model.post_layernorm(seen.last_hidden_state[:, 1:])
        dense = self.patches(states, batch.patches)
        dense = dense + self.words(read.last_hidden_state, self.word_facts(batch.tokens))
        loss: Tensor = contrastive_loss(images, texts, scale, batch.alike) + self.dense_weight * dense
        return loss
