"""What can be told of an open_clip model from its files alone, without importing open_clip or torch."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ....core.roles import TowerShape
from ....core.storage.files import remembered_sha256
from ....core.storage.json_files import json_in
from ...checkpoints import parameters
from ...checkpoints.folder import read_json
from ...pocket import CLIP_FOLDER

LOCAL, HUB = "local-dir:", "hf-hub:"
#: What a configuration may say to a tokenizer: how texts are cleaned. Anything else could be meant for transformers.
TOKENIZER_KEYS = frozenset({"clean", "strip_sep_token", "language"})
#: The files of a local model folder, as open_clip itself names them.
CONFIG_FILE = "open_clip_config.json"
WEIGHT_FILES = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin", "model.safetensors")
#: Our addition to such a folder: a vocabulary of its own for open_clip's SimpleTokenizer.
VOCABULARY_FILE = "bpe_vocabulary.txt.gz"


@cache
def _configs() -> Path | None:
    found = find_spec("open_clip")
    return Path(found.origin).parent / "model_configs" if found and found.origin else None


@cache
def architectures() -> tuple[str, ...]:
    """Names of the architectures that the installed open_clip knows."""
    folder = _configs()
    return tuple(sorted(path.stem for path in folder.glob("*.json"))) if folder else ()


def absolute(model: str) -> str:
    """``local-dir:`` paths made absolute, so that a saved pipeline works from anywhere."""
    if not model.startswith(LOCAL):
        return model
    return LOCAL + os.path.abspath(os.path.expanduser(model.removeprefix(LOCAL)))


def is_complete(model: str) -> bool:
    """Whether ``model`` names weights too, not an architecture alone."""
    return model == "pocket" or ":" in model


def folder_of(model: str) -> Path | None:
    """The folder of a local model."""
    if model == "pocket":
        return CLIP_FOLDER
    return Path(model.removeprefix(LOCAL)) if model.startswith(LOCAL) else None


def config(model: str) -> dict[str, Any] | None:
    """``{"model_cfg": ..., "preprocess_cfg": ...}``; ``None`` where only loading tells."""
    folder, known = folder_of(model), _configs()
    try:
        if folder is not None:
            found = json_in(folder / CONFIG_FILE)
            return found if isinstance(found, dict) else None
        return (
            {"model_cfg": json.loads((known / f"{model}.json").read_text("utf-8"))}
            if known and ":" not in model
            else None
        )
    except (OSError, ValueError):
        return None


def text_config(model: str) -> dict[str, Any]:
    """``text_cfg`` of a model that is loaded by now; a hub model without one has a tokenizer of transformers."""
    found = config(model)
    if model.startswith(HUB):
        from huggingface_hub import try_to_load_from_cache

        fetched = try_to_load_from_cache(model.removeprefix(HUB), CONFIG_FILE)
        found = read_json(Path(fetched)) if isinstance(fetched, str) else {"model_cfg": {}}
    model_cfg = found.get("model_cfg") if isinstance(found, dict) else None
    text = model_cfg.get("text_cfg") if isinstance(model_cfg, dict) else None
    if not isinstance(text, dict):
        text = {"hf_tokenizer_name": model.removeprefix(HUB)} if model.startswith(HUB) else {}
    return text


def weights_file(model: str, checkpoint: str | None) -> Path | None:
    """The local file of weights, if there is one."""
    if checkpoint is not None:
        return Path(checkpoint)
    folder = folder_of(model)
    return next((folder / name for name in WEIGHT_FILES if (folder / name).is_file()), None) if folder else None


def weights_identity(model: str, pretrained: str | None, checkpoint: str | None) -> dict[str, str | None]:
    """Content of local files; the name of what a hub serves (its content is checked when it is loaded)."""
    file = weights_file(model, checkpoint)
    if file is not None and file.is_file():
        vocabulary = file.parent / VOCABULARY_FILE
        return {
            "sha256": remembered_sha256(file),
            "vocabulary": remembered_sha256(vocabulary) if vocabulary.is_file() else None,
        }
    return {"model": model, "pretrained": pretrained, "checkpoint": checkpoint}


def count_parameters(model: str, checkpoint: str | None) -> int | None:
    """Parameters in a local safetensors file, from its header; ``None`` where only loading tells."""
    file = weights_file(model, checkpoint)
    return parameters.count_parameters([file]) if file is not None else None


def tower_shapes(model_cfg: Mapping[str, Any]) -> tuple[TowerShape, TowerShape] | None:
    """The towers of a model as its configuration tells them; depth 0: no adapter can enter. ``None``: not known."""
    width, vision, text = (model_cfg.get(key) for key in ("embed_dim", "vision_cfg", "text_cfg"))
    if not isinstance(width, int) or not isinstance(vision, dict) or not isinstance(text, dict):
        return None
    if {"timm_model_name", "hf_model_name"} & (vision.keys() | text.keys()):
        return None
    return TowerShape(("image",), *_blocks(vision, 768), width), TowerShape(("text",), *_blocks(text, 512), width)


#: Parameters that belong to neither tower, or make captions (CoCa).
APART = ("logit_scale", "logit_bias", "text_decoder")


def weighed(shapes: tuple[TowerShape, TowerShape], model: str, checkpoint: str | None) -> tuple[TowerShape, TowerShape]:
    """With the parameters of each, where a local safetensors file tells them."""
    file = weights_file(model, checkpoint)
    if file is None:
        return shapes
    of_image = parameters.count_parameters([file], lambda name: name.startswith("visual."))
    of_text = parameters.count_parameters([file], lambda name: not name.startswith(("visual.", *APART)))
    return replace(shapes[0], parameters=of_image), replace(shapes[1], parameters=of_text)


def _blocks(tower: Mapping[str, Any], default_width: int) -> tuple[int, int]:
    """Depth and width, with open_clip's own defaults (``CLIPVisionCfg``, ``CLIPTextCfg``)."""
    layers = tower.get("layers", 12)
    return (layers, tower.get("width", default_width)) if isinstance(layers, int) and layers > 1 else (0, 0)
