"""What the training minimises: a contrastive loss over every true pair, and heads that read each fact off a picture."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..scenes.captions import ATTRIBUTES, holds
from ..scenes.scene import VALUES
from .architecture import EMBED_DIM, encode_images, encode_texts

#: Facts whose loss counts for more, being the hardest to read off a picture. The others count 1.
_EMPHASIS = {"what": 4.0}


class FactHeads(nn.Module):
    """One linear classifier an attribute, on the image embedding; used in training only."""

    def __init__(self) -> None:
        super().__init__()
        self.sizes = [len(values) for values in VALUES.values()]
        self.linear = nn.Linear(EMBED_DIM, sum(self.sizes))

    def forward(self, embedding: Tensor, codes: Tensor) -> Tensor:
        """Cross-entropy, weighted over attributes, of the facts ``codes`` [batch, attributes], where not negative."""
        losses = []
        for column, logits in enumerate(self.linear(embedding).split(self.sizes, 1)):
            wanted = codes[:, column].long()
            if bool((wanted >= 0).any()):
                losses.append(
                    _EMPHASIS.get(ATTRIBUTES[column], 1.0)
                    * F.cross_entropy(logits, wanted.clamp(min=-1), ignore_index=-1)
                )
        return torch.stack(losses).sum() / sum(_EMPHASIS.get(attribute, 1.0) for attribute in ATTRIBUTES)


def contrastive_loss(images: Tensor, texts: Tensor, scale: Tensor, truth: Tensor) -> Tensor:
    """CLIP's symmetric loss where several captions may be true of a picture.

    ``images`` [pictures, dim] and ``texts`` [captions, dim] are unit rows; ``truth`` bool [captions, pictures] says
    which caption holds of which picture. Each row's target is uniform over what is true of it (a row without any is
    left out), so a second picture of a 3 is never a negative of "a photo of the digit 3".
    """
    logits = scale * texts @ images.T
    return (_soft_targets_loss(logits, truth) + _soft_targets_loss(logits.T, truth.T)) / 2


def _soft_targets_loss(logits: Tensor, truth: Tensor) -> Tensor:
    some = truth.any(1)
    logits, target = logits[some], truth[some].float()
    target = target / target.sum(1, keepdim=True)
    # The entropy of the target is what the best model reaches: without it, zero loss means perfect.
    floor = -(target * target.clamp(min=1e-9).log()).sum(1)
    return (-(target * logits.log_softmax(1)).sum(1) - floor).mean()


class PocketObjective(nn.Module):
    """A CLIP with its fact heads; the forward pass is the training loss."""

    def __init__(self, clip: nn.Module, heads_weight: float) -> None:
        super().__init__()
        self.clip = clip
        self.heads = FactHeads()
        self.heads_weight = heads_weight

    def forward(self, pictures: Tensor, tokens: Tensor, claims: Tensor, scenes: Tensor) -> tuple[Tensor, Tensor]:
        """Contrastive and heads' losses of a batch.

        ``pictures`` are normalised float32 [batch, 3, side, side], ``tokens`` int64 [batch, context], ``claims`` and
        ``scenes`` the int16 codes [batch, 2, attributes] of ``captions``.
        """
        embedding = encode_images(self.clip, pictures, normalize=False)
        texts = encode_texts(self.clip, tokens)
        scale = self.clip.get_parameter("logit_scale").exp().clamp(max=100)
        contrast = contrastive_loss(F.normalize(embedding, dim=-1), texts, scale, holds(claims, scenes))
        # With two groups in a picture "the" colour is not defined: heads look at scenes of one group or none.
        alone = (scenes[:, 1] < 0).all(1)
        return contrast, self.heads_weight * self.heads(embedding[alone], scenes[alone, 0])
