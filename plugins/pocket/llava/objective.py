"""What the pocket LLaVA's training minimises: first what its tower must tell, then its descriptions' cross-entropy.

The tower is to tell facts, by linear heads, and the pocket CLIP's embedding of the same picture: 128 numbers a picture
teach faster than a handful of classes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..clip.architecture import EMBED_DIM
from ..scenes.scene import VALUES
from .conversations import IGNORED
from .model import IMAGE_SIZE, MEAN, STD

if TYPE_CHECKING:
    from transformers import LlavaForConditionalGeneration

    from .recipe import LlavaRecipe

#: A picture shows at most so many groups of like things.
GROUPS = 2


def as_pixels(pictures: Tensor) -> Tensor:
    """Pictures uint8 [batch, 3, side, side] as the processor hands them to the tower: float32 [batch, 3, 64, 64]."""
    size = (IMAGE_SIZE, IMAGE_SIZE)
    larger = F.interpolate(pictures.float() / 255, size, mode="bicubic", antialias=True, align_corners=False)
    return ((larger.clamp(0, 1) - MEAN) / STD).contiguous(memory_format=torch.channels_last)


class FactHeads(nn.Module):
    """One linear classifier an attribute and group, on all image tokens together; used in training only."""

    def __init__(self, width: int, emphasis: float) -> None:
        super().__init__()
        self.weights = [emphasis if attribute == "what" else 1.0 for attribute in VALUES]
        self.sizes = [len(values) for values in VALUES.values()]
        self.linear = nn.Linear(width, GROUPS * sum(self.sizes))

    def forward(self, features: Tensor, codes: Tensor) -> Tensor:
        """Cross-entropy, weighted over attributes, of the facts ``codes`` [batch, 2, attributes], where not negative.

        ``features`` is float32 [batch, width].
        """
        logits = self.linear(features).view(len(features), GROUPS, -1).flatten(0, 1)
        wanted, losses = codes.flatten(0, 1).long(), []
        for column, part in enumerate(logits.split(self.sizes, 1)):
            known = wanted[:, column] >= 0
            if bool(known.any()):
                losses.append(self.weights[column] * F.cross_entropy(part[known], wanted[known, column]))
        return torch.stack(losses).sum() / sum(self.weights)


class LookingObjective(nn.Module):
    """The vision tower with its heads; the forward pass is the first stage's loss."""

    def __init__(self, llava: LlavaForConditionalGeneration, recipe: LlavaRecipe) -> None:
        super().__init__()
        self.tower: nn.Module = llava.model.vision_tower
        self.half_precision, self.teacher_weight = recipe.half_precision, recipe.teacher_weight
        width = llava.config.vision_config.hidden_size * llava.config.image_seq_length
        self.heads, self.guess = FactHeads(width, recipe.emphasis), nn.Linear(width, EMBED_DIM)

    def tokens(self, pictures: Tensor) -> Tensor:
        """What the tower makes of ``pictures`` uint8: float32 [batch, 4, width]."""
        with torch.autocast("cpu", torch.bfloat16, enabled=self.half_precision):
            # The last hidden state is the one that the configuration names.
            features: Tensor = self.tower(as_pixels(pictures))[0]
        return features.float()

    def forward(self, pictures: Tensor, codes: Tensor, taught: Tensor) -> Tensor:
        """The loss of rows of an ``Album``."""
        together = self.tokens(pictures).flatten(1)
        missed = 1 - F.cosine_similarity(self.guess(together), taught).mean()
        loss: Tensor = self.heads(together, codes) + self.teacher_weight * missed
        return loss


class DescribingObjective(nn.Module):
    """Projector and language model on what the tower saw; the forward pass is the second stage's loss."""

    def __init__(self, llava: LlavaForConditionalGeneration) -> None:
        super().__init__()
        self.llava = llava

    def forward(self, features: Tensor, tokens: Tensor) -> Tensor:
        """Cross-entropy of the answers' tokens.

        ``features`` are the tower's, float32 [batch, 4, width]; ``tokens`` int64 [2, batch, length] what is read, and
        what is to be said (-100 where nothing is learned).
        """
        from transformers.modeling_outputs import BaseModelOutputWithPooling

        ids, labels = tokens
        seen = BaseModelOutputWithPooling(pooler_output=list(self.llava.model.multi_modal_projector(features)))
        # Answers are at the end; the token before the longest one is where its first token is foretold.
        kept = int((labels != IGNORED).sum(1).max()) + 1
        output = self.llava(
            input_ids=ids,
            attention_mask=(ids != self.llava.config.text_config.pad_token_id).long(),
            labels=labels[:, -kept:],
            logits_to_keep=kept,
            mm_encoder_outputs={"image": seen},
        )
        loss: Tensor = output.loss
        return loss
