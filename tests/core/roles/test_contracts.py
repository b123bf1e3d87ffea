"""What a component gives wrongly is said where it is given: which component, what, and what its role asks for."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from graftwork import Pipeline
from graftwork.core.graft import GraftedTowers, Tower, builder
from graftwork.core.roles import ContractError, PictureKey, Updates
from graftwork.core.roles.captioner import written_texts_of
from graftwork.plugins.adapters.hmmoe.hmmoe import HMMoE
from graftwork.plugins.adapters.lora import LoraSpec
from graftwork.plugins.adapters.lora.lora import Lora
from graftwork.plugins.captioners import CaptionsFileSpec
from graftwork.plugins.captioners.captions_file import CaptionsFile
from graftwork.plugins.experts.unimodal import Unimodal
from graftwork.plugins.graphs.similarity import Similarity
from graftwork.plugins.heads.linear import Linear
from graftwork.plugins.regularizers.ewc import EWC
from graftwork.plugins.tasks.classification import Classification
from graftwork.plugins.tasks.retrieval import Retrieval
from graftwork.triton_kernels import SparseGraph

from ...support.models.tiny_encoders import save_tiny_encoder
from ...support.models.tower_models import inputs, model
from ...support.small_layers import pipeline as layered_pipeline
from ...support.small_layers import with_little_data
from ...support.small_pipeline import Brightness, FewDigits, Pixels, pipeline

Change = Callable[[Any], Any]
CAPTIONED = {"captioner": {"type": "brightness"}, "graph__nodes": "fused"}
FUSED = {**CAPTIONED, "graph__fusion": "cross_attention"}
PULLED = {"regularizers": [{"type": "ewc", "strength": 1.0, "anchor": "init"}]}


def with_nan(given: Tensor) -> Tensor:
    """One number of it is none."""
    spoilt = given.clone()
    spoilt[0, 0] = torch.nan
    return spoilt


def with_states(change: Change) -> Change:
    """Every update changed."""
    return lambda given: replace(given, states={name: change(one) for name, one in given.states.items()})


def elsewhere(given: Updates) -> Updates:
    """Updates of a stream that is not there."""
    return replace(given, states={"sound": next(iter(given.states.values()))})


def unsummed(given: Updates) -> Updates:
    """A loss that is none yet."""
    return replace(given, losses={"balance": torch.ones(2)})


@pytest.fixture
def spoil(monkeypatch: pytest.MonkeyPatch) -> Callable[[type, str, Change], None]:
    """Let a method give something else than it does."""

    def change(owner: type, method: str, to: Change) -> None:
        original = getattr(owner, method)
        monkeypatch.setattr(owner, method, lambda *args, **more: to(original(*args, **more)))

    return change


@pytest.mark.parametrize(
    ("owner", "method", "to", "more", "said"),
    [
        (
            Pixels,
            "encode",
            lambda x: x.T,
            {},
            "gave [64, 32] for 32 inputs (image); `encode` gives [B, d]",
        ),
        (Pixels, "encode", lambda x: x[1:], {}, "gave [31, 64] for 32 inputs"),
        (Pixels, "encode", lambda x: x[:, None], {}, "gave [32, 1, 64] for 32 inputs"),
        (Pixels, "encode", lambda x: None, {}, "gave NoneType for 32 inputs"),
        (Pixels, "encode", with_nan, {}, "gave NaN or infinity for an input (image)"),
        (
            Pixels,
            "encode_tokens",
            lambda x: x[1:],
            FUSED,
            "inputs (image); `encode_tokens` gives a list of",
        ),
        (Pixels, "encode_tokens", lambda x: x[0], FUSED, "gave [8, 64] for 32 inputs"),
        (Pixels, "encode_tokens", lambda x: [one[0] for one in x], FUSED, "gave [64], [64], [64] for 32 inputs"),
        (Pixels, "truncated", lambda x: x[1:], CAPTIONED, "texts; `truncated` gives a list, a bool each"),
        (Brightness, "describe", lambda x: x[1:], CAPTIONED, "descriptions for"),
        (Brightness, "describe", lambda x: [1 for _ in x], CAPTIONED, "gave int; `describe` gives a list of str"),
        (Brightness, "describe", lambda x: None, CAPTIONED, "gave NoneType; `describe` gives a list of str"),
        (Similarity, "connect", lambda x: None, {}, "gave NoneType; `connect` gives a SparseGraph [120, 120]"),
        (Similarity, "connect", lambda x: torch.eye(120), {}, "gave [120, 120]; `connect` gives a SparseGraph"),
        (
            Similarity,
            "connect_queries",
            SparseGraph.transpose,
            {},
            "[60, 120]: `num_cols` says how many it may hear",
        ),
        (Similarity, "settle", lambda x: {"threshold": 0.5}, {}, "gave dict; `settle` gives a GraphSpec or None"),
        (FewDigits, "load", lambda x: x.splits, {}, "gave dict; `load` gives a DatasetContent"),
        (EWC, "penalty", lambda x: x[None], PULLED, "gave [1]; `penalty` gives a scalar tensor"),
        (EWC, "penalty", lambda x: x.item(), PULLED, "gave float; `penalty` gives a scalar tensor"),
        (EWC, "finish", lambda x: x["fisher"], PULLED, "gave dict to save; `finish` gives a dict of stem to a dict"),
        (Linear, "forward", lambda x: x[:, 0], {}, "gave [60] for 60 vectors; `forward` gives logits [N, C]"),
        (Classification, "losses", lambda x: x.mean(), {}, "`losses` gave [] for 60 items; it gives one an item"),
        (Classification, "losses", lambda x: x[1:], {}, "`losses` gave [59] for 60 items"),
        (
            Classification,
            "metrics",
            lambda x: {"acc": 1.0},
            {},
            "has the `primary` 'accuracy', and `metrics` gave",
        ),
        (Classification, "metrics", lambda x: None, {}, "has the `primary` 'accuracy', and `metrics` gave: NoneType"),
        (Classification, "metrics", lambda x: {**x, "f1": float("nan")}, {}, "`metrics` gave f1 nan; each is a finite"),
        (Classification, "metrics", lambda x: {**x, "f1": torch.ones(2)}, {}, "`metrics` gave f1 tensor([1., 1.])"),
    ],
)
def test_what_a_component_gives_wrongly_is_said(
    owner: type,
    method: str,
    to: Change,
    more: dict[str, Any],
    said: str,
    spoil: Callable[[type, str, Change], None],
    tmp_path: Path,
) -> None:
    """In a run, with the class, its module and the command that tries it by itself."""
    spoil(owner, method, to)
    with pytest.raises(ContractError) as raised:
        pipeline(encoder__batch_size=32, **more).run(tmp_path / "run", tmp_path / "store")
    told = str(raised.value)
    assert said in told
    assert f" {owner.__name__} of {owner.__module__} " in told
    assert told.endswith("(`graftwork plugins check` of its package tries it by itself)")


def test_a_metric_may_be_any_number(spoil: Callable[[type, str, Change], None], tmp_path: Path) -> None:
    """A scalar tensor, an integer: the result holds plain numbers."""
    spoil(Classification, "metrics", lambda x: {**x, "scalar": torch.tensor(0.5), "count": 3})
    found = pipeline().run(tmp_path / "run", tmp_path / "store").result["test"]
    assert (found["scalar"]["mean"], found["count"]["mean"]) == (0.5, 3.0)


@pytest.mark.parametrize(
    ("owner", "method", "to", "task", "said"),
    [
        (
            Unimodal,
            "forward",
            lambda x: x[..., 1:],
            "classification",
            "gave [12, 5, 3] for 12 x 5 tokens",
        ),
        (Unimodal, "forward", lambda x: x[:, 0], "classification", "4 columns by its spec's `widths`"),
        (Unimodal, "forward", lambda x: None, "classification", "gave NoneType for 12 x "),
        (Linear, "forward", lambda x: x[0], "classification", "gave [2] for 12 vectors"),
        (HMMoE, "forward", lambda x: x.states, "classification", "gave dict; `forward` gives Updates"),
        (HMMoE, "forward", with_states(lambda x: x[:, :1]), "classification", "gave the update [12, 1, 40] for [12, "),
        (HMMoE, "forward", with_states(lambda x: None), "classification", "gave the update NoneType for [12, "),
        (HMMoE, "forward", elsewhere, "classification", "for `sound`, which is not there; it has its state's shape"),
        (HMMoE, "forward", unsummed, "classification", "gave the loss `balance` as [2]; it is a scalar tensor"),
        (Classification, "targets", lambda x: x[1:], "classification", "`targets` gave ["),
        (Retrieval, "losses", lambda x: x.mean(), "retrieval", "`losses` gave [] for 12 items"),
        (Retrieval, "metrics", lambda x: {}, "retrieval", "has the `primary` 'mean_recall', and `metrics` gave: "),
    ],
)
def test_what_is_given_wrongly_inside_towers_is_said(
    owner: type,
    method: str,
    to: Change,
    task: str,
    said: str,
    spoil: Callable[[type, str, Change], None],
    tmp_path: Path,
) -> None:
    """An expert's columns, a head's logits, a pair task's losses."""
    spoil(owner, method, to)
    encoder = {"type": "transformers", "model": str(save_tiny_encoder("clip", tmp_path / "clip"))}
    adapter = {"type": "hmmoe", "rank": 4, "experts": [{"type": "unimodal"}]}
    spec = layered_pipeline(task, "pairs" if task == "retrieval" else "same", encoder, adapter)
    with pytest.raises(ContractError) as raised:
        Pipeline(spec, with_little_data()).run(tmp_path / "run", tmp_path / "store")
    assert said in str(raised.value)
    assert f" {owner.__name__} of {owner.__module__} " in str(raised.value)


def with_lora() -> GraftedTowers:
    """LoRA in a tower of one's own."""
    grafted = GraftedTowers([Tower.of("text", model("Bert", 2))])
    grafted.add_adapter("one", LoraSpec(rank=2), builder())
    return grafted


def test_what_a_tower_adapter_gives_wrongly_is_said(spoil: Callable[[type, str, Change], None]) -> None:
    """What it installs has to be entered."""
    grafted = with_lora()
    spoil(Lora, "installed", lambda x: None)
    with pytest.raises(ContractError, match=r"Lora of .* gave NoneType; `installed` gives a context manager"):
        grafted({"text": inputs("Bert")})


def test_what_a_tower_adapter_does_not_set_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it is built."""
    monkeypatch.setattr(Lora, "__init__", lambda self, spec, towers: nn.Module.__init__(self))
    with pytest.raises(ContractError, match=r"Lora of .* sets no spec; set it in __init__"):
        with_lora()


@pytest.mark.parametrize(
    ("to", "said"),
    [
        (lambda x: x[1:], "gave 1 descriptions for 2 pictures"),
        (lambda x: [*x[:1], 3], "gave int, str; `look_up` gives a list of str or None"),
        (iter, "gave list_iterator; `look_up` gives a list of str or None"),
    ],
)
def test_what_written_captions_give_wrongly_is_said(
    to: Change, said: str, spoil: Callable[[type, str, Change], None], tmp_path: Path
) -> None:
    """One an item, each a string or nothing."""
    file = tmp_path / "captions.jsonl"
    file.write_text('{"id": "a", "text": "a dog"}\n')
    captions = CaptionsFile(CaptionsFileSpec(file=str(file)))
    keys = [PictureKey("a", "", ""), PictureKey("b", "", "")]
    assert written_texts_of(captions, keys) == ["a dog", None]
    spoil(CaptionsFile, "look_up", to)
    with pytest.raises(ContractError, match=re.escape(said)):
        written_texts_of(captions, keys)
