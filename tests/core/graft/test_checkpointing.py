"""Blocks that run again in the backward pass: the same gradients, less memory."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import transformers
from torch import Tensor

from graftwork.core.graft import GraftedTowers, Tower, builder
from graftwork.plugins.adapters.hmmoe import HMMoESpec
from graftwork.plugins.adapters.lora import LoraSpec

SPECS: dict[str, tuple[Any, dict[str, Any]]] = {
    "hmmoe": (HMMoESpec, {"rank": 4}),
    "hmmoe beside the blocks": (HMMoESpec, {"rank": 4, "placement": "parallel"}),
    "lora": (LoraSpec, {"rank": 2}),
}


def step(kind: str, **fields: Any) -> tuple[list[Tensor], int]:
    """Gradients of all parameters, and bytes that autograd keeps for the backward pass, adapters' among them."""
    torch.manual_seed(0)
    vision = transformers.CLIPVisionModel(
        transformers.CLIPVisionConfig(
            image_size=16,
            patch_size=4,
            num_hidden_layers=4,
            hidden_size=32,
            intermediate_size=128,
            num_attention_heads=2,
        )
    )
    text = transformers.BertModel(
        transformers.BertConfig(
            vocab_size=50, num_hidden_layers=4, hidden_size=32, intermediate_size=128, num_attention_heads=2
        )
    )
    grafted = GraftedTowers([Tower.of("image", vision), Tower.of("text", text)])
    spec, own = SPECS[kind]
    grafted.add_adapter("one", spec.model_validate(own | fields), builder())
    for parameter in grafted.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    inputs = {
        "image": {"pixel_values": torch.randn(3, 3, 16, 16)},
        "text": {"input_ids": torch.randint(0, 50, (3, 7)), "attention_mask": torch.ones(3, 7, dtype=torch.long)},
    }
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        if not isinstance(tensor, torch.nn.Parameter):
            kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        out = grafted(inputs)
    (sum(one.last_hidden_state.sin().sum() for one in out.outputs.values()) + out.auxiliary_loss()).backward()
    return [one.grad.clone() for one in grafted.parameters() if one.grad is not None], sum(kept.values())


@pytest.mark.parametrize("kind", SPECS)
def test_gradients_are_the_same_and_less_is_kept(kind: str) -> None:
    """Towers wait for each other between blocks, LoRA's layers are in place when blocks run again."""
    gradients, kept = step(kind)
    again, less = step(kind, gradient_checkpointing=True)
    torch.testing.assert_close(again, gradients, rtol=1e-5, atol=1e-7)
    states = 4 * 4 * 3 * (17 + 7) * 32  # what blocks are given, in bytes: autograd does not see it
    assert less + states < 0.7 * kept, (less + states, kept)


def test_inside_a_block_towers_cannot_meet_twice() -> None:
    """Said where the spec is written."""
    with pytest.raises(ValueError, match=r'would find no other tower to meet inside it; take `places: \["block"\]`'):
        HMMoESpec.model_validate({"places": ["attention"], "gradient_checkpointing": True})
