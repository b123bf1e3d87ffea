"""Token vectors of an open_clip model, in its joint space."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import linear

from ....core.roles import EncoderError


def image_tokens(visual: Any, pixels: Tensor) -> list[Tensor]:
    """One [T, embed_dim] a picture.

    A ViT's last hidden states, class token first, then patches, after its final norm, times its projection. A ResNet's
    last feature map, a token a position, through the value and output projections of its attention pool, position
    added: what that position would give if the pool attended to it alone (Zhou et al. 2022, MaskCLIP). Raises
    ``EncoderError`` for other towers.
    """
    if hasattr(visual, "attnpool"):
        return list(_feature_map(visual, pixels))
    if not hasattr(visual, "_embeds") or visual.attn_pool is not None:
        raise EncoderError(
            f"encoder: open_clip's {type(visual).__name__} gives no image tokens; take encoder `transformers`"
        )
    states = visual.ln_post(visual.transformer(visual._embeds(pixels)))
    return list(states @ visual.proj if visual.proj is not None else states)


def _feature_map(visual: Any, pixels: Tensor) -> Tensor:
    """[B, H W, embed_dim]."""
    pool, states = visual.attnpool, visual.stem(pixels)
    for layer in (visual.layer1, visual.layer2, visual.layer3, visual.layer4):
        states = layer(states)
    tokens = states.flatten(2).transpose(1, 2) + pool.positional_embedding[1:].to(states.dtype)
    values = linear(tokens, pool.v_proj.weight, pool.v_proj.bias)
    return linear(values, pool.c_proj.weight, pool.c_proj.bias)


def text_tokens(model: Any, ids: Tensor) -> list[Tensor]:
    """One [T, embed_dim] a text: hidden states after the final norm, projected, from its start to its end token.

    ``ids`` is int64 [B, context]. Raises ``EncoderError`` for other text towers than CLIP's own.
    """
    tower, ends = getattr(model, "text", model), text_ends(model, ids)
    if ends is None or getattr(tower, "cls_emb", None) is not None:
        raise EncoderError(
            f"encoder: open_clip's {type(tower).__name__} gives no text tokens; take encoder `transformers`"
        )
    dtype = tower.transformer.get_cast_dtype()
    states = tower.token_embedding(ids).to(dtype) + tower.positional_embedding[: ids.shape[1]].to(dtype)
    states = tower.ln_final(tower.transformer(states, attn_mask=tower.attn_mask))
    projection = tower.text_projection
    if projection is not None:
        states = projection(states) if isinstance(projection, torch.nn.Linear) else states @ projection
    return [one[: end + 1] for one, end in zip(states, ends.tolist(), strict=True)]


def text_ends(model: Any, ids: Tensor) -> Tensor | None:
    """Position of the end token of each text, int64 [B], as open_clip's own pooling finds it; ``None``: it does not."""
    tower = getattr(model, "text", model)
    pool_type = getattr(tower, "pool_type", getattr(tower, "text_pool_type", None))
    if pool_type == "argmax":  # the end token has the highest id
        return ids.argmax(dim=-1)
    if pool_type != "eos":
        return None
    end = int(getattr(tower, "eos_id", None) or tower.text_eos_id)
    return torch.eq(ids, end).int().argmax(dim=-1)
