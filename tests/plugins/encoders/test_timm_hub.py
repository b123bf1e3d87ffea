"""Models of timm by their hub id: fetched from a hub on this machine, and from the hub's cache without one."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch.nn.functional import normalize

from graftwork.core.roles import EncoderError
from graftwork.plugins.encoders import TimmSpec
from graftwork.plugins.encoders.timm.encoder import Timm, import_timm

from ...support.local_hub import COMMIT, cache_of, cached, served
from .test_timm import build, noise, saved

MODEL, REPO = "test_resnet.r160_in1k", "timm/test_resnet.r160_in1k"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What timm's ``push_to_hf_hub`` uploads, and the pickle that older models have beside it."""
    folder = saved("test_resnet", tmp_path_factory.mktemp("hub") / "model")
    torch.save({}, folder / "pytorch_model.bin")
    return folder


def test_a_tag_is_fetched_once_and_then_taken_from_the_cache(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Configuration and safetensors, no pickle; with its commit, under the key that the folder itself would have."""
    spec, by_path = TimmSpec(model=MODEL), build(weights=str(folder / "model.safetensors"), model=MODEL)
    with served({REPO: folder}) as (endpoint, given):
        hub = cache_of(tmp_path / "hub", monkeypatch, endpoint)
        assert (spec.missing_files() or "").startswith(f"`{REPO}` is not on this machine; fetch it: hf download {REPO}")
        encoder = Timm(spec, torch.device("cpu"))
        assert sorted(given) == ["config.json", "model.safetensors"]
        Timm(spec, torch.device("cpu"))
        assert len(given) == 2
        with pytest.raises(EncoderError, match=r"encoder\.model: the hub has no model `timm/test_vit\.r160_in1k`"):
            build(model="test_vit.r160_in1k")
    cache_of(hub, monkeypatch)
    assert spec.missing_files() is None
    assert spec.identity() == TimmSpec(model=MODEL, weights=str(folder)).identity()
    assert encoder.facts().revision == COMMIT
    assert encoder.facts().weights == by_path.facts().weights
    torch.testing.assert_close(encoder.encode("image", noise()), build(model=MODEL).encode("image", noise()))


def test_a_hub_id_is_what_timm_itself_makes_of_it(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody's own model, with timm's prefix or without: architecture, weights and pixels as timm has them."""
    hub = cache_of(tmp_path / "hub", monkeypatch)
    cached(hub, "owner/mine", folder)
    timm = import_timm()
    model = timm.create_model("hf-hub:owner/mine", pretrained=True).eval()
    transform = timm.data.create_transform(**timm.data.resolve_model_data_config(model), is_training=False)
    with torch.no_grad():
        pixels = torch.stack([transform(picture) for picture in noise()])
        expected = normalize(model.forward_head(model.forward_features(pixels), pre_logits=True), dim=-1)
    assert TimmSpec(weights="hf-hub:owner/mine") == TimmSpec(weights="owner/mine")
    encoder = build(weights="owner/mine")
    torch.testing.assert_close(encoder.encode("image", noise()), expected, atol=1e-6, rtol=0)
    assert encoder.facts().revision == COMMIT


def test_a_revision_is_the_one_that_is_named(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other weights under a tag of the repository; one that is not in the cache is said with the command."""
    hub, tagged = cache_of(tmp_path / "hub", monkeypatch), "89abcdef0123456789abcdef0123456789abcdef"
    cached(hub, "owner/mine", folder)
    cached(hub, "owner/mine", saved("test_vit", tmp_path / "other"), "v2", tagged)
    main, other = build(weights="owner/mine"), build(weights="owner/mine", revision="v2")
    assert (main.facts().revision, other.facts().revision) == (COMMIT, tagged)
    assert main.encode("image", noise()).shape != other.encode("image", noise()).shape
    with pytest.raises(EncoderError, match=r"hf download owner/mine --revision v3 --include config\.json"):
        build(weights="owner/mine", revision="v3")


@pytest.mark.parametrize("model", ["timm/resnet50.a1_in1k", "hf-hub:timm/resnet50.a1_in1k", "./mine"])
def test_a_hub_id_is_no_architecture(model: str) -> None:
    """It belongs under another name, which is said."""
    with pytest.raises(ValueError, match=f"`{model}` is a model of the hub or a path; name it under `weights`"):
        TimmSpec(model=model)
