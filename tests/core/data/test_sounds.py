"""Sounds: files, resampling, encoders of them, and whole runs on them."""

from __future__ import annotations

import json
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from pydantic import ValidationError

from graftwork import Pipeline, SpecError, load
from graftwork.core.cli import cli
from graftwork.core.data.items import DataError
from graftwork.core.data.sounds import file_audio, open_sound
from graftwork.core.data.waveform import Waveform
from graftwork.core.roles import EncoderError
from graftwork.plugins.datasets import AudioFolderSpec
from graftwork.plugins.datasets.folders.audio_folder import AudioFolder
from graftwork.plugins.encoders import DualSpec, TransformersSpec
from graftwork.plugins.encoders.transformers.audio import resampled
from graftwork.plugins.encoders.transformers.encoder import Transformers
from graftwork.plugins.pocket import TRANSFORMERS_FOLDERS
from graftwork.registry.discovery import default_catalogue

from ...support.media.sound_files import tone, tones, write
from ...support.models.tiny_encoders import save_tiny_encoder

CPU = torch.device("cpu")
FAMILIES = ("ast", "clap", "clap_fusion", "wav2vec2", "wav2vec2_group")


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A folder a family."""
    root = tmp_path_factory.mktemp("models")
    return {name: save_tiny_encoder(name, root / name) for name in (*FAMILIES, "bert", "vit")}


def encoder_of(folder: Path, **more: Any) -> Transformers:
    return Transformers(TransformersSpec(model=str(folder), **more), CPU)


# Files


def test_channels_are_mixed_and_formats_read_alike(tmp_path: Path) -> None:
    """Two channels become their mean; WAV and FLAC hold the same samples to 24 bits."""
    left, right = tone(440), tone(880)
    stereo = np.stack([left, right], axis=1)
    read = [open_sound(write(tmp_path / f"both{suffix}", stereo, 16000, "PCM_24")) for suffix in (".wav", ".flac")]
    assert all(one.rate == 16000 and one.samples.dtype == np.float32 for one in read)
    assert np.allclose(read[0].samples, (left + right) / 2, atol=1e-6)
    assert np.allclose(read[0].samples, read[1].samples, atol=1e-6)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "the file is empty"),
        (b"RIFF and no more", "not a readable sound"),
        (np.zeros(0, np.float32), "no samples (zero length)"),
        (np.array([0.1, np.nan], np.float32), "samples that are no numbers"),
    ],
)
def test_a_sound_that_is_none_is_refused_by_name(content: Any, reason: str, tmp_path: Path) -> None:
    """Empty, damaged, of zero length, or holding NaN."""
    path = tmp_path / "a.wav"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        write(path, content, subtype="FLOAT")
    with pytest.raises(DataError, match=re.escape(f"{path}: ") + ".*" + re.escape(reason)):
        file_audio(path).read()


def test_without_soundfile_the_command_that_brings_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once, when the data set is listed."""
    monkeypatch.setitem(sys.modules, "soundfile", None)
    with pytest.raises(DataError, match=r'pip install "graftwork\[audio\]"'):
        AudioFolder(AudioFolderSpec(root=str(tmp_path))).load()


# The data set


def test_class_folders_are_divided_by_content(tmp_path: Path) -> None:
    """Stratified, the same wherever the folder lies."""
    content = AudioFolder(AudioFolderSpec(root=str(tones(tmp_path / "here")))).load()
    assert content.class_names == ("high", "low")
    assert {name: len(items) for name, items in content.splits.items()} == {"train": 8, "val": 4, "test": 4}
    moved = AudioFolder(AudioFolderSpec(root=str(shutil.copytree(tmp_path / "here", tmp_path / "there")))).load()
    assert moved.fingerprint() == content.fingerprint()
    item = content.splits["test"][0]
    assert set(item.modalities) == {"audio"}
    assert item.modalities["audio"].read().samples.size > 0


def test_split_folders_are_taken_as_given(tmp_path: Path) -> None:
    """With other names for prompts, and a class left out."""
    for split in ("train", "validation", "test"):
        for name in ("dog", "rain", "noise"):
            write(tmp_path / split / name / "a.ogg", tone(300))
    spec = AudioFolderSpec(root=str(tmp_path), exclude=("noise",), class_names={"dog": "dog barking"})
    content = AudioFolder(spec).load()
    assert content.class_names == ("dog barking", "rain")
    assert [item.id for item in content.splits["val"]] == ["validation/dog/a.ogg", "validation/rain/a.ogg"]
    assert content.split_id == "audio_folder without noise, val as given, test as given"


@pytest.mark.parametrize(
    ("files", "fields", "reason"),
    [
        ((), {}, "holds no sounds (.aif, .aifc, .aiff, .au, .flac, .mp3, .oga, .ogg, .opus, .wav) in class folders"),
        (("a/1.txt",), {}, "class folder ROOT/a holds no sounds"),
        (("a/1.wav", "b/1.wav", "b/2.wav"), {}, "ROOT/a/1.wav is the only sound of its class"),
        (("a/1.wav", "b/1.wav"), {"exclude": ("c",)}, "no class of ROOT is called `c`"),
        (("train/a/1.wav", "test/a/1.wav", "c/1.wav"), {}, "split folders beside c"),
    ],
)
def test_a_folder_that_cannot_be_used_says_why(
    files: tuple[str, ...], fields: dict[str, Any], reason: str, tmp_path: Path
) -> None:
    """What, where, what to do."""
    for name in files:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(name.encode())
    with pytest.raises(DataError) as caught:
        AudioFolder(AudioFolderSpec(root=str(tmp_path), **fields)).load()
    assert reason in str(caught.value).replace(str(tmp_path), "ROOT")


# Encoders


def test_a_tone_is_the_same_at_any_rate(saved: dict[str, Path]) -> None:
    """440 Hz at 44.1 kHz and at 16 kHz: nearly the same samples, features and vector."""
    fast, slow = Waveform(tone(440, 44100), 44100), Waveform(tone(440, 16000), 16000)
    inner = slice(200, -200)
    assert np.abs(resampled(fast.samples, 44100, 16000)[inner] - slow.samples[inner]).max() < 2e-3
    encoder = encoder_of(saved["ast"])
    features = [encoder.preprocess("audio", one)["input_values"] for one in (fast, slow)]
    other = encoder.preprocess("audio", Waveform(tone(660, 16000), 16000))["input_values"]
    assert (features[0] - features[1]).abs().mean() < 0.1 * (features[1] - other).abs().mean()
    first, second, third = encoder.encode("audio", [fast, slow, Waveform(tone(660, 16000), 16000)])
    assert first @ second > 0.999 > second @ third


@pytest.mark.parametrize("family", FAMILIES)
def test_silence_a_click_and_a_long_sound_have_vectors(family: str, saved: dict[str, Path]) -> None:
    """Unit vectors, the same each time and in any company; numpy's global randomness stays as it was."""
    sounds = [
        Waveform(np.zeros(8000, np.float32), 16000),
        Waveform(np.ones(1, np.float32), 8000),
        Waveform(tone(500, seconds=3.0), 16000),
        Waveform(tone(700, seconds=0.7), 16000),
    ]
    encoder = encoder_of(saved[family])
    state = np.random.get_state()[1]
    whole = encoder.encode("audio", sounds)
    assert np.array_equal(np.random.get_state()[1], state)
    assert torch.allclose(whole.norm(dim=-1), torch.ones(4), atol=1e-5)
    for one, vector in zip(sounds, whole, strict=True):
        assert torch.allclose(encoder.encode("audio", [one])[0], vector, atol=1e-5)
    assert TransformersSpec(model=str(saved[family])).width("audio") == whole.shape[1]
    tokens = encoder.encode_tokens("audio", sounds)
    assert all(one.ndim == 2 and bool(one.isfinite().all()) for one in tokens)


def test_a_model_gives_what_transformers_itself_gives(saved: dict[str, Path]) -> None:
    """AST's pooled vector; CLAP's two projected ones, which share a space."""
    from transformers import AutoFeatureExtractor, AutoModel, AutoTokenizer

    samples = tone(500)
    for family in ("ast", "clap"):
        made = AutoFeatureExtractor.from_pretrained(saved[family])(samples, sampling_rate=16000, return_tensors="pt")
        made = {key: value.float() for key, value in made.items() if key != "is_longer"}
        model = AutoModel.from_pretrained(saved[family]).eval()
        with torch.no_grad():
            plain = (model if family == "ast" else model.get_audio_features)(**made).pooler_output[0]
        encoder = encoder_of(saved[family])
        vector = encoder.encode("audio", [Waveform(samples, 16000)])[0]
        assert torch.allclose(vector, plain / plain.norm(), atol=1e-5)
    tokens = AutoTokenizer.from_pretrained(saved["clap"])(["a dog"], return_tensors="pt")
    with torch.no_grad():
        said = model.get_text_features(**tokens).pooler_output[0]
    assert torch.allclose(encoder.encode("text", ["a dog"])[0], said, atol=1e-5)
    spec = TransformersSpec(model=str(saved["clap"]))
    assert (spec.modalities(), spec.shares_space()) == ({"text", "audio"}, True)
    assert encoder.facts().logit_scale is not None


@pytest.mark.parametrize("pooling", ["mean", "cls", "pooler"])
def test_poolings_of_a_spectrogram_model(pooling: str, saved: dict[str, Path]) -> None:
    """Each is a vector of its own."""
    sound = [Waveform(tone(500), 16000)]
    vector = encoder_of(saved["ast"], pooling=pooling).encode("audio", sound)
    plain = encoder_of(saved["ast"]).encode("audio", sound)
    assert torch.equal(vector, plain) == (pooling == "pooler")


def test_sounds_without_samples_and_other_modalities_are_refused(saved: dict[str, Path]) -> None:
    """In words."""
    encoder = encoder_of(saved["ast"])
    with pytest.raises(DataError, match="no samples"):
        encoder.preprocess("audio", Waveform(np.zeros(0, np.float32), 16000))
    with pytest.raises(EncoderError, match="has no image tower; it encodes audio"):
        encoder.encode("image", [])
    with pytest.raises(ValidationError, match="`image_size` cannot be set"):
        TransformersSpec(model=str(saved["ast"]), image_size=32)


def test_pocket_models_are_found_by_name() -> None:
    """Those that ship; another name is answered with the nearest."""
    for name, folder in TRANSFORMERS_FOLDERS.items():
        spec = TransformersSpec(model=f"pocket:{name}")
        missing = spec.missing_files()
        assert (missing is None) == folder.is_dir()
        assert missing is None or missing == f"pocket:{name} does not exist; reinstall graftwork"
        if folder.is_dir():
            assert spec.tower_shapes()
    with pytest.raises(ValidationError, match="`sene_clip`; did you mean `pocket:scene_clip`"):
        TransformersSpec(model="pocket:sene_clip")


def test_a_pocket_name_opens_its_folder(saved: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """As a path would."""
    monkeypatch.setitem(TRANSFORMERS_FOLDERS, "ast", saved["ast"])
    sound = [Waveform(tone(500), 16000)]
    named = Transformers(TransformersSpec(model="pocket:ast"), CPU).encode("audio", sound)
    assert torch.equal(named, encoder_of(saved["ast"]).encode("audio", sound))


def test_dual_takes_sounds(saved: dict[str, Path]) -> None:
    """Two of three parts are enough; one is not, and each must have its modality."""
    context = {"catalogue": default_catalogue()}
    part = {name: {"type": "transformers", "model": str(saved[name])} for name in ("ast", "bert", "vit")}
    three = DualSpec.model_validate({"image": part["vit"], "text": part["bert"], "audio": part["ast"]}, context=context)
    assert three.modalities() == {"image", "text", "audio"}
    assert three.shares_space() is False
    assert [shape.modalities for shape in three.tower_shapes() or ()] == [("image",), ("text",), ("audio",)]
    DualSpec.model_validate({"text": part["bert"], "audio": part["ast"]}, context=context)
    with pytest.raises(ValidationError, match="two of `image`, `video`, `text`, `audio` are needed"):
        DualSpec.model_validate({"audio": part["ast"]}, context=context)
    with pytest.raises(ValidationError, match=r"`audio`: transformers .* has no audio tower"):
        DualSpec.model_validate({"audio": part["bert"], "text": part["bert"]}, context=context)


# Runs


def spec_of(root: Path, folder: Path, **more: Any) -> dict[str, Any]:
    return {
        "device": "cpu",
        "dataset": {"type": "audio_folder", "root": str(root)},
        "encoder": {"type": "transformers", "model": str(folder), "templates": ["the sound of {}"]},
        "adapter": {"type": "bottleneck", "bottleneck": 8},
        "task": {"type": "classification", "head": {"type": "linear"}},
        "trainer": {"epochs": 30, "optimizer": {"type": "adamw", "lr": 0.01}},
        "reporters": [],
        **more,
    }


GRAPH = {
    "graph": {"type": "similarity", "nodes": "audio", "threshold": 0.9},
    "adapter": {"type": "ga_net", "bottleneck": 8},
}


@pytest.mark.parametrize(
    ("family", "more"),
    [
        ("ast", {}),
        ("ast", {"adapter": {"type": "none"}}),
        ("ast", GRAPH),
        ("clap", {"task": {"type": "classification", "head": {"type": "cosine"}}}),
        ("wav2vec2", {}),
    ],
)
def test_a_run_on_sounds_learns_and_predicts(
    family: str, more: dict[str, Any], saved: dict[str, Path], tmp_path: Path
) -> None:
    """From folder to figures, and from the run folder to predictions for files."""
    root = tones(tmp_path / "tones")
    pipeline = Pipeline(spec_of(root, saved[family], **more))
    plan = pipeline.plan(store=tmp_path / "store")
    assert any(stage.stage == "encode audio" for stage in plan.stages)
    run = pipeline.run(out=tmp_path / "run", store=tmp_path / "store")
    result = json.loads((run.folder / "result.json").read_text())
    assert '"nodes": "audio"' in json.dumps(result)
    files = [str(root / "low" / "0.wav"), str(root / "high" / "1.flac")]
    answered = load(run.folder, device="cpu").predict(sounds=files)
    if family != "clap":  # a random text tower knows no words
        assert [one.label for one in answered] == ["low", "high"]
    said = CliRunner().invoke(cli, ["predict", str(run.folder), *files, "--format", "json", "--device", "cpu"])
    assert said.exit_code == 0, said.output
    assert [one["label"] for one in json.loads(said.stdout)] == [one.label for one in answered]


def test_unreadable_sounds_follow_on_error(saved: dict[str, Path], tmp_path: Path) -> None:
    """All named at once, or left out and recorded; `predict` names a broken one and answers the others."""
    root = tones(tmp_path / "tones")
    for name in ("low", "high"):
        (root / name / "empty.wav").write_bytes(b"")
        write(root / name / "nothing.wav", np.zeros(0, np.float32))
    with pytest.raises(DataError, match=r"4 of 20 cannot be read(.|\n)*the file is empty(.|\n)*no samples"):
        Pipeline(spec_of(root, saved["ast"])).run(out=tmp_path / "run", store=tmp_path / "store")
    spec = spec_of(root, saved["ast"])
    spec["dataset"] |= {"on_error": "record"}
    run = Pipeline(spec).run(out=tmp_path / "run", store=tmp_path / "store")
    recorded = (run.folder / "unreadable.jsonl").read_text().splitlines()
    assert len(recorded) == 4
    files = [str(root / "low" / "empty.wav"), str(root / "low" / "0.wav")]
    said = CliRunner().invoke(cli, ["predict", str(run.folder), *files, "--device", "cpu"])
    assert said.exit_code == 2
    assert "empty.wav: the file is empty" in said.stderr
    assert "0.wav: low" in said.stdout


def test_a_graph_of_images_over_sounds_is_told_what_to_take(saved: dict[str, Path], tmp_path: Path) -> None:
    """Nodes are images unless a graph says otherwise; without one they follow the data set."""
    spec = spec_of(tmp_path, saved["ast"], **{**GRAPH, "graph": {"type": "similarity", "threshold": 0.9}})
    with pytest.raises(SpecError, match=r'no image tower(.|\n)*for sounds set "nodes": "audio" in `graph`'):
        Pipeline(spec)
    frames = spec_of(
        tmp_path, saved["ast"], dataset={"type": "video_folder", "root": str(tmp_path), "sound": "silence"}
    )
    with pytest.raises(SpecError, match=r'\{"type": "similarity", "nodes": "audio", "threshold": 1.0\}'):
        Pipeline(frames)
    prompts = spec_of(tmp_path, saved["ast"], task={"type": "classification", "head": {"type": "cosine"}})
    with pytest.raises(SpecError, match="no text tower"):
        Pipeline(prompts)
