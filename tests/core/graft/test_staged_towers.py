"""Adapters in networks of stages beside a text tower: sized by the stop, frozen norms, saved, loaded, planned."""

from __future__ import annotations

import json

import pytest
import torch
from torch import Tensor, nn

from graftwork.core.graft import GraftedTowers, Tower, TowerError, builder, load_adapter, save_pretrained
from graftwork.core.graft.plan import plan_graft
from graftwork.core.roles import TowerShape, one_or_each
from graftwork.plugins.adapters.hmmoe import HMMoESpec
from graftwork.plugins.adapters.lora import LoraSpec

from ...support.models.staged_models import STAGED, pictures, staged_model
from ...support.models.tower_models import inputs, model

UNIMODAL = {"experts": [{"type": "unimodal"}]}


def towers_of(name: str, seed: int = 0) -> GraftedTowers:
    return GraftedTowers([Tower.of("image", staged_model(name, seed)), Tower.of("text", model("Bert", 3, width=24))])


def grafted_of(name: str, **fields: object) -> GraftedTowers:
    grafted = towers_of(name)
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(0)
        grafted.add_adapter("a", HMMoESpec.model_validate({"rank": 4} | fields), builder())
    return grafted


def batch(name: str, size: int = 2) -> dict[str, dict[str, Tensor]]:
    return {"image": pictures(name, size), "text": inputs("Bert", size)}


def vectors(out) -> dict[str, Tensor]:
    return {
        name: one if isinstance(one, Tensor) else one.last_hidden_state.flatten(1) for name, one in out.outputs.items()
    }


def stir(grafted: GraftedTowers) -> None:
    generator = torch.Generator().manual_seed(0)
    for name, parameter in grafted.named_parameters():
        if name.endswith("up.weight"):
            nn.init.normal_(parameter, std=0.2, generator=generator)


@pytest.mark.parametrize("fields", [{}, UNIMODAL, {"layer_map": "last_k", "meetings": 2}, {"places": ["block"]}])
@pytest.mark.parametrize("name", ["ResNet", "ConvNext", "Swin", "timm EfficientNet", "timm Swin", "timm MambaOut"])
def test_an_untrained_adapter_changes_nothing_and_a_moved_one_both_towers(name, fields):
    """To the bit, in either library; with the adapter off it is the bare model again."""
    grafted = grafted_of(name, **fields)
    with torch.no_grad(), grafted.disable_adapter():
        plain = vectors(grafted(batch(name)))
    with torch.no_grad():
        fresh = vectors(grafted(batch(name)))
        stir(grafted)
        moved = vectors(grafted(batch(name)))
    assert all(torch.equal(fresh[tower], plain[tower]) for tower in plain)
    assert not any(torch.equal(moved[tower], plain[tower]) for tower in plain)


@pytest.mark.parametrize("name", ["ResNet", "timm EfficientNet", "timm ResNet"])
def test_norms_of_a_frozen_tower_never_change_not_even_in_training(name):
    """Neither a running figure nor a weight, through steps of training; what is trained all gets a gradient."""
    grafted = grafted_of(name)
    tower = grafted.towers["image"].model
    before = {key: value.clone() for key, value in tower.state_dict().items()}
    assert any(key.endswith("running_var") for key in before)
    grafted.train()
    optimizer = torch.optim.SGD(grafted.parameters(), lr=0.1)
    reached = set()
    for _ in range(2):
        optimizer.zero_grad()
        out = grafted(batch(name))
        loss = sum(one.sin().square().sum() for one in vectors(out).values()) + out.auxiliary_loss()
        loss.backward()
        reached |= {key for key, one in grafted.named_parameters() if one.grad is not None and one.grad.any()}
        optimizer.step()
    assert reached == {key for key, _ in grafted.named_parameters()}
    assert all(torch.equal(value, before[key]) for key, value in tower.state_dict().items())
    assert not any(module.training for module in tower.modules())


def test_an_items_company_in_a_batch_changes_nothing_of_it():
    """Batch norms are asked for their stored figures, not for those of the batch."""
    grafted = grafted_of("timm EfficientNet")
    stir(grafted)
    grafted.train()
    whole, alone = batch("timm EfficientNet", 3), batch("timm EfficientNet", 3)
    alone = {tower: {key: value[:1] for key, value in one.items()} for tower, one in alone.items()}
    with torch.no_grad():
        torch.testing.assert_close(
            vectors(grafted(whole))["image"][:1], vectors(grafted(alone))["image"], rtol=1e-5, atol=1e-5
        )


@pytest.mark.parametrize("name", ["ResNet, basic", "Swinv2", "timm ConvNeXt V2"])
def test_saved_and_loaded_onto_a_fresh_model_it_gives_bit_equal_outputs(name, tmp_path):
    """The folder says the width of each block, and other towers are refused by theirs."""
    grafted = grafted_of(name)
    stir(grafted)
    folder = save_pretrained(grafted, tmp_path / "saved")
    said = json.loads((folder / "adapter_config.json").read_text())["graftwork"]
    assert said["towers"]["image"]["width"] == STAGED[name]
    assert said["towers"]["text"]["width"] == 24
    assert [one["widths"]["image"] for one in said["meetings"]] == [
        STAGED[name][int(one["stops"]["image"].partition("_")[0])] for one in said["meetings"]
    ]
    loaded = load_adapter(towers_of(name), folder)
    with torch.no_grad():
        one, other = vectors(grafted(batch(name))), vectors(loaded(batch(name)))
    assert all(torch.equal(one[tower], other[tower]) for tower in one)
    with pytest.raises(TowerError, match=r"blocks, widths \d+ to \d+ there, .* of 4 blocks, widths 8 to 24 here"):
        load_adapter(towers_of("ConvNext"), folder)


def shapes_of(name: str) -> list[TowerShape]:
    widths = STAGED[name]
    return [TowerShape(("image",), len(widths), one_or_each(widths), 8), TowerShape(("text",), 3, 24, 24)]


@pytest.mark.parametrize("layer_map", ["stride", "last_k", [[0, 0], [1, 1], [3, 2]]])
@pytest.mark.parametrize("fields", [{"rank": 4}, {"rank": 20}, {"budget": {"trainable_share": 0.4}}])
def test_the_plan_is_what_is_built_stop_by_stop(fields, layer_map):
    """A site's size is that of its stage; where a stage is narrower than the rank, its width is the rank there."""
    spec = HMMoESpec.model_validate({"layer_map": layer_map, "router": {"hidden": 2}} | fields)
    grafted = towers_of("timm ResNet")
    plan = plan_graft(spec, shapes_of("timm ResNet"), grafted.frozen_parameters())
    grafted.add_adapter("a", spec, builder())
    built = {name: sum(p.numel() for p in one.parameters()) for name, one in grafted.adapters["a"].grafts.items()}
    assert plan is not None
    assert {f"{one.stream}_{one.block}_{one.place}": one.parameters for one in plan.sites} == built
    assert plan.parameters == sum(built.values())
    of_pictures = [one.parameters for one in plan.sites if one.stream == "image"]
    assert of_pictures == sorted(of_pictures)
    assert of_pictures[0] < of_pictures[-1]
    for name, graft in grafted.adapters["a"].grafts.items():
        stream, block, _ = name.split("_")
        width = STAGED["timm ResNet"][int(block)] if stream == "image" else 24
        assert graft.up.out_features == width
        assert max(seat.x[1] - seat.x[0] for seat in graft.seats) == min(plan.rank, width)


def test_a_rank_is_measured_at_the_widest_stop_and_an_experts_own_at_the_narrowest():
    """A budget reaches no rank that no stop of a stream is as wide as."""
    shapes = shapes_of("timm ResNet")
    assert plan_graft(HMMoESpec.model_validate({"rank": 24}), shapes, 1000) is not None
    with pytest.raises(TowerError, match="rank 33 is above the width 32 of stream `image`"):
        plan_graft(HMMoESpec.model_validate({"rank": 33} | UNIMODAL), shapes[:1], 1000)
    own = HMMoESpec.model_validate({"experts": [{"type": "unimodal", "rank": 9}]})
    with pytest.raises(TowerError, match="rank 9 is above the width 8 of stream `image`"):
        plan_graft(own.model_copy(update={"layer_map": [[0, 0]]}), shapes, 1000)
    assert plan_graft(own.model_copy(update={"layer_map": "last_k", "meetings": 2}), shapes, 1000) is not None
    most = HMMoESpec.model_validate({"budget": {"trainable_share": 0.99}, **UNIMODAL})
    plan = plan_graft(most, shapes[:1], 10**9)
    assert plan is not None
    assert plan.rank == 32


def test_a_mask_of_a_whole_item_reaches_every_stage():
    """[batch, 1]: an item without its picture leaves its text as it is without the image tower."""
    name = "ConvNext"
    grafted = grafted_of(name, experts=[{"type": "cross_attention"}, {"type": "unimodal"}])
    stir(grafted)
    given = batch(name)
    with torch.no_grad():
        masked = vectors(grafted(given, masks={"image": torch.tensor([[True], [False]])}))["text"]
        alone = vectors(grafted({"text": given["text"]}))["text"]
        whole = vectors(grafted(given))["text"]
    torch.testing.assert_close(masked[1], alone[1])
    torch.testing.assert_close(masked[0], whole[0])
    assert not torch.allclose(masked[1], whole[1])
    with pytest.raises(TowerError, match=r"masks: that of `image` is \[2, 64\], and its hidden state \[2, 16, 16\]"):
        grafted(given, masks={"image": torch.ones(2, 64, dtype=torch.bool)})


def test_windows_are_not_items():
    """A Swin's attention is called with windows of all items side by side: nobody can meet there."""
    grafted = grafted_of("Swin", places=["attention"])
    with pytest.raises(TowerError, match=r'32 of `image`, 2 of `text`.*take place "block" or "feed_forward"'):
        grafted(batch("Swin"))


def test_lora_adapts_the_linear_layers_of_every_stage():
    """A Swin's have the widths of their stages; a ResNet has none, and that is said."""
    grafted = GraftedTowers([Tower.of("image", staged_model("timm Swin"))])
    grafted.add_adapter("a", LoraSpec(rank=2, targets=["qkv"]), builder())
    assert [tuple(one.shape) for one in grafted.parameters()] == [
        *[(2, 16), (48, 2)] * 2,
        *[(2, 32), (96, 2)] * 2,
    ]
    with pytest.raises(TowerError, match=r"adapter\.targets: in tower `image` there is no linear layer in its blocks"):
        towers_of("ResNet").add_adapter("a", LoraSpec(rank=2), builder())
