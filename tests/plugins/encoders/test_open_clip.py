"""The open_clip encoder on a real, tiny CLIP: what it gives, what its cache key follows, how it refuses."""

import json
import os
import pickle
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from graftwork.core.data.items import Media
from graftwork.core.roles import EncoderError
from graftwork.core.stages.encode import EncoderStage
from graftwork.plugins.checkpoints.versions import library_versions
from graftwork.plugins.encoders import OpenClipSpec
from graftwork.plugins.encoders.open_clip.encoder import OpenClip, import_open_clip
from graftwork.registry.discovery import default_catalogue

from ...conftest import save_tiny_clip

WEIGHTS, CONFIG = "open_clip_model.safetensors", "open_clip_config.json"


def spec_of(folder: Path, **more: Any) -> OpenClipSpec:
    return OpenClipSpec(model=f"local-dir:{folder}", **more)


def build(spec: OpenClipSpec) -> OpenClip:
    return OpenClip(spec, torch.device("cpu"))


@pytest.fixture(scope="module")
def encoder(tiny_clip: Path) -> OpenClip:
    return build(spec_of(tiny_clip))


def pictures(number: int) -> list[Image.Image]:
    rng = np.random.default_rng(0)
    return [Image.fromarray(rng.integers(0, 256, (8 + i, 11, 3), np.uint8)) for i in range(number)]


TEXTS = ["a photo of a 3.", "the digit three", "", "ein Bild " * 40]


def test_vectors_are_unit_rows_of_the_joint_space(encoder: OpenClip) -> None:
    """float32 on the CPU, one width for both modalities, and no two contents alike."""
    for vectors in (encoder.encode("image", pictures(5)), encoder.encode("text", TEXTS)):
        assert vectors.dtype == torch.float32
        assert vectors.shape[1] == 32
        assert not vectors.requires_grad
        torch.testing.assert_close(vectors.norm(dim=-1), torch.ones(len(vectors)))
        cosines = vectors @ vectors.T - 2 * torch.eye(len(vectors))
        assert cosines.max() < 1 - 1e-5


def test_vectors_are_those_of_open_clip_itself(encoder: OpenClip, tiny_clip: Path) -> None:
    """The library's own model, preprocessing and tokenizer give the same directions."""
    library = import_open_clip()
    model, _, preprocess = library.create_model_and_transforms(f"local-dir:{tiny_clip}")
    tokens = library.get_tokenizer(f"local-dir:{tiny_clip}")(TEXTS)
    with torch.no_grad():
        image = model.eval().encode_image(torch.stack([preprocess(one) for one in pictures(3)]), normalize=True)
        text = model.encode_text(tokens, normalize=True)
    torch.testing.assert_close(encoder.encode("image", pictures(3)), image)
    torch.testing.assert_close(encoder.encode("text", TEXTS), text)


@pytest.mark.parametrize(("modality", "batch"), [("image", pictures(6)), ("text", TEXTS)], ids=["image", "text"])
def test_a_vector_does_not_depend_on_its_batch(encoder: OpenClip, modality: str, batch: list[Any]) -> None:
    """Alone or among others, equal to 1e-5."""
    together = encoder.encode(modality, batch)
    alone = torch.cat([encoder.encode(modality, [one]) for one in batch])
    torch.testing.assert_close(alone, together, atol=1e-5, rtol=0)


def test_a_modality_that_clip_does_not_have_is_refused(encoder: OpenClip) -> None:
    """By name."""
    with pytest.raises(EncoderError, match="no audio tower"):
        encoder.encode("audio", [b""])


def test_facts_are_those_of_the_weights(encoder: OpenClip, tiny_clip: Path, tmp_path: Path) -> None:
    """Parameters counted, the logit scale as trained, and a fingerprint that other weights do not have."""
    facts = encoder.facts()
    tensors = load_file(tiny_clip / WEIGHTS)
    assert facts.parameters == sum(tensor.numel() for tensor in tensors.values())
    assert facts.logit_scale == pytest.approx(float(tensors["logit_scale"].exp()))
    copy = Path(shutil.copytree(tiny_clip, tmp_path / "copy"))
    assert build(spec_of(copy)).facts() == facts
    tensors["visual.proj"][0, 0] += 1e-3
    save_file(tensors, copy / WEIGHTS)
    assert build(spec_of(copy)).facts().weights != facts.weights


def test_the_store_notes_the_facts_beside_the_vectors(encoder: OpenClip, tiny_clip: Path, tmp_path: Path) -> None:
    """A later run knows fingerprint, size and logit scale without loading the model."""

    def stage() -> EncoderStage:
        return EncoderStage(spec_of(tiny_clip), default_catalogue(), tmp_path, lambda: torch.device("cpu"))

    vectors = stage().encode("text", [Media.of_text(text) for text in TEXTS])
    later = stage()
    assert later.facts("text") == encoder.facts()
    assert np.array_equal(later.encode("text", [Media.of_text(text) for text in TEXTS]), vectors)
    assert not later.tower("text").loaded
    torch.testing.assert_close(torch.from_numpy(vectors), encoder.encode("text", TEXTS), atol=1e-5, rtol=0)


def identity(folder: Path, **more: Any) -> str:
    spec = spec_of(folder, **more)
    return json.dumps([spec.identity(), spec.modality_identity("image")], sort_keys=True)


@pytest.mark.parametrize("change", [{"image_size": 16}, {"precision": "bf16"}], ids=["image_size", "precision"])
def test_the_identity_follows_what_changes_vectors(tiny_clip: Path, change: dict[str, Any]) -> None:
    """Size and precision are part of the cache key, and they do change the vectors."""
    assert identity(tiny_clip, **change) != identity(tiny_clip)
    changed = build(spec_of(tiny_clip, **change)).encode("image", pictures(2))
    assert (changed - build(spec_of(tiny_clip)).encode("image", pictures(2))).abs().max() > 1e-4
    torch.testing.assert_close(changed.norm(dim=-1), torch.ones(2))


@pytest.mark.parametrize("change", [{"batch_size": 3}, {"templates": ["{}"]}], ids=["batch_size", "templates"])
def test_the_identity_ignores_what_changes_no_vector(tiny_clip: Path, change: dict[str, Any]) -> None:
    """Batch size and prompts are no part of the cache key: a prompt is an input, known by its own content."""
    assert identity(tiny_clip, **change) == identity(tiny_clip)


def test_the_identity_follows_weights_by_content(tiny_clip: Path, tmp_path: Path) -> None:
    """The same weights under another path share a key; other weights under the same path do not."""
    copy = Path(shutil.copytree(tiny_clip, tmp_path / "copy"))
    assert identity(copy) == identity(tiny_clip)
    save_tiny_clip(copy, seed=9)
    assert identity(copy) != identity(tiny_clip)


def test_the_identity_follows_preprocessing(tiny_clip: Path, tmp_path: Path) -> None:
    """Another mean in the model's configuration is another key."""
    copy = Path(shutil.copytree(tiny_clip, tmp_path / "copy"))
    config = json.loads((copy / CONFIG).read_text())
    config["preprocess_cfg"]["mean"] = [0.4, 0.5, 0.5]
    (copy / CONFIG).write_text(json.dumps(config))
    assert identity(copy) != identity(tiny_clip)


def test_the_identity_names_the_libraries_that_preprocess(tiny_clip: Path) -> None:
    """Versions of open_clip, torchvision and pillow."""
    spec = spec_of(tiny_clip)
    named = {**spec.identity()["libraries"], **spec.modality_identity("image")["libraries"]}
    assert named == library_versions("open_clip_torch", "torchvision", "pillow")
    assert "absent" not in named.values()


def test_a_checkpoint_of_another_width_names_the_tensors(tiny_clip: Path, tmp_path: Path) -> None:
    """Configuration and weights that do not fit: which tensor, which sizes, no traceback from the depths."""
    copy = Path(shutil.copytree(tiny_clip, tmp_path / "copy"))
    config = json.loads((copy / CONFIG).read_text())
    config["model_cfg"]["embed_dim"] = 16
    (copy / CONFIG).write_text(json.dumps(config))
    with pytest.raises(EncoderError) as error:
        build(spec_of(copy))
    for said in (str(copy), "visual.proj", "[32, 32]", "[32, 16]"):
        assert said in str(error.value)


def test_a_folder_without_weights_is_refused(tiny_clip: Path, tmp_path: Path) -> None:
    """open_clip would go on with random weights and a warning; we name the files that are looked for."""
    copy = Path(shutil.copytree(tiny_clip, tmp_path / "copy"))
    (copy / WEIGHTS).unlink()
    with pytest.raises(EncoderError, match=f"holds none of {WEIGHTS}"):
        build(spec_of(copy))


def test_damaged_weights_are_refused(tiny_clip: Path, tmp_path: Path) -> None:
    """A truncated file is an error that names the model."""
    copy = Path(shutil.copytree(tiny_clip, tmp_path / "copy"))
    (copy / WEIGHTS).write_bytes((copy / WEIGHTS).read_bytes()[:1000])
    with pytest.raises(EncoderError, match="open_clip cannot load"):
        build(spec_of(copy))


class Trap:
    """Unpickling it makes a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.folder),)


def test_code_in_a_checkpoint_is_not_run(tmp_path: Path) -> None:
    """A pickle that would run something when it is opened is refused."""
    (tmp_path / "weights.pt").write_bytes(pickle.dumps({"visual.proj": Trap(tmp_path / "sprung")}))
    with pytest.raises(EncoderError, match="open_clip cannot load `ViT-S-32-alt`"):
        build(OpenClipSpec(model="ViT-S-32-alt", checkpoint=str(tmp_path / "weights.pt")))
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize(("tag", "near"), [("opnai", "did you mean `openai`"), ("zzz", "known: openai")])
def test_an_unknown_tag_is_answered_with_the_nearest(tag: str, near: str) -> None:
    """Before anything is downloaded."""
    with pytest.raises(EncoderError, match=f"no weights `{tag}` for ViT-B-32; {near}"):
        build(OpenClipSpec(model="ViT-B-32", pretrained=tag))


def test_a_checkpoint_that_is_not_there_is_named(tmp_path: Path) -> None:
    """With the key of the spec."""
    with pytest.raises(EncoderError, match=r"encoder\.checkpoint: .*nowhere\.pt does not exist"):
        build(OpenClipSpec(model="ViT-B-32", checkpoint=str(tmp_path / "nowhere.pt")))


def test_an_architecture_takes_its_weights_from_a_checkpoint(tmp_path: Path) -> None:
    """The smallest architecture that open_clip knows, with weights in a file: they are the ones that count."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        original = import_open_clip().create_model("ViT-S-32-alt")
    checkpoint = tmp_path / "weights.safetensors"
    save_file(original.half().state_dict(), checkpoint)
    spec = OpenClipSpec(model="ViT-S-32-alt", checkpoint=str(checkpoint))
    loaded = build(spec)
    vectors = loaded.encode("text", TEXTS)
    with torch.no_grad():
        tokens = import_open_clip().get_tokenizer("ViT-S-32-alt")(TEXTS)
        expected = original.float().eval().encode_text(tokens, normalize=True)
    torch.testing.assert_close(vectors, expected, atol=1e-5, rtol=1e-5)
    assert spec.frozen_parameters() == loaded.facts().parameters
    assert spec.width("text") == vectors.shape[1]


def test_a_checkpoint_of_another_model_is_refused(tiny_clip: Path) -> None:
    """The tiny CLIP's weights in a real architecture: an error that names it."""
    spec = OpenClipSpec(model="ViT-S-32-alt", checkpoint=str(tiny_clip / WEIGHTS))
    with pytest.raises(EncoderError, match=r"open_clip cannot load `ViT-S-32-alt`: .*changed"):
        build(spec)


@pytest.mark.parametrize("model", ["tiny", "pocket"])
def test_what_is_told_without_loading_is_true(model: str, tiny_clip: Path) -> None:
    """Width and number of frozen parameters, as the loaded model has them."""
    spec = spec_of(tiny_clip) if model == "tiny" else OpenClipSpec()
    loaded = build(spec)
    assert spec.width("image") == loaded.encode("image", pictures(1)).shape[1]
    assert spec.width("text") == loaded.encode("text", ["a 3"]).shape[1]
    assert spec.frozen_parameters() == loaded.facts().parameters


def test_a_spec_tells_these_without_torch(tiny_clip: Path) -> None:
    """identity, width and frozen_parameters import neither torch nor open_clip."""
    script = f"""
import sys
from graftwork.plugins.encoders import OpenClipSpec
spec = OpenClipSpec(model={f"local-dir:{tiny_clip}"!r})
assert spec.identity() and spec.width("image") and spec.frozen_parameters()
print(sorted({{"torch", "open_clip", "torchvision"}} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "[]"
