"""Frozen towers with adapters in them: switched, removed, saved and loaded; the frozen models stay as they were."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest
import torch
from torch import Tensor

from graftwork.core.graft import GraftedTowers, Tower, TowerError, builder, load_adapter, save_pretrained
from graftwork.core.storage.manifest import seal
from graftwork.core.storage.run_folder import RunFolderError
from graftwork.plugins.adapters.hmmoe import HMMoESpec
from graftwork.registry.discovery import default_catalogue

from ...support.models.tower_models import hidden, hooks_on, inputs, model, transformers, vilt_streams
from ...support.paths import ROOT


def spec_of(**fields: object) -> HMMoESpec:
    return HMMoESpec.model_validate({"rank": 4} | fields)


def grafted_of(spec: HMMoESpec | None = None, depths: tuple[int, int] = (3, 3), trained: bool = True) -> GraftedTowers:
    """CLIP's vision tower and BERT with HMMoE between them; ``trained``: it changes something."""
    grafted = GraftedTowers(
        [Tower.of("image", model("CLIPVision", depths[0])), Tower.of("text", model("Bert", depths[1], width=24))]
    )
    torch.manual_seed(0)
    grafted.add_adapter("first", spec or spec_of(), builder())
    if trained:
        stir(grafted)
    return grafted.eval()


def stir(grafted: GraftedTowers) -> None:
    for name, parameter in grafted.named_parameters():
        if name.endswith("up.weight"):
            torch.nn.init.normal_(parameter, std=0.2)


def batch(size: int = 2) -> dict[str, dict[str, Tensor]]:
    words = inputs("Bert", size)
    words["attention_mask"][0, 4:] = 0
    return {"image": inputs("CLIPVision", size), "text": words}


def states(out) -> dict[str, Tensor]:
    return {name: hidden(one) for name, one in out.outputs.items()}


@pytest.mark.parametrize("placement", ["parallel", "sequential"])
@pytest.mark.parametrize("places", [["block"], ["attention", "feed_forward"]])
@pytest.mark.parametrize(("depths", "layer_map"), [((3, 3), "equal"), ((2, 5), "stride"), ((4, 3), "last_k")])
def test_an_untrained_adapter_changes_nothing(placement, places, depths, layer_map):
    """Bit-equal outputs at the start, wherever the sites are."""
    spec = spec_of(placement=placement, places=places, layer_map=layer_map)
    grafted = grafted_of(spec, depths, trained=False)
    with torch.no_grad():
        out = states(grafted(batch()))
        with grafted.disable_adapter():
            plain = states(grafted(batch()))
    assert all(torch.equal(out[name], plain[name]) for name in plain)


def test_disabled_adapters_give_the_untouched_model_bit_for_bit():
    """And no hook stays on it."""
    plain = model("CLIPVision")(**inputs("CLIPVision"))
    grafted = grafted_of()
    changed = states(grafted(batch()))["image"]
    assert not torch.allclose(changed, hidden(plain), atol=1e-4)
    with grafted.disable_adapter():
        assert torch.equal(states(grafted(batch()))["image"], hidden(plain))
    assert torch.equal(states(grafted(batch()))["image"], changed)
    assert hooks_on(*(tower.model for tower in grafted.towers.values())) == 0
    assert torch.equal(hidden(grafted.towers["image"].model(**inputs("CLIPVision"))), hidden(plain))


def test_a_missing_modality_is_an_ordinary_case():
    """A tower without inputs does not run; what the other gives is what it gives for a partner that is masked away."""
    grafted = grafted_of()
    given = batch()
    alone = states(grafted({"image": given["image"], "text": None}))
    assert list(alone) == ["image"]
    masked = grafted(given, masks={"text": torch.zeros(2, 7, dtype=torch.bool)})
    torch.testing.assert_close(states(masked)["image"], alone["image"])
    with pytest.raises(TowerError, match="no tower has inputs"):
        grafted({"image": None})
    with pytest.raises(TowerError, match="no tower `audio`; there are: image, text"):
        grafted({"audio": {}})


def test_the_attention_mask_reaches_the_partner():
    """What stands at a padded word changes no picture."""
    grafted = grafted_of()
    given = batch()
    other = batch()
    other["text"]["input_ids"][0, 4:] = 5
    assert torch.equal(states(grafted(given))["image"], states(grafted(other))["image"])
    other["text"]["input_ids"][0, 3] = 5
    assert not torch.equal(states(grafted(given))["image"], states(grafted(other))["image"])


@pytest.mark.parametrize("families", [("CLIPVision", "CLIPText"), ("SiglipVision", "Bert"), ("CLIPVision", "AST")])
def test_every_trainable_tensor_learns_and_no_frozen_one_does(families):
    """In two steps, in real architectures; the frozen towers get no gradient and no change."""
    towers = [Tower.of(family, model(family)) for family in families]
    grafted = GraftedTowers(towers)
    grafted.add_adapter("a", spec_of(router={"balance": 0.1}), builder())
    grafted.train()
    before = {name: [p.clone() for p in tower.model.parameters()] for name, tower in grafted.towers.items()}
    optimizer = torch.optim.SGD(grafted.parameters(), lr=0.5)
    reached = set()
    for _ in range(2):
        out = grafted({family: inputs(family) for family in families})
        loss = sum(hidden(one)[:, :5].sin().square().sum() for one in out.outputs.values()) + out.auxiliary_loss()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        reached |= {n for n, p in grafted.named_parameters() if p.grad is not None and p.grad.abs().max() > 0}
        optimizer.step()
    assert reached == {name for name, _ in grafted.named_parameters()}
    for name, tower in grafted.towers.items():
        assert all(torch.equal(a, b) for a, b in zip(before[name], tower.model.parameters(), strict=True))
        assert not tower.model.training


def test_gradients_accumulate_as_for_one_large_batch():
    """Two halves' gradients sum to the whole's."""
    grafted = grafted_of(spec_of(router={"balance": 0.0}))
    given = batch(4)
    parts = [
        {n: {k: v[rows] for k, v in one.items()} for n, one in given.items()} for rows in (slice(0, 2), slice(2, 4))
    ]
    gradients = []
    for pieces in ([given], parts):
        grafted.zero_grad()
        for piece in pieces:
            sum(state.sin().sum() for state in states(grafted(piece)).values()).backward()
        gradients.append([p.grad.clone() for p in grafted.parameters()])
    for whole, summed in zip(*gradients, strict=True):
        torch.testing.assert_close(whole, summed, rtol=1e-3, atol=1e-4)


def test_autocast_and_no_grad_behave():
    """bfloat16 outputs near the float32 ones; no graph under no_grad."""
    grafted = grafted_of()
    with torch.no_grad():
        exact = states(grafted(batch()))["image"]
        assert not exact.requires_grad
        with torch.autocast("cpu", dtype=torch.bfloat16):
            rounded = states(grafted(batch()))["image"]
    torch.testing.assert_close(rounded.float(), exact, rtol=0.1, atol=0.1)
    assert states(grafted(batch()))["image"].requires_grad


def test_a_single_stream_model_is_split_by_modality():
    """ViLT: text and picture in one sequence meet each other inside it (it shuffles patches by torch's seed)."""
    tower = Tower.of("vilt", model("Vilt"), streams=("text", "image"), split=vilt_streams)
    grafted = GraftedTowers([tower])
    torch.manual_seed(0)
    grafted.add_adapter("a", spec_of(), builder())

    def run() -> Tensor:
        torch.manual_seed(1)
        return states(grafted({"vilt": inputs("Vilt")}))["vilt"]

    with torch.no_grad():
        with grafted.disable_adapter():
            plain = run()
        assert torch.equal(run(), plain)
        stir(grafted)
        assert not torch.equal(run(), plain)
    assert {name.split(".")[3].split("_")[0] for name in grafted.state_dict()} == {"text", "image"}


def test_named_adapters_are_switched_and_removed():
    """As in PEFT: the last added is active; each has its own sites."""
    grafted = grafted_of()
    first = states(grafted(batch()))["image"]
    grafted.add_adapter("second", spec_of(places=["attention"], meetings=1), builder())
    second = states(grafted(batch()))["image"]
    assert grafted.active == "second"
    assert not torch.equal(first, second)
    grafted.set_adapter("first")
    assert torch.equal(states(grafted(batch()))["image"], first)
    grafted.delete_adapter("first")
    assert grafted.active is None
    with pytest.raises(TowerError, match="no adapter `first`; there are: second"):
        grafted.set_adapter("first")
    with pytest.raises(TowerError, match="`second` already"):
        grafted.add_adapter("second", spec_of(), builder())


START = """
import sys, torch
sys.path.insert(0, {root!r})
from tests.core.graft.test_grafted_towers import batch, grafted_of, model, states
from graftwork.core.graft import GraftedTowers, Tower, load_adapter, save_pretrained
"""
SAVE = """
grafted = grafted_of()
save_pretrained(grafted, {folder!r})
"""
LOAD = """
fresh = GraftedTowers([Tower.of("image", model("CLIPVision")), Tower.of("text", model("Bert", width=24))])
grafted = load_adapter(fresh, {folder!r}).eval()
"""
END = """
torch.save({{name: state.detach() for name, state in states(grafted(batch())).items()}}, {target!r})
"""


def test_saved_and_loaded_in_a_new_process_onto_a_fresh_model_it_gives_bit_equal_outputs(tmp_path):
    """And the folder holds adapter tensors alone."""
    folder, outputs = tmp_path / "saved", []
    for step in (SAVE, LOAD):
        target = tmp_path / f"{len(outputs)}.pt"
        names = {"root": str(ROOT), "folder": str(folder), "target": str(target)}
        code = (START + step + END).format(**names)
        subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True, timeout=120)
        outputs.append(torch.load(target))
    saved, loaded = outputs
    assert saved.keys() == loaded.keys() == {"image", "text"}
    assert all(torch.equal(saved[name], loaded[name]) for name in saved)
    names = {path.name for path in folder.iterdir()}
    assert names == {"adapter_model.safetensors", "adapter_config.json", "manifest.json"}
    adapter_bytes = sum(4 * tensor.numel() for tensor in grafted_of().state_dict().values())
    assert (folder / "adapter_model.safetensors").stat().st_size < adapter_bytes + 20_000


def test_an_adapter_is_not_loaded_onto_other_towers(tmp_path):
    """It says what differs; nothing is grafted."""
    folder = save_pretrained(grafted_of(), tmp_path / "saved")
    other = GraftedTowers([Tower.of("image", model("ViT", 4)), Tower.of("text", model("Bert", width=24))])
    with pytest.raises(TowerError, match="image: CLIPVisionModel of 3 blocks, width 32 there, ViTModel of 4 blocks"):
        load_adapter(other, folder)
    assert not other.adapters
    with pytest.raises(RunFolderError, match="exists already"):
        save_pretrained(grafted_of(), folder)
    config = json.loads((folder / "adapter_config.json").read_text())
    (folder / "adapter_config.json").write_text(json.dumps(config | {"peft_type": "LORA"}))
    with pytest.raises(RunFolderError, match="was altered"):
        load_adapter(other, folder)


@pytest.mark.parametrize("share", [0.05, 0.12, 0.3, 2 / 3])
def test_a_budget_finds_the_largest_rank_that_fits(share):
    """One step of rank more would be too much."""
    grafted = grafted_of(HMMoESpec.model_validate({"budget": {"trainable_share": share}, "router": {"hidden": 2}}))
    assert grafted.trainable_share() <= share
    spec = grafted.spec("first")
    widths = [meeting.widths for meeting in grafted.meetings("first")]
    assert spec.graft_parameters(widths) == sum(p.numel() for p in grafted.parameters())
    assert spec.rank == 1 or spec.rank % 2 == 0
    step = 4 if spec.rank >= 16 else 2 - spec.rank % 2
    more = spec.model_copy(update={"rank": spec.rank + step})
    assert more.graft_parameters(widths) > share * grafted.frozen_parameters() or more.rank > 24


def test_a_budget_that_nothing_fits_is_an_error():
    """With the least share there is."""
    with pytest.raises(TowerError, match=r"trainable_share 0.001 is too little: rank 1 is 0\.\d+ already"):
        grafted_of(HMMoESpec.model_validate({"budget": {"trainable_share": 0.001}}))


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"rank": 28}, "rank 28 is above the width 24 of stream `text`.*take 24 at most"),
        ({"ranks": {"image": 33}}, "rank 33 is above the width 32 of stream `image`"),
        ({"experts": [{"type": "unimodal", "rank": 40}]}, "rank 40 is above the width 32 of stream `image`"),
        ({"ranks": {"picture": 4}}, "`ranks` names no stream `picture`; there are: image, text"),
        ({"layer_map": "equal"}, "towers of one depth, these have 3 and 4 blocks"),
    ],
)
def test_what_does_not_fit_is_an_error(fields, says):
    """It names the stream, its width and what would do; nothing is grafted."""
    grafted = GraftedTowers([Tower.of("image", model("CLIPVision")), Tower.of("text", model("Bert", 4, width=24))])
    with pytest.raises(TowerError, match=says):
        grafted.add_adapter("first", spec_of(**fields), builder())
    assert (len(grafted.adapters), grafted.active) == (0, None)


@pytest.mark.parametrize("budget", [{}, {"budget": {"trainable_share": 0.5}}])
def test_experts_that_all_need_a_partner_are_no_use_without_one(budget):
    """In a single tower of one stream."""
    spec = HMMoESpec.model_validate({"experts": [{"type": "cross_attention"}], **(budget or {"rank": 4})})
    with pytest.raises(TowerError, match="`text` has no partner, and every expert needs one; add `unimodal`"):
        GraftedTowers([Tower.of("text", model("Bert"))]).add_adapter("first", spec, builder())


def test_the_specs_of_the_page_are_one_budget():
    """What ``docs/towers.md`` compares with: each is grafted within 6 %, changes nothing yet, and learns."""
    page = ROOT / "docs" / "towers.md"
    specs = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", page.read_text("utf-8"), re.DOTALL)]
    specs = [spec for spec in specs if "type" in spec]  # not the whole pipeline
    assert [spec["type"] for spec in specs] == ["lora", *["hmmoe"] * 4]
    catalogue = default_catalogue()
    wide = {"image": model("CLIPVision", width=192), "text": model("Bert", width=192)}
    grafted = GraftedTowers([Tower.of(name, one) for name, one in wide.items()])
    with torch.no_grad():
        plain = states(grafted(batch()))
    for number, spec in enumerate(specs):
        kind = catalogue.find("adapter", spec["type"]).spec
        grafted.add_adapter(str(number), kind.model_validate(spec, context={"catalogue": catalogue}), builder())
        assert 0.04 < grafted.trainable_share() <= 0.06
        out = grafted(batch())
        for name, state in states(out).items():
            torch.testing.assert_close(state, plain[name])
        (sum(state.sin().square().sum() for state in states(out).values()) + out.auxiliary_loss()).backward()
        assert any(parameter.grad.any() for parameter in grafted.adapters[str(number)].parameters())


def test_the_example_of_the_page_runs(tmp_path, monkeypatch):
    """The whole block of ``docs/towers.md``, as a reader would copy it."""
    page = ROOT / "docs" / "towers.md"
    (block,) = re.findall(r"```python\n(.*?)```", page.read_text("utf-8"), re.DOTALL)
    monkeypatch.chdir(tmp_path)
    transformers()
    names: dict = {}
    exec(block, names)
    assert sorted(names["grafted"].adapters) == ["again", "first"]
    assert (tmp_path / "my-adapter" / "adapter_model.safetensors").is_file()


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ({}, "`graftwork.spec.type`: `type` is missing: it names the adapter"),
        ({"type": "nowhere"}, "`graftwork.spec.type`: "),
        ({"type": "ga_net"}, "`graftwork.spec.type`: adapter `ga_net` is of another level"),
        ({"type": "hmmoe", "rank": "x"}, "`graftwork.spec.rank"),
    ],
)
def test_a_saved_spec_that_is_none_is_refused_with_its_key(spec, told, tmp_path):
    """Nothing is grafted then."""
    folder, grafted = save_pretrained(grafted_of(), tmp_path / "saved"), grafted_of()
    config = json.loads((folder / "adapter_config.json").read_text())
    config["graftwork"]["spec"] = spec
    (folder / "adapter_config.json").write_text(json.dumps(config))
    seal(folder)
    before = list(grafted.adapters)
    with pytest.raises(RunFolderError, match=re.escape(f"{folder / 'adapter_config.json'}: {told}")):
        load_adapter(grafted, folder, "second")
    assert list(grafted.adapters) == before


@pytest.mark.parametrize("kind", ["hmmoe", "lora"])
@pytest.mark.parametrize("tower", ["image", "text"])
def test_gradient_checkpointing_is_refused_whenever_it_is_switched_on(kind, tower):
    """After the tower was made, too; off again, or with the adapter off, the towers run."""
    grafted = GraftedTowers([Tower.of("image", model("CLIPVision")), Tower.of("text", model("Bert", width=24))])
    component = default_catalogue().find("adapter", kind)
    grafted.add_adapter("first", component.spec.model_validate({"rank": 4}), builder())
    grafted.towers[tower].model.activation_checkpointing_enable()
    with pytest.raises(TowerError, match=f"{tower}: gradient checkpointing runs blocks a second time"):
        grafted(batch())
    with grafted.disable_adapter():
        grafted(batch())
    grafted.towers[tower].model.activation_checkpointing_disable()
    grafted(batch())
