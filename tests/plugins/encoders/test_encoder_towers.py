"""Encoders as towers: what is read out is what ``encode`` gives, and adapters inside get gradients."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch.nn.functional import normalize
from transformers import CONFIG_MAPPING, AutoBackbone, AutoModel, BitImageProcessor

from graftwork.core.data.waveform import Waveform
from graftwork.core.graft import GraftedTowers, Tower, TowerError, builder
from graftwork.core.roles import Encoder, EncoderError, EncoderSpec
from graftwork.core.stages.composed_encoder import build_encoder
from graftwork.core.towers.frozen_tower import FrozenTower
from graftwork.core.towers.lockstep import walked
from graftwork.plugins.adapters.hmmoe import HMMoESpec
from graftwork.plugins.encoders import DualSpec, OpenClipSpec, TimmSpec, TransformersSpec
from graftwork.plugins.encoders.timm.encoder import import_timm
from graftwork.plugins.encoders.transformers import files
from graftwork.registry.discovery import default_catalogue

from ...conftest import TINY
from ...support.models.tiny_encoders import declare_sentence_modules, save_tiny_encoder

CPU = torch.device("cpu")
PICTURES = ("clip", "siglip", "siglip2", "dinov2", "vit", "clip_vision", "open_clip", "convnext", "resnet", "swin")
#: Architectures of timm: a convolutional network, one with maps [B, H, W, d], a transformer.
TIMM = ("test_efficientnet", "test_mambaout", "test_vit")
SOUNDS = ("ast", "clap", "clap_fusion", "wav2vec2", "whisper")
TEXTS = ["a photo of the small cat", "dog", "a red picture in the grass"]


def contents(modality: str) -> list[Any]:
    if modality == "text":
        return TEXTS
    generator = torch.Generator().manual_seed(3)
    if modality == "audio":
        lengths = (16000, 9000, 30000)
        return [Waveform((torch.rand(one, generator=generator) - 0.5).numpy(), 16000) for one in lengths]
    noise = torch.randint(0, 255, (3, 24, 20, 3), generator=generator, dtype=torch.uint8)
    return [Image.fromarray(one.numpy()) for one in noise]


def built(spec: EncoderSpec) -> Encoder:
    return build_encoder(default_catalogue(), spec, CPU)


def run(encoder: Encoder, towers: Sequence[FrozenTower]) -> dict[str, dict[str, Any]]:
    """Keyword arguments of each tower for the same batch as ``contents``."""
    return {
        one.tower.name: one.collate(
            {m: [encoder.preprocess(m, content) for content in contents(m)] for m in one.tower.streams}
        )
        for one in towers
    }


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A folder a family, one of sentence-transformers with a dense layer, and an open_clip ViT."""
    root = tmp_path_factory.mktemp("models")
    names = ("clip", "siglip", "siglip2", "dinov2", "vit", "clip_vision", "bert", "convnext", "resnet", "swin", *SOUNDS)
    folders = {name: save_tiny_encoder(name, root / name) for name in names}
    folders["sentences"] = declare_sentence_modules(shutil.copytree(folders["bert"], root / "st"), "cls_token", 32, 20)
    folders["open_clip"] = open_clip_vit(root / "open_clip")
    return folders | {name: timm_model(name, root / name) for name in TIMM}


def timm_model(name: str, folder: Path) -> Path:
    """As timm writes it for the hub."""
    library = import_timm()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        library.models.save_for_hf(library.create_model(name, num_classes=4), folder, safe_serialization=True)
    return folder


def open_clip_vit(folder: Path) -> Path:
    """A vision transformer of four blocks beside a text transformer of two."""
    from graftwork.plugins.encoders.open_clip.encoder import import_open_clip

    library = import_open_clip()
    config = json.loads(json.dumps(TINY))
    config["model_cfg"]["vision_cfg"] |= {"layers": 4}
    config["model_cfg"]["text_cfg"] |= {"layers": 2}
    folder.mkdir()
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = library.CLIP(**config["model_cfg"])
    save_file(model.state_dict(), folder / "open_clip_model.safetensors")
    return folder


def spec_of(name: str, saved: dict[str, Path]) -> EncoderSpec:
    if name == "open_clip":
        return OpenClipSpec(model=f"local-dir:{saved[name]}")
    if name == "dual":
        part = {"type": "transformers", "model": str(saved["bert"])}
        return DualSpec.model_validate(
            {"image": {"type": "open_clip", "model": f"local-dir:{saved['open_clip']}"}, "text": part},
            context={"catalogue": default_catalogue()},
        )
    if name in TIMM:
        return TimmSpec(weights=str(saved[name]))
    return TransformersSpec(model=str(saved[name]))


@pytest.fixture(params=[*PICTURES, *TIMM, "bert", "sentences", *SOUNDS, "dual"])
def spec(request: pytest.FixtureRequest, saved: dict[str, Path]) -> EncoderSpec:
    """One of every kind that adapters can enter."""
    return spec_of(request.param, saved)


def test_what_is_read_out_is_what_encode_gives(spec: EncoderSpec) -> None:
    """Normalised, for every modality; and the towers' shapes are told without loading them."""
    encoder = built(spec)
    towers = encoder.towers()
    with torch.no_grad():
        for one in towers:
            inputs = run(encoder, [one])[one.tower.name]
            vectors = one.read_out(one.tower.model(**inputs), inputs)
            assert vectors.shape == (3, one.width)
            assert torch.allclose(
                normalize(vectors.float(), dim=-1), encoder.encode(one.tower.name, contents(one.tower.name)), atol=1e-6
            )
    shapes = spec.tower_shapes()
    if isinstance(spec, TimmSpec):  # of weights that are no package's, loading tells
        assert shapes is None
        return
    assert shapes is not None
    assert [(s.modalities, s.depth, s.widths, s.read_out) for s in shapes] == [
        (tuple(one.tower.streams), len(one.tower.blocks), tuple(one.tower.widths), one.width) for one in towers
    ]
    assert {s.modalities for s in shapes} == {(modality,) for modality in spec.modalities() or ()}
    for shape, one in zip(shapes, towers, strict=True):  # files hold heads and dense layers, too, that do not run
        count = sum(p.numel() for p in one.tower.model.parameters())
        assert shape.parameters is None or count <= shape.parameters <= 1.05 * count


def test_gradients_reach_an_adapter_inside_and_no_frozen_weight(spec: EncoderSpec) -> None:
    """From what is read out; the towers know where their tokens are."""
    encoder = built(spec)
    towers = encoder.towers()
    grafted = GraftedTowers([one.tower for one in towers])
    grafted.add_adapter("first", HMMoESpec.model_validate({"rank": 4}), builder())
    inputs = run(encoder, towers)
    out = grafted(inputs)
    read = [one.read_out(out.outputs[one.tower.name], inputs[one.tower.name]) for one in towers]
    sum(vectors.square().sum() for vectors in read).backward()
    ups = [parameter for name, parameter in grafted.named_parameters() if name.endswith("up.weight")]
    assert ups
    assert all(up.grad is not None and bool(up.grad.any()) for up in ups)
    assert not any(parameter.requires_grad for one in towers for parameter in one.tower.model.parameters())


def test_a_texts_company_in_a_batch_changes_nothing_of_it(saved: dict[str, Path]) -> None:
    """With a trained adapter between the towers: padding is masked for partners too."""
    for name in ("clip", "siglip", "siglip2", "open_clip"):
        encoder = built(spec_of(name, saved))
        towers = {one.tower.name: one for one in encoder.towers()}
        grafted = GraftedTowers([one.tower for one in towers.values()])
        grafted.add_adapter("first", HMMoESpec.model_validate({"rank": 4}), builder())
        for key, parameter in grafted.named_parameters():
            if key.endswith("up.weight"):
                torch.nn.init.normal_(parameter, std=0.2, generator=torch.Generator().manual_seed(0))
        grafted.eval()
        with torch.no_grad():
            whole, alone = (
                towers["image"].read_out(grafted(given).outputs["image"], given["image"])
                for given in (
                    run(encoder, list(towers.values())),
                    {m: one.collate({m: [encoder.preprocess(m, contents(m)[1])]}) for m, one in towers.items()},
                )
            )
        assert torch.allclose(whole[1], alone[0], atol=1e-5), name


def test_a_tower_without_blocks_runs_beside_one_that_has_them() -> None:
    """The pocket CLIP is a ResNet: its image tower meets nobody, and its vector stays that of `encode`."""
    spec = OpenClipSpec()
    encoder = built(spec)
    towers = encoder.towers()
    depths = [len(one.tower.blocks) for one in towers]
    assert depths[0] == 0 < depths[1]
    assert [shape.depth for shape in spec.tower_shapes() or ()] == depths
    grafted = GraftedTowers([one.tower for one in towers])
    grafted.add_adapter("first", HMMoESpec.model_validate({"rank": 4}), builder())
    inputs = run(encoder, towers)
    out = grafted(inputs)
    vectors = towers[0].read_out(out.outputs["image"], inputs["image"])
    assert torch.allclose(normalize(vectors, dim=-1), encoder.encode("image", contents("image")), atol=1e-6)


def test_parameters_of_a_shared_model_count_once(saved: dict[str, Path]) -> None:
    """An open_clip model's sides hold all of it but its scale, each weight once."""
    encoder = built(spec_of("open_clip", saved))
    grafted = GraftedTowers([one.tower for one in encoder.towers()])
    assert grafted.frozen_parameters() == encoder.facts().parameters - 1


def test_a_model_that_no_adapter_can_enter_says_so(saved: dict[str, Path], tmp_path: Path) -> None:
    """Which tower, why, and what to take instead; it still encodes."""
    shutil.copytree(saved["test_vit"], tmp_path / "wrapped")
    wrapped = TransformersSpec(model=str(tmp_path / "wrapped"))
    before_their_norms = TimmSpec(weights=str(timm_model("test_coatnet", tmp_path / "coatnet")))
    without_norms = TimmSpec(weights=str(timm_model("test_nfnet", tmp_path / "nfnet")))
    for spec, why in (
        (wrapped, "take encoder `timm`"),
        (before_their_norms, r"block 0: MbConvBlock has a hidden state \[1, 32, 40, 40\] where one of width 128"),
        (without_norms, "has no normalisation that tells its width"),
    ):
        encoder = built(spec)
        with pytest.raises(EncoderError, match=f"no adapter can enter the image tower of .*{tmp_path}.*{why}"):
            encoder.towers()
        assert encoder.encode("image", contents("image")).shape[0] == 3


@pytest.mark.parametrize("family", [family for family in files._STAGED if family != "clap_audio_model"])
def test_a_published_model_of_stages_has_the_blocks_that_its_configuration_says(family: str) -> None:
    """Of its usual size, without weights: as many, as wide, and each passed once, in order."""
    config = CONFIG_MAPPING[family]()
    with torch.device("meta"):
        make = AutoBackbone if family == "maskformer-swin" else AutoModel
        tower = Tower.of("image", make.from_config(config).eval())
        depth, widths = files._blocks(config.to_dict()) or (0, 0)
        walked(tower, {"pixel_values": torch.zeros(1, 3, 224, 224)})
    assert (len(tower.blocks), tuple(tower.widths)) == (depth, widths)


@pytest.mark.parametrize("family", ["bit", "efficientnet"])
def test_a_model_whose_configuration_does_not_tell_its_blocks_is_closed_in_words(family: str, tmp_path: Path) -> None:
    """It still encodes; no bare assertion."""
    small = {
        "bit": {"embedding_size": 8, "hidden_sizes": [8, 16], "depths": [1, 2], "num_groups": 2},
        "efficientnet": {"width_coefficient": 0.1, "depth_coefficient": 0.1, "hidden_dim": 128, "image_size": 32},
    }
    AutoModel.from_config(CONFIG_MAPPING[family](**small[family])).save_pretrained(tmp_path)
    BitImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}).save_pretrained(tmp_path)
    encoder = built(TransformersSpec(model=str(tmp_path)))
    with pytest.raises(EncoderError, match=r"no adapter can enter the image tower of .*take a ViT or a ResNet"):
        encoder.towers()
    assert encoder.encode("image", contents("image")).shape[0] == 3


def test_towers_of_which_none_can_be_entered_take_no_adapter() -> None:
    """A closed tower alone has no place for one."""
    grafted = GraftedTowers([Tower.closed("image", torch.nn.Linear(2, 2))])
    with pytest.raises(TowerError, match="sits in blocks, and none of these towers has blocks to enter"):
        grafted.add_adapter("first", HMMoESpec.model_validate({"rank": 4}), builder())


def test_a_picture_model_with_a_vocabulary_is_one() -> None:
    """BEiT's is of picture tokens."""
    assert files.kind({"model_type": "beit", "vocab_size": 8192, "image_size": 224, "patch_size": 16}) == "image"
    assert files.kind({"model_type": "bert", "vocab_size": 30522}) == "text"
