"""What the files of a transformers or sentence-transformers folder tell, without importing either, or torch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

from ....core.roles import TowerShape, one_or_each
from ....core.storage.files import remembered_sha256
from ...checkpoints.folder import CONFIG, INDEX, WEIGHTS, pickles_in, read_json, refused, weight_files
from .sentence_modules import modules_of, outside, sentence_modules, transformer_folder

Kind = Literal["joint", "image", "video", "text", "audio", "single"]
#: Two towers trained into one space, by `model_type`.
JOINT = {
    "clip": ("image", "text"),
    "metaclip_2": ("image", "text"),
    "siglip": ("image", "text"),
    "siglip2": ("image", "text"),
    "clap": ("text", "audio"),
}
#: One tower that reads two modalities as one sequence.
SINGLE_STREAM = {"vilt": ("image", "text")}
#: Models that take several frames of a clip at once, by `model_type`.
VIDEO = ("videomae", "vivit", "timesformer")
PREPROCESSOR_FILES = ("preprocessor_config.json", "processor_config.json")
#: What configurations call the width of the hidden states.
WIDTHS = ("hidden_size", "d_model", "dim", "n_embd")
#: And the number of their blocks.
DEPTHS = ("num_hidden_layers", "n_layers", "n_layer", "num_layers")
#: Models that run one block many times.
_SHARED_BLOCKS = ("albert",)
#: Models of stages whose blocks give the widths that their configuration says; of others only loading would tell.
_STAGED = (
    *("resnet", "regnet", "convnext", "convnextv2", "poolformer"),
    *("swin", "swinv2", "donut-swin", "maskformer-swin", "clap_audio_model", "segformer", "pvt", "pvt_v2"),
)
#: Any of these is a vocabulary; what else shapes the ids of a text.
VOCABULARIES = (
    "tokenizer.json",
    "vocab.txt",
    "vocab.json",
    "spiece.model",
    "sentencepiece.bpe.model",
    "tokenizer.model",
)
TEXT_FILES = (
    *VOCABULARIES,
    "merges.txt",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "sentence_bert_config.json",
)


def config(root: Path) -> dict[str, Any] | None:
    """The transformer's ``config.json``."""
    found = read_json(transformer_folder(root) / CONFIG)
    return found if isinstance(found, dict) else None


def kind(config: dict[str, Any]) -> Kind | None:
    """What a model is made of, told by its configuration; ``None`` for what is no encoder."""
    if config.get("model_type") in SINGLE_STREAM:
        return "single"
    if is_timm(config):
        return "image"
    if config.get("model_type") in VIDEO:
        return "video"
    if {"vision_config", "text_config", "audio_config"} & config.keys():
        return "joint" if config.get("model_type") in JOINT else None
    if is_whisper(config):
        return "audio"
    if config.get("is_encoder_decoder"):
        return None
    if takes_waveforms(config) or "num_mel_bins" in config:
        return "audio"
    if "vocab_size" in config and not {"image_size", "patch_size"} <= config.keys():  # BEiT's is of picture tokens
        return "text"
    return "image" if {"image_size", "num_channels", "patch_size"} & config.keys() else None


def is_timm(config: dict[str, Any]) -> bool:
    """Whether it is a model of timm, which transformers wraps: as either of the two writes it."""
    return "architecture" in config and config.get("model_type", "timm_wrapper") == "timm_wrapper"


def is_whisper(config: dict[str, Any]) -> bool:
    """Whether it is a Whisper, whose encoder alone runs; its files may hold the decoder, too."""
    return config.get("model_type") == "whisper"


def takes_waveforms(config: dict[str, Any]) -> bool:
    """Whether samples go in, as in wav2vec 2.0 and its like; else a spectrogram."""
    return {"num_feat_extract_layers", "conv_stride"} <= config.keys()


def modalities(config: dict[str, Any]) -> tuple[str, ...]:
    """The modalities of a model, in the order of its towers; none for what is no encoder."""
    what, name = kind(config), str(config.get("model_type"))
    if what == "joint" or what == "single":
        return JOINT.get(name) or SINGLE_STREAM[name]
    return () if what is None else (what,)


def weights(root: Path) -> list[Path]:
    """The transformer's files of weights, there or not; none where only pickles or nothing are at hand."""
    return weight_files(transformer_folder(root))


def all_weights(root: Path) -> list[Path]:
    """The same, and those of the dense layers behind it."""
    declared = sentence_modules(root)
    return [*weights(root), *(folder / WEIGHTS for folder in (declared.dense if declared else ()))]


def lacking(root: Path) -> str | None:
    """What a model folder lacks, in words; ``None`` if it is whole."""
    if reason := outside(root):
        return reason
    folder = transformer_folder(root)
    if reason := refused(folder):
        return reason
    if not (folder / CONFIG).is_file():
        return f"{folder} has no config.json: it is no transformers model"
    found = weights(root)
    if not found:
        pickles = pickles_in(folder)
        also = f"; {', '.join(pickles[:3])} may run code when it is opened and is not read" if pickles else ""
        return f"{folder} holds neither {WEIGHTS} nor {INDEX}{also}"
    absent = [str(path.relative_to(root)) for path in all_weights(root) if not path.is_file()]
    said = config(root) or {}
    what = modalities(said)
    if what != ("text",) and not is_timm(said) and not _holds_one(folder, PREPROCESSOR_FILES):
        absent.append(" or ".join(PREPROCESSOR_FILES))
    if "text" in what and not _holds_one(folder, VOCABULARIES):
        absent.append(f"a vocabulary ({', '.join(VOCABULARIES)})")  # transformers would go on with an empty one
    return f"{root} lacks {', '.join(absent[:5])}" if absent else None


def _holds_one(folder: Path, names: Iterable[str]) -> bool:
    return any((folder / name).is_file() for name in names)


def content(root: Path) -> dict[str, str]:
    """Name to sha256 of everything that shapes vectors of any modality: configuration, weights, pooling, dense."""
    declared = [root / "modules.json", *(path / CONFIG for _, path in modules_of(root))]
    files = [transformer_folder(root) / CONFIG, *all_weights(root), *declared]
    return dict(_digests(root, files))


def preprocessing(root: Path, modality: str) -> dict[str, str]:
    """Name to sha256 of what makes pixels of a picture, features of a sound, or token ids of a text."""
    folder = transformer_folder(root)
    names = TEXT_FILES if modality == "text" else PREPROCESSOR_FILES
    return dict(_digests(root, [folder / name for name in names]))


def _digests(root: Path, files: list[Path]) -> Iterator[tuple[str, str]]:
    return ((str(path.relative_to(root)), remembered_sha256(path)) for path in files if path.is_file())


def width(root: Path, modality: str, projected: bool, said: dict[str, Any] | None = None) -> int | None:
    """Width of the vectors of a modality; ``projected``: in the joint space of a model that has one.

    ``said``: a configuration with every default filled in, instead of what the file says.
    """
    said = config(root) or {} if said is None else said
    if kind(said) == "text" and (declared := sentence_modules(root)) is not None:
        if declared.dense:
            return _integer(read_json(declared.dense[-1] / CONFIG), "out_features")
        hidden = token_width(said, modality, projected)
        return hidden * len(declared.pooling) if hidden else None
    if is_timm(said):
        return None  # told by the loaded model alone
    return token_width(said, modality, projected)


def token_width(said: dict[str, Any], modality: str, projected: bool) -> int | None:
    """Width of the tokens of a modality, by a configuration."""
    tower = tower_config(said, modality)
    if is_timm(said):
        return _integer(said, "num_features")
    if tower is said:
        sizes = said.get("hidden_sizes")
        last = sizes[-1] if isinstance(sizes, list) and sizes else None
        return last if isinstance(last, int) else _integer(said, *WIDTHS)
    if projected and str(said.get("model_type")).startswith("siglip"):
        return _integer(tower, *(["projection_size"] if modality == "text" else []), "hidden_size")
    return _integer(said, "projection_dim") if projected else _integer(tower, "hidden_size")


def tower_config(said: dict[str, Any], modality: str) -> dict[str, Any]:
    """The part of a configuration that a modality's tower is made by; all of it in a model of one tower."""
    part = said.get({"image": "vision_config"}.get(modality, f"{modality}_config"))
    return part if isinstance(part, dict) else said


def tower_shapes(root: Path, projected: bool, said: dict[str, Any] | None = None) -> tuple[TowerShape, ...] | None:
    """The towers of a model as its configuration tells them; ``None`` where it leaves something to defaults.

    ``said``: as in ``width``. A tower that no adapter can enter has depth and width 0.
    """
    said = config(root) or {} if said is None else said
    found = modalities(said)
    shapes = [_tower_shape(root, said, (modality,), projected) for modality in found]
    if kind(said) == "single":
        shapes = [_tower_shape(root, said, tuple(reversed(found)), projected)]  # text tokens come first
    whole = tuple(shape for shape in shapes if shape is not None)
    return whole if whole and len(whole) == len(shapes) else None


def _tower_shape(root: Path, said: dict[str, Any], modalities: tuple[str, ...], projected: bool) -> TowerShape | None:
    blocks = _blocks(tower_config(said, modalities[0]))
    read_out = width(root, modalities[0], projected, said)
    return None if blocks is None or read_out is None else TowerShape(modalities, *blocks, read_out)


def _blocks(tower: dict[str, Any]) -> tuple[int, int | tuple[int, ...]] | None:
    """Depth and width of the blocks that adapters can enter, as a ``TowerShape`` has them; (0, 0): none."""
    stages, name = tower.get("depths"), tower.get("model_type")
    if is_timm(tower) or name in _SHARED_BLOCKS:
        return 0, 0
    if isinstance(stages, list) and stages and name in _STAGED:
        widths = _widths_of_stages(tower, len(stages))
        if widths is None:
            return None
        each = [width for width, blocks in zip(widths, stages, strict=True) for _ in range(blocks)]
        return (len(each), one_or_each(each)) if len(each) > 1 else (0, 0)
    if stages is not None or "hidden_sizes" in tower:
        return 0, 0
    depth, size = _integer(tower, *(DEPTHS if not is_whisper(tower) else ("encoder_layers",))), _integer(tower, *WIDTHS)
    if depth is None or size is None:
        return None
    return (depth, size) if depth > 1 else (0, 0)


def _widths_of_stages(tower: dict[str, Any], count: int) -> Sequence[int] | None:
    """Of a convolutional network as it says, of a Swin twice as much from stage to stage."""
    said, first = tower.get("hidden_sizes"), _integer(tower, "patch_embeds_hidden_size", "embed_dim")
    if isinstance(said, list) and len(said) == count:
        return said
    return None if first is None else [first * 2**stage for stage in range(count)]


def _integer(said: Any, *keys: str) -> int | None:
    found = (said.get(key) for key in keys) if isinstance(said, dict) else ()
    return next((value for value in found if isinstance(value, int)), None)
