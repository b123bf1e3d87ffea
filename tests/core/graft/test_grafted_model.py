"""PEFT's verbs as methods of what ``graft`` gives: a test each, as docs/from_peft.md has them."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor, nn

import graftwork
from graftwork import GraftedModel, graft, hmmoe, lora
from graftwork.core.graft import HubError, Tower, TowerError, load_adapter
from graftwork.plugins.adapters.lora.layers import import_peft
from graftwork.plugins.adapters.specs import BottleneckSpec

from ...support.local_hub import cache_of, cached
from ...support.models.staged_models import pictures, staged_model
from ...support.models.tower_models import VOCABULARY, model, transformers


def models() -> dict[str, nn.Module]:
    return {"image": model("CLIPVision", 3), "text": model("Bert", 2)}


def inputs(batch: int = 2) -> dict[str, dict[str, Tensor]]:
    torch.manual_seed(5)
    return {
        "image": {"pixel_values": torch.randn(batch, 3, 32, 32)},
        "text": {"input_ids": torch.randint(0, VOCABULARY, (batch, 7))},
    }


def moved(grafted: GraftedModel, seed: int = 1) -> GraftedModel:
    """With an adapter that changes something."""
    torch.manual_seed(seed)
    for parameter in grafted.parameters():
        nn.init.normal_(parameter, std=0.2)
    return grafted


@torch.no_grad()
def answers(grafted: GraftedModel) -> dict[str, Tensor]:
    given = {name: one for name, one in inputs().items() if name in grafted.towers}
    return {name: out.last_hidden_state for name, out in grafted(given).outputs.items()}


def equal(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("adapter", [hmmoe(rank=4), {"type": "hmmoe", "rank": 4}])
def test_graft_freezes_models_and_trains_the_adapter(adapter: Any) -> None:
    """The builder is found by itself; the loss reaches the adapter alone."""
    grafted = graft(models(), adapter)
    out = grafted(inputs())
    (out.outputs["text"].pooler_output.square().mean() + out.auxiliary_loss()).backward()
    assert any(one.grad is not None for one in grafted.parameters())
    assert not any(one.requires_grad for tower in grafted.towers.values() for one in tower.model.parameters())
    assert grafted.spec("default") == hmmoe(rank=4)


def test_a_type_alone_or_a_tower_that_was_told_more_will_do() -> None:
    """A name of an installed adapter has its defaults; a ``Tower`` keeps what it was told."""
    text = Tower.of("text", model("Bert", 2), blocks="encoder.layer")
    grafted = graft({"text": text}, "lora")
    assert grafted.towers["text"] is text
    assert grafted.peft_config == {"default": lora()}


@pytest.mark.parametrize(
    ("adapter", "said"),
    [
        ("hmoe", "adapter.type: unknown adapter type `hmoe`; did you mean `hmmoe`?"),
        ({"type": "lora", "rnk": 2}, r"adapter\.rnk: .*"),
        ({"rank": 2}, "adapter: `type` is missing: it names the adapter; installed: "),
        (nn.Identity(), r"adapter: a spec as `lora\(rank=8\)`, an object with `type`, or a type, not Identity"),
        (BottleneckSpec(), "adapter `bottleneck` works on a model's vectors, and graft puts adapters inside models"),
    ],
)
def test_what_is_no_adapter_inside_models_is_said(adapter: Any, said: str) -> None:
    with pytest.raises(TowerError, match=said):
        graft(models(), adapter)


@pytest.mark.parametrize(("models", "said"), [([1], "given by name.*not as a list"), ({"text": 3}, "not a int")])
def test_what_is_no_model_is_refused(models: Any, said: str) -> None:
    """A list, a number."""
    with pytest.raises(TowerError, match=said):
        graft(models, "lora")


def test_names_that_cannot_be_are_refused() -> None:
    """Two names of one tower; names of adapters that torch gives no module."""
    with pytest.raises(TowerError, match=r"tower `text` is given as `words`; call it so in Tower\.of"):
        graft({"words": Tower.of("text", model("Bert", 2))}, "lora")
    for name in ("", "a.b", "keys"):
        with pytest.raises(TowerError, match=f"an adapter cannot be called {name!r}"):
            graft(models(), "lora", name)


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")  # peft's, beside this transformers
def test_print_trainable_parameters(capsys: pytest.CaptureFixture[str]) -> None:
    """The line that PEFT prints for the same adapter in the same model."""
    from peft import LoraConfig, get_peft_model

    bert = model("Bert", 2)
    theirs = get_peft_model(copy.deepcopy(bert), LoraConfig(r=4, target_modules=["query", "value"]))
    theirs.print_trainable_parameters()
    expected = capsys.readouterr().out
    graft({"text": bert}, lora(rank=4, targets=["query", "value"])).print_trainable_parameters()
    assert capsys.readouterr().out == expected
    assert theirs.get_nb_trainable_parameters()[0] == 2 * 2 * 4 * 64


def test_add_set_and_delete_adapter() -> None:
    """The new one is active, ``set_adapter`` brings the other back, and what is deleted is gone."""
    grafted = moved(graft(models(), hmmoe(rank=2), "first"))
    first = answers(grafted)
    grafted.add_adapter("second", {"type": "lora", "rank": 2})
    assert grafted.active_adapters == ["second"]
    assert not equal(answers(grafted), first)
    grafted.set_adapter("first")
    assert grafted.active_adapters == ["first"]
    assert equal(answers(grafted), first)
    grafted.delete_adapter("first")
    assert grafted.active_adapters == []
    assert list(grafted.peft_config) == ["second"]
    with pytest.raises(TowerError, match="there is no adapter `first`; there are: second"):
        grafted.set_adapter("first")
    with pytest.raises(TowerError, match="there are: second"):
        grafted.set_adapter(cast(Any, ["second"]))  # as PEFT takes, of which one is active here


def test_disable_adapter() -> None:
    """Within it the models are the frozen ones, bit for bit."""
    frozen = models()
    with torch.no_grad():
        expected = {name: frozen[name](**given).last_hidden_state for name, given in inputs().items()}
    grafted = moved(graft(frozen, hmmoe(rank=2)))
    assert not equal(answers(grafted), expected)
    with grafted.disable_adapter():
        assert grafted.active_adapters == []
        assert equal(answers(grafted), expected)
    assert grafted.active_adapters == ["default"]


def test_peft_config_has_each_spec_a_budget_turned_into_sizes() -> None:
    grafted = graft(models(), {"type": "lora", "budget": {"trainable_share": 0.05}})
    assert grafted.peft_config["default"].budget is None
    assert grafted.peft_config["default"].model_dump()["rank"] >= 1


def test_save_pretrained_and_from_pretrained_keep_the_name(tmp_path: Path) -> None:
    """It does not train unless that is asked for, as in PEFT; another name is taken where one is given."""
    grafted = moved(graft(models(), hmmoe(rank=2), "mine"))
    grafted.save_pretrained(tmp_path / "saved")
    again = GraftedModel.from_pretrained(models(), tmp_path / "saved")
    assert again.active_adapters == ["mine"]
    assert equal(answers(again), answers(grafted))
    assert not any(one.requires_grad for one in again.parameters())
    assert again.get_nb_trainable_parameters()[0] == 0
    other = GraftedModel.from_pretrained(models(), tmp_path / "saved", "other", is_trainable=True)
    assert other.active_adapters == ["other"]
    assert all(one.requires_grad for one in other.parameters())
    assert load_adapter(other, tmp_path / "saved").active == "mine"
    with pytest.raises(TowerError, match="there is an adapter `mine` already"):
        other.load_adapter(tmp_path / "saved")


def test_push_to_hub_and_from_pretrained_by_its_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same as the functions: a token is asked for; what the cache holds is loaded by its id."""
    hub = cache_of(tmp_path / "hub", monkeypatch)
    grafted = moved(graft(models(), hmmoe(rank=2), "mine"))
    with pytest.raises(HubError, match="no token for the hub to write `owner/adapter`"):
        grafted.push_to_hub("owner/adapter", private=True)
    cached(hub, "owner/adapter", grafted.save_pretrained(tmp_path / "saved"))
    assert equal(answers(GraftedModel.from_pretrained(models(), "owner/adapter", revision="main")), answers(grafted))


def gpt2() -> nn.Module:
    """Its linear layers hold their weights transposed."""
    library = transformers()
    made: nn.Module = library.GPT2Model(
        library.GPT2Config(n_layer=2, n_embd=32, n_head=4, vocab_size=VOCABULARY, bos_token_id=0, eos_token_id=0)
    )
    return made


@pytest.mark.parametrize("family", ["Bert", "CLIPVision", "GPT2"])
def test_merge_and_unload(family: str) -> None:
    """The models alone say what they said with the adapter, to rounding; nothing of it is left."""
    name = "image" if family == "CLIPVision" else "text"
    grafted = moved(graft({name: gpt2() if family == "GPT2" else model(family, 2)}, lora(rank=4)))
    expected = answers(grafted)[name]
    merged = grafted.merge_and_unload()
    assert list(grafted.adapters) == grafted.active_adapters == []
    with torch.no_grad():
        found = merged[name](**inputs()[name]).last_hidden_state
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


def test_merging_a_packed_projection() -> None:
    """torch's attention has queries, keys and values in one parameter."""
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(32, 4, 64, batch_first=True)
    encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
    grafted = moved(graft({"text": encoder}, lora(rank=4)))
    with torch.no_grad():
        given = {"src": torch.randn(2, 5, 32)}
        expected = grafted({"text": given}).outputs["text"]
        assert not torch.allclose(expected, encoder(**given), atol=1e-2)
        torch.testing.assert_close(grafted.merge_and_unload()["text"](**given), expected, atol=1e-4, rtol=1e-4)


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")  # peft's, beside this transformers
def test_merging_convolutions(tmp_path: Path) -> None:
    """Of a ResNet, whose blocks have no linear layers; PEFT loads them, too."""
    resnet = staged_model("ResNet")
    grafted = moved(graft({"image": resnet}, lora(rank=2, targets=["convolution"])))
    with torch.no_grad():
        given = pictures("ResNet")
        expected = grafted({"image": given}).outputs["image"].last_hidden_state
        theirs = import_peft().PeftModel.from_pretrained(copy.deepcopy(resnet), grafted.save_peft(tmp_path / "peft"))
        torch.testing.assert_close(theirs.eval()(**given).last_hidden_state, expected, atol=1e-4, rtol=1e-4)
        merged = grafted.merge_and_unload()["image"](**given).last_hidden_state
        torch.testing.assert_close(merged, expected, atol=1e-4, rtol=1e-4)


def test_what_cannot_be_merged_is_refused() -> None:
    """Updates that depend on another model; nothing at all; several; numbers that would spoil the weights."""
    across = graft(models(), hmmoe(rank=2))
    with pytest.raises(TowerError, match="adapter `hmmoe` cannot be merged: its update depends on what is read"):
        across.merge_and_unload()
    across.set_adapter("default")
    across.add_adapter("second", lora(rank=2))
    with pytest.raises(TowerError, match="merged weights are not those that `default` sits in"):
        across.merge_and_unload()
    across.delete_adapter("default")
    next(across.adapters["second"].parameters()).data.fill_(float("nan"))
    before = copy.deepcopy(across.towers["text"].model.state_dict())
    with pytest.raises(TowerError, match="are not finite; merged, they would spoil the frozen weights"):
        across.merge_and_unload()
    assert all(torch.equal(one, before[name]) for name, one in across.towers["text"].model.state_dict().items())
    across.delete_adapter("second")
    with pytest.raises(TowerError, match="no adapter is active, so there is nothing to merge"):
        across.merge_and_unload()


class Quantised(Tensor):
    """Weights in a form of somebody else's, as torchao's are."""


def test_quantised_weights_are_not_merged_into() -> None:
    """Not even into the layers before the one that is quantised."""
    bert = model("Bert", 2)
    last = bert.encoder.layer[1].output.dense
    last.weight = nn.Parameter(last.weight.detach().as_subclass(Quantised), requires_grad=False)
    grafted = moved(graft({"text": bert}, lora(rank=2)))
    first = bert.encoder.layer[0].attention.self.query.weight
    before = first.clone()
    with pytest.raises(TowerError, match=r"text: the weights of `1\.output\.dense` are quantised \(Quantised\)"):
        grafted.merge_and_unload()
    assert torch.equal(first, before)
    assert grafted.active_adapters == ["default"]


@pytest.mark.parametrize("adapter", [hmmoe(rank=2), lora(rank=2)])
def test_gradient_checkpointing_enable(adapter: Any) -> None:
    """The same gradients for less that is kept; switched off, as before; where it cannot be, in words."""

    def step() -> tuple[list[Tensor], int]:
        kept: dict[int, int] = {}

        def keep(one: Tensor) -> Tensor:
            kept[one.untyped_storage().data_ptr()] = one.untyped_storage().nbytes()
            return one

        grafted.zero_grad()
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda one: one):
            out = grafted(inputs())
        (sum(one.last_hidden_state.sin().sum() for one in out.outputs.values()) + out.auxiliary_loss()).backward()
        return [one.grad.clone() for one in grafted.parameters() if one.grad is not None], sum(kept.values())

    grafted = moved(graft(models(), adapter))
    (plain, much), _ = step(), grafted.gradient_checkpointing_enable({"use_reentrant": False})
    (again, little), _ = step(), grafted.gradient_checkpointing_disable()
    assert little < 0.8 * much
    for one, other in zip(again, plain, strict=True):
        torch.testing.assert_close(one, other)
    assert step()[1] == much


def test_gradient_checkpointing_is_refused_inside_blocks() -> None:
    grafted = graft(models(), hmmoe(rank=2, places=("attention",)))
    with pytest.raises(TowerError, match="would find no other tower to meet inside it"):
        grafted.gradient_checkpointing_enable()
    grafted.delete_adapter("default")
    with pytest.raises(TowerError, match="no adapter is active"):
        grafted.gradient_checkpointing_enable()


def test_repr_says_sites_ranks_and_share() -> None:
    """A few lines, whatever the models' size."""
    grafted = graft(models(), hmmoe(rank=2), "first")
    grafted.add_adapter("second", lora(rank=4))
    said = repr(grafted)
    assert len(said.splitlines()) == 7
    assert "  image: CLIPVisionModel, 3 blocks, width 32" in said
    assert "    first: hmmoe, rank 2, 4 sites (2 in image, 2 in text), " in said
    assert "  * second: lora, rank 4, 30 sites (18 in image, 12 in text), " in said
    assert f"{grafted.trainable_share():.2%} of the frozen" in said
    assert "no adapter" in repr(GraftedModel(models()))


def test_the_root_names_them() -> None:
    assert graftwork.hmmoe(rank=8).type == "hmmoe"
    assert {"graft", "GraftedModel", "hmmoe", "lora"} <= set(dir(graftwork))


@pytest.mark.parametrize("spec", [hmmoe(rank=4), lora(rank=2)])
def test_a_deep_copy_is_a_model_of_its_own(spec: Any) -> None:
    """Adapter and towers of the copy are its own, and its adapter sits in its own towers."""
    grafted = moved(graft(models(), spec))
    copied = copy.deepcopy(grafted)
    before = answers(grafted)
    assert equal(answers(copied), before)
    with torch.no_grad():
        for tower in grafted.towers.values():
            next(tower.model.parameters()).add_(1.0)
    moved(grafted, seed=2)
    assert equal(answers(copied), before)
    moved(copied, seed=3)
    assert not equal(answers(copied), before)
    with copied.disable_adapter():
        frozen = answers(copied)
    assert not equal(answers(copied), frozen)


def test_one_model_is_no_two_towers() -> None:
    """Under two names an adapter of one would sit in the other; two copies are two models."""
    one = model("Bert", 2)
    with pytest.raises(TowerError, match=r"`a` and `b` are one model, .* give a copy"):
        graft({"a": one, "b": one}, "lora")
    assert len(graft({"a": one, "b": copy.deepcopy(one)}, "lora").adapters["default"].sites()) == 24  # type: ignore[operator]


@pytest.mark.parametrize("spec", [hmmoe(rank=4), lora(rank=2)])
@pytest.mark.parametrize("own", [False, True])
def test_adapters_train_in_towers_of_half_precision(spec: Any, own: bool) -> None:
    """The adapter is float32, or bfloat16 where it is cast with the model; the towers' states stay what they are."""
    grafted = graft({name: one.bfloat16() for name, one in models().items()}, spec)
    if own:
        grafted.to(torch.bfloat16)
    given = inputs()
    given["image"]["pixel_values"] = given["image"]["pixel_values"].bfloat16()
    out = grafted(given)
    assert {one.last_hidden_state.dtype for one in out.outputs.values()} == {torch.bfloat16}
    (
        sum(one.last_hidden_state.float().square().mean() for one in out.outputs.values()) + out.auxiliary_loss()
    ).backward()
    trained = [one for one in grafted.parameters() if one.grad is not None]
    assert any(bool(one.grad.any()) for one in trained if one.grad is not None)
    assert {one.dtype for one in trained} == {torch.bfloat16 if own else torch.float32}


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: lora(r=4), "unknown field `r`; did you mean `rank`?"),
        (lambda: lora(target_modules=["query"]), "unknown field `target_modules`; did you mean `targets`?"),
        (lambda: hmmoe(rnak=4), "unknown field `rnak`; did you mean `rank`?"),
        (lambda: hmmoe(zzz=4), "unknown field `zzz`; known here: budget, experts, "),
    ],
)
def test_a_field_that_there_is_not_is_answered_with_the_nearest(make: Any, said: str) -> None:
    """In Python as in a file; it stays pydantic's error."""
    with pytest.raises(ValidationError) as error:
        make()
    assert said in str(error.value)


def test_objects_are_answered_alike() -> None:
    """The adapter that ``graft`` is given as JSON says it."""
    with pytest.raises(TowerError, match=r"adapter.r: unknown key `r`; did you mean `rank`\?"):
        graft(models(), {"type": "lora", "r": 4})
