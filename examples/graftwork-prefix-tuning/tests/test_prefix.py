"""The learned prefix against its equation, and inside real architectures."""

from __future__ import annotations

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor, nn

from graftwork.core.graft import GraftedTowers, Tower, TowerError, builder, load_adapter, save_pretrained
from graftwork_prefix_tuning import PrefixSpec
from graftwork_prefix_tuning.prefix import LearnedPrefix

SIZES = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
WORDS = {"vocab_size": 50, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
PICTURE = {"image_size": 16, "patch_size": 8}
FAMILIES = {"CLIPVision": PICTURE, "CLIPText": WORDS, "ViT": PICTURE, "Bert": {"vocab_size": 50}, "Llama": WORDS}


def model(family: str, **more: object) -> nn.Module:
    """A tiny random one."""
    import transformers

    torch.manual_seed(0)
    config = getattr(transformers, f"{family}Config")(**SIZES, **FAMILIES.get(family, {}), **more)
    return getattr(transformers, f"{family}Model")(config).eval()


def inputs(family: str) -> dict[str, Tensor]:
    """Two pictures, or two texts of which one is padded."""
    generator = torch.Generator().manual_seed(1)
    if FAMILIES[family] is PICTURE:
        return {"pixel_values": torch.randn(2, 3, 16, 16, generator=generator)}
    ids = torch.randint(3, 50, (2, 5), generator=generator)
    return {"input_ids": ids, "attention_mask": torch.tensor([[1] * 5, [1] * 3 + [0] * 2])}


def grafted(family: str, **fields: object) -> GraftedTowers:
    """One tower with a prefix in it."""
    towers = GraftedTowers([Tower.of("t", model(family))])
    towers.add_adapter("prefix", PrefixSpec.model_validate({"type": "prefix", **fields}), builder())
    return towers


def state(towers: GraftedTowers, family: str) -> Tensor:
    """The last hidden state."""
    found: Tensor = towers({"t": inputs(family)}).outputs["t"].last_hidden_state
    return found


@pytest.mark.parametrize("family", FAMILIES)
def test_it_starts_as_nothing_and_learns(family: str) -> None:
    """Bit-equal at first; every tensor has a gradient within two steps; disabled, the frozen model is back."""
    towers = grafted(family, length=3)
    with torch.no_grad(), towers.disable_adapter():
        plain = state(towers, family)
    assert torch.equal(state(towers, family), plain)
    optimizer, reached = torch.optim.SGD(towers.parameters(), lr=0.5), set()
    for _ in range(2):
        optimizer.zero_grad(set_to_none=True)
        state(towers, family).sin().square().sum().backward()
        reached |= {name for name, one in towers.named_parameters() if one.grad is not None and one.grad.any()}
        optimizer.step()
    assert reached == {name for name, _ in towers.named_parameters()}
    assert not torch.allclose(state(towers, family), plain, atol=1e-4)
    with towers.disable_adapter():
        assert torch.equal(state(towers, family), plain)


def test_a_causal_model_stays_causal() -> None:
    """What stands later changes nothing before it, the trained prefix included."""
    towers = grafted("Llama", length=3)
    for name, one in towers.named_parameters():
        if name.endswith("gate"):
            nn.init.ones_(one)
    ids = torch.randint(3, 50, (1, 6), generator=torch.Generator().manual_seed(2))
    changed = ids.clone()
    changed[0, -1] += 1
    first, second = (towers({"t": {"input_ids": one % 50}}).outputs["t"].last_hidden_state for one in (ids, changed))
    torch.testing.assert_close(first[:, :-1], second[:, :-1])


def test_the_prefix_is_its_equation() -> None:
    """Head by head: attention of the queries over the learned keys and values, times tanh of the gate."""
    torch.manual_seed(0)
    prefix, queries = LearnedPrefix(length=5, heads=2, width=4), torch.randn(3, 7, 8)
    nn.init.normal_(prefix.gate)
    found = prefix(queries)
    for head in range(2):
        own = queries[..., 4 * head : 4 * head + 4]
        read = nn.functional.scaled_dot_product_attention(
            own, prefix.keys[head].expand(3, 5, 4), prefix.values[head].expand(3, 5, 4)
        )
        torch.testing.assert_close(found[..., 4 * head : 4 * head + 4], read * prefix.gate[head].tanh())


def test_a_budget_is_kept() -> None:
    """The longest prefix below the share."""
    towers = grafted("Bert", budget={"trainable_share": 0.1})
    assert 0.08 < towers.trainable_share() <= 0.1
    with pytest.raises(TowerError, match="too little: length 1 is"):
        grafted("Bert", budget={"trainable_share": 1e-6})


def test_a_packed_projection_is_refused() -> None:
    """ModernBERT projects queries, keys and values at once: said, with what to take."""
    towers = GraftedTowers([Tower.of("t", model("ModernBert", **WORDS))])
    with pytest.raises(TowerError, match="no attention with a query projection"):
        towers.add_adapter("prefix", PrefixSpec(), builder())


def test_it_is_saved_and_loaded(tmp_path) -> None:
    """The same numbers from the saved adapter."""
    towers = grafted("ViT", length=3)
    for one in towers.parameters():
        nn.init.normal_(one)
    save_pretrained(towers, tmp_path / "adapter")
    again = GraftedTowers([Tower.of("t", model("ViT"))])
    load_adapter(again, tmp_path / "adapter", name="again")
    assert torch.equal(state(again, "ViT"), state(towers, "ViT"))


def test_length_and_budget_exclude_each_other() -> None:
    """One of them decides."""
    with pytest.raises(ValidationError, match="either `budget` or `length`"):
        PrefixSpec.model_validate({"type": "prefix", "length": 3, "budget": {"trainable_share": 0.1}})
