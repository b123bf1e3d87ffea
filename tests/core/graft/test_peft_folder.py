"""LoRA as a folder of PEFT's: real peft loads ours, ours loads real peft's, and another model's is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from graftwork import GraftedModel, graft, hmmoe, lora
from graftwork.core.graft import TowerError, load_adapter
from graftwork.core.storage.run_folder import RunFolderError
from graftwork.plugins.adapters.lora.layers import import_peft
from graftwork.registry.errors import UserError

from ...support.models.tower_models import inputs, model

pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")  # peft's own


def stirred(module: nn.Module) -> Any:
    torch.manual_seed(1)
    for name, parameter in module.named_parameters():
        if "lora" in name:
            nn.init.normal_(parameter, std=0.2)
    return module.eval()


def ours_of(family: str = "Bert", **fields: Any) -> GraftedModel:
    return stirred(graft({"tower": model(family, 2)}, lora(rank=4, **fields)))


@torch.no_grad()
def state(answer: Any) -> Tensor:
    return answer.last_hidden_state


def said_by(grafted: GraftedModel, family: str) -> Tensor:
    with torch.no_grad():
        return state(grafted({"tower": inputs(family, 2)}).outputs["tower"])


def theirs_in(folder: Path, config: dict[str, Any] | None = None, depth: int = 2) -> Any:
    """PEFT's LoRA in a model, saved by PEFT."""
    peft = import_peft()
    chosen = {"r": 4, "lora_alpha": 8, "target_modules": ["query", "value"]} | (config or {})
    theirs = stirred(peft.get_peft_model(model("Bert", depth), peft.LoraConfig(**chosen)))
    theirs.save_pretrained(folder)
    return theirs


@pytest.mark.parametrize("family", ["Bert", "CLIPVision", "ViT"])
def test_peft_loads_ours_and_merges_it(family: str, tmp_path: Path) -> None:
    """Equal outputs, and the same from the merged model."""
    grafted = ours_of(family)
    expected = said_by(grafted, family)
    folder = grafted.save_peft(tmp_path / "adapter")
    assert sorted(path.name for path in folder.iterdir()) == ["adapter_config.json", "adapter_model.safetensors"]
    theirs = import_peft().PeftModel.from_pretrained(model(family, 2), folder).eval()
    with torch.no_grad():
        torch.testing.assert_close(state(theirs(**inputs(family, 2))), expected)
        merged = theirs.merge_and_unload()
        torch.testing.assert_close(state(merged(**inputs(family, 2))), expected, atol=1e-4, rtol=1e-4)
    assert not torch.allclose(state(model(family, 2)(**inputs(family, 2))), expected, atol=1e-2)


@pytest.mark.parametrize("config", [{}, {"use_rslora": True}, {"target_modules": r".*layer.1.*dense"}])
def test_ours_loads_theirs(config: dict[str, Any], tmp_path: Path) -> None:
    """Whatever way PEFT was told the modules; it does not train, as in PEFT, unless that is asked for."""
    theirs = theirs_in(tmp_path / "theirs", config)
    ours = GraftedModel({"tower": model("Bert", 2)})
    ours.load_peft(tmp_path / "theirs", "mine")
    assert ours.active_adapters == ["mine"]
    assert not any(one.requires_grad for one in ours.parameters())
    with torch.no_grad():
        torch.testing.assert_close(said_by(ours, "Bert"), state(theirs(**inputs("Bert", 2))))


def test_there_and_back_is_the_same(tmp_path: Path) -> None:
    """Every tensor, and rank, alpha and dropout."""
    ours = ours_of(alpha=3.0, dropout=0.1, targets=["query", "output.dense"])
    again = GraftedModel({"tower": model("Bert", 2)})
    again.load_peft(ours.save_peft(tmp_path / "adapter"), is_trainable=True)
    spec = again.peft_config["default"].model_dump()
    assert (spec["rank"], spec["alpha"], spec["dropout"]) == (4, 3.0, 0.1)
    there, here = ours.adapters["default"].state_dict(), again.adapters["default"].state_dict()
    assert there.keys() == here.keys()
    assert all(torch.equal(here[name], there[name]) for name in there)
    assert all(one.requires_grad for one in again.parameters())


def test_of_several_models_one_is_named(tmp_path: Path) -> None:
    both = stirred(graft({"image": model("CLIPVision", 2), "tower": model("Bert", 2)}, lora(rank=4)))
    with pytest.raises(TowerError, match=r"an adapter of PEFT is of one model, and here are image, tower"):
        both.save_peft(tmp_path / "adapter")
    with pytest.raises(TowerError, match="`words` is no tower here; those with blocks are image, tower"):
        both.save_peft(tmp_path / "adapter", tower="words")
    folder = both.save_peft(tmp_path / "adapter", tower="tower")
    with pytest.raises(TowerError, match=r"here are image, tower: say which, as load_peft\(…, tower=\"image\"\)"):
        both.load_peft(folder, "second")
    with pytest.raises(TowerError, match="CLIPVisionModel has not"):
        both.load_peft(folder, "second", tower="image")
    theirs = import_peft().PeftModel.from_pretrained(model("Bert", 2), folder).eval()
    with torch.no_grad():
        expected = state(both({"tower": inputs("Bert", 2)}).outputs["tower"])
        torch.testing.assert_close(state(theirs(**inputs("Bert", 2))), expected)


def test_into_one_of_several_models_and_out_again(tmp_path: Path) -> None:
    """The others run as they are; it is saved without saying of which it is, by both formats."""
    theirs = theirs_in(tmp_path / "theirs")
    both = GraftedModel({"image": model("CLIPVision", 2), "text": model("Bert", 2)})
    both.load_peft(tmp_path / "theirs", tower="text")
    assert {site.partition(".")[0] for site in both.adapters["default"].sites()} == {"text"}
    expected, seen = state(theirs(**inputs("Bert", 2))), inputs("CLIPVision", 2)
    with torch.no_grad():
        found = both({"image": seen, "text": inputs("Bert", 2)}).outputs
        torch.testing.assert_close(state(found["text"]), expected)
        torch.testing.assert_close(state(found["image"]), state(both.towers["image"].model(**seen)))
    with pytest.raises(TowerError, match="the adapter does not sit in tower `image`; it sits in text"):
        both.save_peft(tmp_path / "no", tower="image")
    alone = GraftedModel({"tower": model("Bert", 2)})
    alone.load_peft(both.save_peft(tmp_path / "peft"))
    torch.testing.assert_close(said_by(alone, "Bert"), expected)
    again = GraftedModel.from_pretrained(dict(both.towers), both.save_pretrained(tmp_path / "own"))
    torch.testing.assert_close(state(again({"text": inputs("Bert", 2)}).outputs["text"]), expected)
    with pytest.raises(TowerError, match=r"image: CLIPVisionModel of .* there, no such tower here"):
        load_adapter(alone, tmp_path / "own", "second")


def test_what_is_of_one_tower_is_read_by_our_own_format(tmp_path: Path) -> None:
    """Of an adapter in several towers, and of one alone, into one of several here, whatever that one is called."""
    both = stirred(graft({"image": model("CLIPVision", 2), "text": model("Bert", 2)}, lora(rank=4)))
    with torch.no_grad():
        expected = state(both({"text": inputs("Bert", 2)}).outputs["text"])
    saved = both.save_pretrained(tmp_path / "both")
    alone = GraftedModel({"text": model("Bert", 2)})
    with pytest.raises(TowerError, match=r"no such tower here\n  load_adapter\(…, tower=\"text\"\) reads what is of"):
        alone.load_adapter(saved)
    alone.load_adapter(saved, tower="text")
    with torch.no_grad():
        torch.testing.assert_close(state(alone({"text": inputs("Bert", 2)}).outputs["text"]), expected)
    own = alone.save_pretrained(tmp_path / "alone")
    models = {"words": model("Bert", 2), "image": model("CLIPVision", 2)}
    pair = GraftedModel.from_pretrained(models, own, "mine", tower="words")
    with torch.no_grad():
        found = pair({"words": inputs("Bert", 2), "image": (seen := inputs("CLIPVision", 2))}).outputs
        torch.testing.assert_close(state(found["words"]), expected)
        torch.testing.assert_close(state(found["image"]), state(models["image"](**seen)))
    for folder, tower, said in [
        (own, "image", r"of another tower: text: BertModel .* there, image: CLIPVisionModel .* here"),
        (saved, "words", "has nothing for a tower `words`; it sits in image, text"),
        (saved, "sound", "`sound` is no tower here; those with blocks are words, image"),
    ]:
        with pytest.raises(TowerError, match=said):
            pair.load_adapter(folder, "second", tower=tower)
    meets = graft({"image": model("CLIPVision", 2), "text": model("Bert", 2)}, hmmoe(rank=4))
    with pytest.raises(TowerError, match="adapter `hmmoe` sits in all towers, and in no single one"):
        pair.load_adapter(meets.save_pretrained(tmp_path / "meets"), "second", tower="words")
    assert list(pair.adapters) == ["mine"]
    assert pair.active == "mine"


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"use_dora": True}, "`use_dora` is True, and `lora` is"),
        ({"rank_pattern": {"query": 2}}, "`rank_pattern` is"),
        ({"bias": "all"}, "`bias` is 'all'"),
        ({"target_modules": ["pooler.dense"]}, "`pooler.dense` stands outside the blocks of BertModel"),
        ({"init_lora_weights": "pissa"}, "`init_lora_weights` is 'pissa', which changes the frozen weights"),
    ],
)
@pytest.mark.filterwarnings("ignore")  # of peft's own about these
def test_what_is_not_plain_lora_in_blocks_is_refused(config: dict[str, Any], said: str, tmp_path: Path) -> None:
    theirs_in(tmp_path, config)
    fresh = GraftedModel({"tower": model("Bert", 2)})
    with pytest.raises(TowerError, match=said):
        fresh.load_peft(tmp_path)
    assert not fresh.adapters


def test_an_adapter_of_another_model_names_modules_and_shapes(tmp_path: Path) -> None:
    """Of another architecture the module that is not there; of another width the tensor; of one that is deeper."""
    theirs_in(tmp_path)
    other = GraftedModel({"tower": model("CLIPVision", 2)})
    with pytest.raises(TowerError) as error:
        other.load_peft(tmp_path)
    assert "is of another model: CLIPVisionModel has not 4 of its 4 adapted modules" in str(error.value)
    assert "first `encoder.layer.0.attention.self.query`; modules here are called like `" in str(error.value)
    with pytest.raises(
        TowerError, match=r"8 of 8 tensors differ, first `encoder.layer.0.*lora_A.weight`: \(4, 32\) there, \(4, 24\)"
    ):
        GraftedModel({"tower": model("Bert", 2, width=24)}).load_peft(tmp_path)
    theirs_in(tmp_path, depth=3)
    with pytest.raises(TowerError, match=r"has not 2 of its 6 adapted modules, first `encoder.layer.2"):
        GraftedModel({"tower": model("Bert", 2)}).load_peft(tmp_path)


def test_an_adapter_of_fewer_blocks_is_no_silent_matter(tmp_path: Path) -> None:
    """Refused where PEFT's config names modules that its file lacks; told where every module has its whole path."""
    theirs_in(tmp_path / "theirs")
    deeper = GraftedModel({"tower": model("Bert", 4)})
    with pytest.raises(
        TowerError, match=r"names 4 modules of BertModel of which .* trained in 2 blocks, and here are 4"
    ):
        deeper.load_peft(tmp_path / "theirs")
    assert not deeper.adapters
    folder = ours_of(targets=["query"]).save_peft(tmp_path / "ours")
    with pytest.warns(UserWarning, match=r"has nothing for blocks 2, 3 of tower `tower`, which stay as they are"):
        deeper.load_peft(folder)


@pytest.mark.parametrize(
    "config",
    [
        {"layers_to_transform": [0, 1]},
        {"target_modules": r".*layer.[01].*query"},
        {"target_modules": ["0.attention.self.query", "1.attention.self.query"]},
        {"exclude_modules": r".*layer.[23].*"},
    ],
)
@pytest.mark.filterwarnings("error:.*stay as they are:UserWarning")
def test_blocks_that_the_config_leaves_out_are_left_out(config: dict[str, Any], tmp_path: Path) -> None:
    """PEFT was told to: nothing is said, and the outputs are PEFT's."""
    theirs = theirs_in(tmp_path / "theirs", config, depth=4)
    ours = GraftedModel({"tower": model("Bert", 4)})
    ours.load_peft(tmp_path / "theirs")
    given = inputs("Bert", 4)
    with torch.no_grad():
        torch.testing.assert_close(state(ours({"tower": given}).outputs["tower"]), state(theirs(**given)))


def test_folders_of_the_other_kind_say_whose_they_are(tmp_path: Path) -> None:
    """Ours given as PEFT's and the other way round; other methods of PEFT; pickles; nothing."""
    grafted = ours_of()
    own, theirs = grafted.save_pretrained(tmp_path / "own"), grafted.save_peft(tmp_path / "theirs")
    fresh = GraftedModel({"tower": model("Bert", 2)})
    with pytest.raises(TowerError, match=r"`peft_type` is 'GRAFTWORK', and what is read here is LORA; .* load_adapter"):
        fresh.load_peft(own)
    with pytest.raises(RunFolderError, match="`peft_type` is 'LORA', and ours is 'GRAFTWORK'; load_peft"):
        load_adapter(fresh, theirs)
    config = json.loads((theirs / "adapter_config.json").read_text())
    for peft_type in ("IA3", None, ["LORA"]):
        (theirs / "adapter_config.json").write_text(json.dumps(config | {"peft_type": peft_type}))
        with pytest.raises(TowerError, match="`peft_type` is "):
            fresh.load_peft(theirs)
    (theirs / "adapter_config.json").write_text(json.dumps(config | {"r": "4"}))
    with pytest.raises(TowerError, match="`r` and `lora_alpha` are no numbers"):
        fresh.load_peft(theirs)
    (theirs / "adapter_config.json").write_text(json.dumps(config))
    (theirs / "adapter_model.safetensors").unlink()
    (theirs / "adapter_model.bin").write_bytes(b"")
    with pytest.raises(RunFolderError, match=r"a pickle \(.bin\) is not read"):
        fresh.load_peft(theirs)
    with pytest.raises(UserError):
        fresh.load_peft(tmp_path / "nowhere")
    assert not fresh.adapters


def test_what_peft_has_not_is_not_saved_as_its(tmp_path: Path) -> None:
    """Updates across models, packed projections, no adapter at all; a folder that exists stays as it is."""
    with pytest.raises(TowerError, match="adapter `hmmoe` is none of PEFT's"):
        graft({"tower": model("Bert", 2)}, hmmoe(rank=2, experts=[{"type": "unimodal"}])).save_peft(tmp_path / "no")
    encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(32, 4, 64), 2, enable_nested_tensor=False)
    with pytest.raises(TowerError, match="is a parameter of several projections"):
        graft({"tower": encoder}, "lora").save_peft(tmp_path / "no")
    with pytest.raises(TowerError, match="there is no adapter to save"):
        GraftedModel({"tower": model("Bert", 2)}).save_peft(tmp_path / "no")
    assert not (tmp_path / "no").exists()
    with pytest.raises(RunFolderError, match="exists already"):
        ours_of().save_peft(tmp_path)
    assert list(tmp_path.iterdir()) == []
