"""What the files of a transformers or sentence-transformers folder tell, without importing either, or torch."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ...core.files import remembered_sha256

Kind = Literal["joint", "image", "text"]
#: Two towers trained into one space, by `model_type`.
JOINT = ("clip", "metaclip_2", "siglip", "siglip2")
WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"
PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.h5", "*.msgpack")
IMAGE_FILES = ("preprocessor_config.json", "processor_config.json")
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
_POOLING_KEYS = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}


@dataclass(frozen=True, slots=True)
class SentenceModules:
    """What the `modules.json` of a sentence-transformers folder puts around its transformer."""

    #: Names of its pooling; several are concatenated there.
    pooling: tuple[str, ...]
    #: Folders of its dense layers, in order.
    dense: tuple[Path, ...]
    #: Modules of other kinds.
    others: tuple[str, ...]


def read_json(file: Path) -> Any:
    """The value in a JSON file; ``None`` where there is none, or none that can be read."""
    try:
        return json.loads(file.read_text("utf-8"))
    except (OSError, ValueError):
        return None


def _modules(root: Path) -> list[tuple[str, Path]]:
    """Kind and folder of each module of a sentence-transformers folder."""
    found = read_json(root / "modules.json")
    rows = found if isinstance(found, list) else []
    return [(str(row.get("type", "")).rpartition(".")[2], root / str(row.get("path", ""))) for row in rows]


def transformer_folder(root: Path) -> Path:
    """The folder of the transformer itself: ``root``, or the first module of a sentence-transformers folder."""
    modules = _modules(root)
    return modules[0][1] if modules else root


def config(root: Path) -> dict[str, Any] | None:
    """The transformer's ``config.json``."""
    found = read_json(transformer_folder(root) / "config.json")
    return found if isinstance(found, dict) else None


def kind(config: dict[str, Any]) -> Kind | None:
    """Which modalities a model has, told by its configuration; ``None`` for what is no encoder of images or texts."""
    if {"vision_config", "text_config"} & config.keys():
        return "joint" if config.get("model_type") in JOINT else None
    if config.get("is_encoder_decoder") or "audio_config" in config:
        return None
    if "vocab_size" in config:
        return "text"
    return "image" if {"image_size", "num_channels", "patch_size"} & config.keys() else None


def sentence_modules(root: Path) -> SentenceModules | None:
    """Pooling and dense layers of a sentence-transformers text model."""
    modules = _modules(root)[1:]
    pooling = next((folder for name, folder in modules if name == "Pooling"), None)
    if pooling is None:
        return None
    said = read_json(pooling / "config.json") or {}
    mode = said.get("pooling_mode") or [name for key, name in _POOLING_KEYS.items() if said.get(key)] or "mean"
    return SentenceModules(
        (mode,) if isinstance(mode, str) else tuple(mode),
        tuple(folder for name, folder in modules if name == "Dense"),
        tuple(name for name, _ in modules if name not in ("Pooling", "Dense", "Normalize")),
    )


def weights(root: Path) -> list[Path]:
    """The transformer's files of weights, there or not; none where only pickles or nothing are at hand."""
    folder = transformer_folder(root)
    if (folder / WEIGHTS).is_file():
        return [folder / WEIGHTS]
    index = read_json(folder / INDEX)
    shards = index.get("weight_map", {}) if isinstance(index, dict) else {}
    return sorted({folder / str(name) for name in shards.values()})


def all_weights(root: Path) -> list[Path]:
    """The same, and those of the dense layers behind it."""
    declared = sentence_modules(root)
    return [*weights(root), *(folder / WEIGHTS for folder in (declared.dense if declared else ()))]


def lacking(root: Path) -> str | None:
    """What a model folder lacks, in words; ``None`` if it is whole."""
    folder = transformer_folder(root)
    if not (folder / "config.json").is_file():
        return f"{folder} has no config.json: it is no transformers model"
    found = weights(root)
    if not found:
        pickles = sorted(path.name for pattern in PICKLES for path in folder.glob(pattern))
        also = f"; {', '.join(pickles[:3])} may run code when it is opened and is not read" if pickles else ""
        return f"{folder} holds neither {WEIGHTS} nor {INDEX}{also}"
    absent = [str(path.relative_to(root)) for path in all_weights(root) if not path.is_file()]
    what = kind(config(root) or {})
    if what != "text" and not _holds_one(folder, IMAGE_FILES):
        absent.append(" or ".join(IMAGE_FILES))
    if what in ("text", "joint") and not _holds_one(folder, VOCABULARIES):
        absent.append(f"a vocabulary ({', '.join(VOCABULARIES)})")  # transformers would go on with an empty one
    return f"{root} lacks {', '.join(absent[:5])}" if absent else None


def _holds_one(folder: Path, names: Iterable[str]) -> bool:
    return any((folder / name).is_file() for name in names)


def content(root: Path) -> dict[str, str]:
    """Name to sha256 of everything that shapes vectors of any modality: configuration, weights, pooling, dense."""
    declared = [root / "modules.json", *(path / "config.json" for _, path in _modules(root))]
    files = [transformer_folder(root) / "config.json", *all_weights(root), *declared]
    return dict(_digests(root, files))


def preprocessing(root: Path, modality: str) -> dict[str, str]:
    """Name to sha256 of what makes pixels of a picture, or token ids of a text."""
    folder = transformer_folder(root)
    names = IMAGE_FILES if modality == "image" else TEXT_FILES
    return dict(_digests(root, [folder / name for name in names]))


def _digests(root: Path, files: list[Path]) -> Iterator[tuple[str, str]]:
    return ((str(path.relative_to(root)), remembered_sha256(path)) for path in files if path.is_file())


def width(root: Path, modality: str, projected: bool) -> int | None:
    """Width of the vectors of a modality; ``projected``: in the joint space of a model that has one."""
    if (declared := sentence_modules(root)) is not None:
        if declared.dense:
            return _integer(read_json(declared.dense[-1] / "config.json"), "out_features")
        hidden = token_width(root, modality, projected)
        return hidden * len(declared.pooling) if hidden else None
    return token_width(root, modality, projected)


def token_width(root: Path, modality: str, projected: bool) -> int | None:
    """Width of the tokens of a modality."""
    said = config(root) or {}
    tower = said.get(f"{modality}_config" if modality == "text" else "vision_config")
    if not isinstance(tower, dict):
        sizes = said.get("hidden_sizes")
        last = sizes[-1] if isinstance(sizes, list) and sizes else None
        return last if isinstance(last, int) else _integer(said, "hidden_size", "d_model", "dim", "n_embd")
    if projected and str(said.get("model_type")).startswith("siglip"):
        return _integer(tower, *(["projection_size"] if modality == "text" else []), "hidden_size")
    return _integer(said, "projection_dim") if projected else _integer(tower, "hidden_size")


def _integer(said: Any, *keys: str) -> int | None:
    found = (said.get(key) for key in keys) if isinstance(said, dict) else ()
    return next((value for value in found if isinstance(value, int)), None)
