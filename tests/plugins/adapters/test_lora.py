"""LoRA inside frozen towers: peft's numbers, in place while the towers run and gone afterwards."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from graftwork.core.graft import GraftedTowers, Tower, TowerError, builder, load_adapter, save_pretrained
from graftwork.core.graft.peft_folder import save_peft
from graftwork.core.storage.run_folder import RunFolderError
from graftwork.plugins.adapters.hmmoe import HMMoESpec
from graftwork.plugins.adapters.lora import LoraSpec
from graftwork.plugins.adapters.lora.layers import import_peft
from graftwork.plugins.encoders.open_clip.encoder import import_open_clip
from graftwork.registry.errors import MissingExtra

from ...support.models.tower_models import FAMILIES, hidden, inputs, model, transformers


def spec_of(**fields: object) -> LoraSpec:
    return LoraSpec.model_validate({"type": "lora"} | ({} if "budget" in fields else {"rank": 4}) | fields)


def two_towers(spec: LoraSpec | None = None, trained: bool = True) -> GraftedTowers:
    """CLIP's vision tower and BERT; ``trained``: the adapter changes something."""
    grafted = GraftedTowers([Tower.of("image", model("CLIPVision")), Tower.of("text", model("Bert", width=24))])
    torch.manual_seed(0)
    grafted.add_adapter("lora", spec or spec_of(), builder())
    return stirred(grafted) if trained else grafted.eval()


def stirred(grafted: GraftedTowers) -> GraftedTowers:
    for name, parameter in grafted.named_parameters():
        if name.endswith("B.weight"):
            nn.init.normal_(parameter, std=0.2)
    return grafted.eval()


def batch(size: int = 2) -> dict[str, dict[str, Tensor]]:
    return {"image": inputs("CLIPVision", size), "text": inputs("Bert", size)}


def states(out) -> dict[str, Tensor]:
    return {name: hidden(one) for name, one in out.outputs.items()}


def modules(grafted: GraftedTowers) -> list[nn.Module]:
    return [module for tower in grafted.towers.values() for module in tower.model.modules()]


def open_clip_towers(block: dict) -> tuple[nn.Module, dict[str, nn.Module]]:
    """A tiny CLIP of open_clip's, and its two towers; ``block``: which attention class."""
    sizes = {"image_size": 32, "layers": 2, "width": 32, "head_width": 16, "patch_size": 8}
    words = {"context_length": 8, "vocab_size": 64, "width": 32, "heads": 2, "layers": 2}
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(0)
        clip = import_open_clip().CLIP(embed_dim=16, vision_cfg={**sizes, **block}, text_cfg=words).eval()
    return clip, {"image": clip.visual}


class Convolutional(nn.Module):
    """Two blocks of a pointwise, a depthwise and a strided convolution; no linear layer."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.blocks = nn.ModuleList(
            nn.ModuleDict(
                {"pw": nn.Conv2d(8, 8, 1), "dw": nn.Conv2d(8, 8, 3, padding=1, groups=8)}
                | {"mix": nn.Conv2d(8, 8, 3, padding=1, bias=False), "norm": nn.BatchNorm2d(8)}
            )
            for _ in range(2)
        )

    def forward(self, x: Tensor) -> Tensor:
        for block in self.blocks:
            for part in block.values():
                x = part(x)
        return x


def test_convolutions_are_adapted_where_they_are_named(tmp_path: Path) -> None:
    """W * x + (alpha / r) B A * x as one convolution with the sum of both kernels says, and as PEFT says of the saved
    folder; depthwise ones stay frozen."""
    tower = Convolutional().eval()
    grafted = GraftedTowers([Tower.of("t", tower, blocks="blocks")])
    grafted.add_adapter("lora", spec_of(targets=["mix"], rank=2), builder())
    stirred(grafted)
    x = torch.randn(2, 8, 5, 5, generator=torch.Generator().manual_seed(0))
    matrices = dict(grafted.named_parameters())
    assert len(matrices) == 4
    merged = Convolutional().eval()
    for index in range(2):
        (a,) = (one for name, one in matrices.items() if f"{index}_mix" in name and "A" in name)
        (b,) = (one for name, one in matrices.items() if f"{index}_mix" in name and "B" in name)
        assert (a.shape, b.shape) == ((2, 8, 3, 3), (8, 2, 1, 1))
        merged.blocks[index]["mix"].weight.data += 16 / 2 * torch.einsum("or,rikl->oikl", b[:, :, 0, 0], a)
    torch.testing.assert_close(grafted({"t": {"x": x}}).outputs["t"], merged(x), atol=1e-5, rtol=1e-4)
    with grafted.disable_adapter():
        assert torch.equal(grafted({"t": {"x": x}}).outputs["t"], tower(x))
    assert type(tower.blocks[0]["mix"]) is nn.Conv2d
    every = GraftedTowers([Tower.of("t", tower, blocks="blocks")])
    every.add_adapter("lora", spec_of(targets="all", rank=2), builder())
    assert list(every.adapters["lora"].sites()) == [f"t.{block}.{name}" for block in range(2) for name in ("pw", "mix")]
    theirs = import_peft().PeftModel.from_pretrained(Convolutional().eval(), save_peft(grafted, tmp_path / "peft"))
    torch.testing.assert_close(theirs(x), grafted({"t": {"x": x}}).outputs["t"])
    for targets, said in [("all-linear", '"all", or name its convolutions: pw, mix$'), (["dw"], "no layer `dw`")]:
        with pytest.raises(TowerError, match=said):
            grafted.add_adapter("other", spec_of(targets=targets), builder())


@pytest.mark.parametrize("family", FAMILIES)
def test_any_family_is_adapted_in_its_blocks_alone(family):
    """Bit-equal at the start; every tensor has a gradient within two steps; what is trained changes the output."""
    grafted = GraftedTowers([Tower.of("t", model(family))])
    grafted.add_adapter("lora", spec_of(), builder())
    names = [name for name, _ in grafted.towers["t"].model.named_modules()]
    blocks = grafted.towers["t"].blocks

    def run() -> Tensor:
        torch.manual_seed(1)  # ViLT shuffles its patches
        return states(grafted({"t": inputs(family)}))["t"]

    with torch.no_grad(), grafted.disable_adapter():
        plain = run()
    assert torch.equal(run(), plain)
    optimizer, reached = torch.optim.SGD(grafted.parameters(), lr=0.5), set()
    for _ in range(2):
        optimizer.zero_grad(set_to_none=True)
        run().sin().square().sum().backward()
        reached |= {n for n, p in grafted.named_parameters() if p.grad is not None and p.grad.abs().max() > 0}
        optimizer.step()
    assert reached == {name for name, _ in grafted.named_parameters()}
    assert not torch.allclose(run(), plain, atol=1e-4)
    with grafted.disable_adapter():
        assert torch.equal(run(), plain)
    assert [name for name, _ in grafted.towers["t"].model.named_modules()] == names
    assert all(parameter.grad is None for block in blocks for parameter in block.parameters())


def test_it_is_what_peft_gives_to_the_model_itself():
    """The same weights put into peft's own model of the same tower: the same numbers."""
    grafted = two_towers(spec_of(targets=["q_proj", "v_proj", "query"], alpha=6))
    given = inputs("CLIPVision")
    with torch.no_grad():
        ours = states(grafted({"image": given}))["image"]
        peft = import_peft()
        config = peft.LoraConfig(r=4, lora_alpha=6, target_modules=["q_proj", "v_proj"])
        theirs = peft.inject_adapter_in_model(config, model("CLIPVision"))
        state = grafted.state_dict()
        for name, layer in theirs.named_modules():
            if isinstance(layer, peft.tuners.lora.Linear):
                block, _, path = name.rpartition("layers.")[2].partition(".")
                key = f"adapters.lora.lora.image_{block}_{path.replace('.', '_')}"
                layer.lora_A["default"].weight.copy_(state.pop(f"{key}.A.weight"))
                layer.lora_B["default"].weight.copy_(state.pop(f"{key}.B.weight"))
        torch.testing.assert_close(hidden(theirs.eval()(**given)), ours, rtol=0, atol=0)
    assert {name.split(".")[3].split("_")[0] for name in state} == {"text"}


@pytest.mark.parametrize(
    ("block", "mute"), [({}, {"attn_out_proj"}), ({"block_type": "custom", "qk_norm": True}, set())]
)
def test_open_clips_attention_classes(block, mute):
    """The packed projection is adapted by peft's parameter wrapper; torch's attention never calls its out_proj."""
    clip, towers = open_clip_towers(block)
    grafted = GraftedTowers([Tower.of(name, tower) for name, tower in towers.items()])
    grafted.add_adapter("lora", spec_of(), builder())
    pixels = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    names, before = list(clip.state_dict()), {name: one.clone() for name, one in clip.state_dict().items()}
    with torch.no_grad():
        plain = clip.encode_image(pixels)
        assert torch.equal(grafted({"image": {"x": pixels}}).outputs["image"], plain)
    adapted = {name.split(".")[3].partition("_0_")[2] for name in grafted.state_dict()} - {""}
    assert adapted == {"attn_in_proj_weight", "attn_out_proj", "mlp_c_fc", "mlp_c_proj"} - mute
    optimizer, reached = torch.optim.SGD(grafted.parameters(), lr=0.5), set()
    for _ in range(2):
        optimizer.zero_grad(set_to_none=True)
        grafted({"image": {"x": pixels}}).outputs["image"].sin().sum().backward()
        reached |= {n for n, p in grafted.named_parameters() if p.grad is not None and p.grad.abs().max() > 0}
        optimizer.step()
    assert reached == {name for name, _ in grafted.named_parameters()}
    with torch.no_grad():
        assert not torch.allclose(grafted({"image": {"x": pixels}}).outputs["image"], plain, atol=1e-3)
        assert torch.equal(clip.encode_image(pixels), plain)
    assert list(clip.state_dict()) == names
    assert all(torch.equal(one, before[name]) for name, one in clip.state_dict().items())


def test_a_packed_projection_is_its_equation():
    """Attention with W + (alpha / r) B A in place of W."""
    clip, towers = open_clip_towers({})
    grafted = GraftedTowers([Tower.of("image", towers["image"])])
    grafted.add_adapter("lora", spec_of(targets=["in_proj_weight"], alpha=2), builder())
    stirred(grafted)
    pixels = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        ours = grafted({"image": {"x": pixels}}).outputs["image"]
        for index, block in enumerate(clip.visual.transformer.resblocks):
            a, b = (grafted.adapters["lora"].lora[f"image_{index}_attn_in_proj_weight"][one].weight for one in "AB")
            block.attn.in_proj_weight += 2 / 4 * b @ a
        torch.testing.assert_close(clip.visual(pixels), ours, rtol=1e-5, atol=1e-6)


def test_torchs_fused_layers_hear_the_update():
    """In evaluation torch's encoder layer would read weights past the layers that hold them."""
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True, dropout=0.0)
    tower = Tower.of("t", nn.TransformerEncoder(layer, 2, enable_nested_tensor=False))
    grafted = GraftedTowers([tower])
    grafted.add_adapter("lora", spec_of(), builder())
    stirred(grafted)
    x = {"t": {"src": torch.randn(2, 5, 16)}}
    trained = grafted(x).outputs["t"]
    with torch.no_grad():
        torch.testing.assert_close(grafted(x).outputs["t"], trained)
        with grafted.disable_adapter():
            assert not torch.allclose(grafted(x).outputs["t"], trained, atol=1e-3)
    assert torch.backends.mha.get_fastpath_enabled()


def test_frozen_modules_are_back_after_a_run_and_after_an_exception():
    """The very same objects, whoever fails."""
    grafted = two_towers()
    before = modules(grafted)
    changed = states(grafted(batch()))["image"]
    assert [id(one) for one in modules(grafted)] == [id(one) for one in before]
    with pytest.raises(ValueError, match="exactly one of input_ids"):
        grafted({"image": inputs("CLIPVision"), "text": {"input_ids": None}})
    assert [id(one) for one in modules(grafted)] == [id(one) for one in before]
    with torch.no_grad():
        plain = hidden(model("CLIPVision")(**inputs("CLIPVision")))
        with grafted.disable_adapter():
            assert torch.equal(states(grafted(batch()))["image"], plain)
        assert torch.equal(hidden(grafted.towers["image"].model(**inputs("CLIPVision"))), plain)
        assert torch.equal(states(grafted(batch()))["image"], changed)
    assert not torch.allclose(changed, plain, atol=1e-3)


def test_named_adapters_stand_side_by_side():
    """Two of LoRA and one HMMoE on one pair of towers; each gives what it gave alone."""
    grafted = two_towers()
    alone = states(grafted(batch()))["text"]
    torch.manual_seed(5)
    grafted.add_adapter("other", spec_of(rank=2, targets=["q_proj", "query"]), builder())
    grafted.add_adapter("mixed", HMMoESpec.model_validate({"rank": 4}), builder())
    for parameter in grafted.adapters["other"].parameters():
        nn.init.normal_(parameter, std=0.2)
    found = {name: states(run_of(grafted, name))["text"] for name in ("mixed", "other", "lora")}
    assert torch.equal(found["lora"], alone)
    assert not torch.allclose(found["other"], alone, atol=1e-3)
    with grafted.disable_adapter():
        torch.testing.assert_close(found["mixed"], states(grafted(batch()))["text"])
    grafted.delete_adapter("other")
    assert torch.equal(states(grafted(batch()))["text"], alone)


def run_of(grafted: GraftedTowers, name: str):
    grafted.set_adapter(name)
    return grafted(batch())


def test_towers_do_not_hear_each_other():
    """A missing partner changes nothing at all; a batch of one equals a batch of many."""
    grafted = two_towers()
    with torch.no_grad():
        both = states(grafted(batch()))
        assert torch.equal(states(grafted({"image": batch()["image"]}))["image"], both["image"])
        one = {name: {key: value[:1] for key, value in given.items()} for name, given in batch().items()}
        alone = states(grafted(one))
    for name in both:
        torch.testing.assert_close(alone[name][0], both[name][0], rtol=1e-4, atol=1e-5)


def test_what_a_masked_word_is_never_matters():
    """Words are masked by the tower's own mask."""
    grafted = two_towers()
    given, other = inputs("Bert"), inputs("Bert")
    given["attention_mask"][:, 4:] = other["attention_mask"][:, 4:] = 0
    other["input_ids"][:, 4:] = 5
    with torch.no_grad():
        first, second = (states(grafted({"text": one}))["text"][:, :4] for one in (given, other))
    torch.testing.assert_close(first, second, rtol=1e-5, atol=1e-6)


def test_dropout_is_for_training_alone():
    """And the frozen towers stay in evaluation."""
    grafted = two_towers(spec_of(dropout=0.5))
    assert torch.equal(states(grafted(batch()))["image"], states(grafted(batch()))["image"])
    grafted.train()
    assert not torch.equal(states(grafted(batch()))["image"], states(grafted(batch()))["image"])
    assert not grafted.towers["image"].model.training


@pytest.mark.parametrize("share", [0.06, 0.3, 0.99])
def test_a_budget_finds_the_largest_rank(share):
    """One more would be too much, or wider than the narrowest layer."""
    grafted = two_towers(spec_of(budget={"trainable_share": share}))
    spec = grafted.spec("lora")
    assert spec.budget is None
    assert grafted.trainable_share() <= share
    per_rank = sum(p.numel() for p in grafted.parameters()) / spec.rank
    assert (spec.rank + 1) * per_rank > share * grafted.frozen_parameters() or spec.rank == 24


@pytest.mark.parametrize("precision", [torch.float16, torch.bfloat16])
def test_a_tower_of_half_precision_is_adapted_in_full(precision):
    """Weights that are trained are float32; outputs have the tower's dtype."""
    grafted = GraftedTowers([Tower.of("text", model("Bert", seed=3).to(precision))])
    try:
        grafted.add_adapter("lora", spec_of(), builder())
        stirred(grafted)
        assert {parameter.dtype for parameter in grafted.parameters()} == {torch.float32}
        assert states(grafted({"text": inputs("Bert")}))["text"].dtype == precision
    finally:
        grafted.towers["text"].model.float()


def test_saved_and_loaded_it_gives_bit_equal_outputs(tmp_path):
    """A budget comes back as the rank it found; the folder holds A and B alone."""
    grafted = two_towers(spec_of(budget={"trainable_share": 0.06}))
    folder = save_pretrained(grafted, tmp_path / "saved")
    assert (
        sum(path.stat().st_size for path in folder.iterdir()) < 4 * sum(p.numel() for p in grafted.parameters()) + 2e4
    )
    fresh = GraftedTowers([Tower.of("image", model("CLIPVision")), Tower.of("text", model("Bert", width=24))])
    load_adapter(fresh, folder).eval()
    assert fresh.spec("lora") == grafted.spec("lora")
    with torch.no_grad():
        there, here = states(grafted(batch())), states(fresh(batch()))
    assert all(torch.equal(there[name], here[name]) for name in there)
    with pytest.raises(RunFolderError, match="exists already"):
        save_pretrained(grafted, folder)


def test_an_adapter_of_other_layers_is_not_loaded(tmp_path):
    """Towers of one class and size, other modules inside; what was active stays so."""
    folder = save_pretrained(two_towers(), tmp_path / "saved")
    wider = model("CLIPVision", seed=7)
    wider.encoder.layers[0].mlp.fc1 = nn.Linear(32, 48)
    wider.encoder.layers[0].mlp.fc2 = nn.Linear(48, 32)
    other = GraftedTowers([Tower.of("image", wider), Tower.of("text", model("Bert", width=24))])
    other.add_adapter("mine", spec_of(), builder())
    with pytest.raises(
        TowerError, match=r"other layers: 2 tensors differ, first `lora.image_0_mlp_fc1.B.weight`: \(64, 4\) there"
    ):
        load_adapter(other, folder)
    assert (list(other.adapters), other.active) == (["mine"], "mine")


def test_an_adapter_that_peft_saved_is_called_that(tmp_path):
    """Its folder has our layout and no manifest: not an unfinished run, but another library's."""
    import_peft().LoraConfig(r=2, target_modules=["query"]).save_pretrained(tmp_path)
    with pytest.raises(
        RunFolderError, match="is of no Graftwork adapter: `peft_type` is 'LORA', and ours is 'GRAFTWORK'"
    ):
        load_adapter(GraftedTowers([Tower.of("text", model("Bert", 2))]), tmp_path)


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"targets": ["q_prj", "query"]}, "adapter.targets: no layer `q_prj`; did you mean `q_proj`"),
        ({"targets": ["q_proj"]}, "in tower `text` there is no layer `q_proj`; there are: query, key, value"),
        ({"rank": 25}, r"adapter.rank 25 is above the width 24 of text's `0.attention.self.query`"),
        ({"budget": {"trainable_share": 1e-4}}, "trainable_share 0.0001 is too little: rank 1 is 0.0"),
    ],
)
def test_what_does_not_fit_is_an_error(fields, says):
    """It says what, where, and what would do; nothing is grafted."""
    with pytest.raises(TowerError, match=says):
        two_towers(spec_of(**fields))


def test_one_of_several_towers_can_be_meant() -> None:
    """The other runs as it is, bit for bit, and has no parameters."""
    grafted = two_towers(spec_of(towers=["text"]))
    adapted = states(grafted(batch()))
    with grafted.disable_adapter():
        frozen = states(grafted(batch()))
    assert torch.equal(adapted["image"], frozen["image"])
    assert not torch.allclose(adapted["text"], frozen["text"])
    assert all(name.startswith("lora.text_") for name, _ in grafted.adapters["lora"].named_parameters())
    with pytest.raises(
        TowerError, match=r"adapter.towers: `sound` is none of these; towers with blocks are image, text"
    ):
        two_towers(spec_of(towers=["sound"]))


def test_rank_and_budget_together_are_an_error():
    """One of them is the size."""
    with pytest.raises(ValueError, match="either `budget` or `rank`"):
        spec_of(rank=3, budget={"trainable_share": 0.1})


def test_dropout_before_a_packed_projection_is_an_error():
    """Not silently left out."""
    _, towers = open_clip_towers({})
    grafted = GraftedTowers([Tower.of("image", towers["image"])])
    with pytest.raises(TowerError, match=r"adapter.dropout: image's `0.attn.in_proj_weight` is a parameter"):
        grafted.add_adapter("lora", spec_of(dropout=0.1), builder())
    assert not grafted.adapters


def test_without_peft_the_extra_is_named(monkeypatch):
    """Before anything changes."""
    transformers()
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(MissingExtra, match=r'pip install "graftwork\[lora\]"'):
        two_towers()


def test_a_tower_without_blocks_runs_alone():
    """Beside one that is adapted, by LoRA or in lock-step; alone there is nothing to adapt."""
    frozen = Tower("frozen", nn.Linear(4, 4).requires_grad_(False), (), (), streams=("frozen",))
    x = torch.randn(2, 4)
    for spec in (spec_of(), HMMoESpec.model_validate({"rank": 4})):
        grafted = GraftedTowers([frozen, Tower.of("text", model("Bert"))])
        grafted.add_adapter("a", spec, builder())
        out = grafted({"frozen": {"input": x}, "text": inputs("Bert")})
        assert list(out.outputs) == ["frozen", "text"]
        assert torch.equal(out.outputs["frozen"], frozen.model(x))
        assert torch.equal(grafted({"frozen": {"input": x}}).outputs["frozen"], frozen.model(x))
        with pytest.raises(TowerError, match="none of these towers has blocks"):
            GraftedTowers([frozen]).add_adapter("a", spec, builder())
