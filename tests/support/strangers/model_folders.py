"""Model folders that bring code: it writes a file, by which a test sees whether it was ever run."""

from __future__ import annotations

import json
import pickle
import shutil
from pathlib import Path
from typing import Any

from graftwork.plugins.pocket import LLAVA_FOLDER, TRANSFORMERS_FOLDERS

CLASSES = ("AutoConfig", "AutoModel", "AutoModelForImageTextToText", "AutoProcessor", "AutoFeatureExtractor")
CLASSES += ("AutoImageProcessor", "AutoTokenizer")
#: What transformers looks for the names of classes in.
CONFIGS = ("config.json", "tokenizer_config.json", "processor_config.json", "preprocessor_config.json")
KIND = {"scene_clip": "encoder", "ast": "encoder", "vilt": "encoder", "llava": "captioner"}


class Runs:
    """A pickle of it runs code when it is opened."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, tuple[str, str]]:
        return open, (str(self.marker), "w")


def write_code(folder: Path, marker: Path) -> None:
    """Modules of every name that is asked for here, with every class."""
    classes = "\n".join(f"class {name}(dict):\n    pass" for name in ("Mine", *CLASSES))
    for name in ("mine.py", "__init__.py", f"{folder.name}.py", "custom_generate/generate.py"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(f"open({str(marker)!r}, 'w').close()\n{classes}\n")


def pocket_folder(name: str, into: Path) -> Path:
    """A copy of a model that ships, one that transformers reads."""
    source = LLAVA_FOLDER if name == "llava" else TRANSFORMERS_FOLDERS[name]
    return Path(shutil.copytree(source, into / name))


def changed_json(file: Path, **changes: Any) -> None:
    """Other values of some keys."""
    value = json.loads(file.read_text()) if file.exists() else {}
    file.write_text(json.dumps({**value, **changes}))


def auto_map() -> dict[str, Any]:
    """Every class of transformers in the folder's own module."""
    return {name: [f"mine.{name}", f"mine.{name}"] if name == "AutoTokenizer" else f"mine.{name}" for name in CLASSES}


def with_hub_tokenizer(folder: Path, **text_cfg: Any) -> Path:
    """An open_clip folder with a tokenizer of transformers, which asks for code of the folder's own."""
    config = json.loads((folder / "open_clip_config.json").read_text())
    config["model_cfg"]["text_cfg"] |= {"hf_tokenizer_name": "x", **text_cfg}
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(TRANSFORMERS_FOLDERS["scene_clip"] / name, folder / name)
    changed_json(folder / "tokenizer_config.json", auto_map=auto_map(), tokenizer_class="Mine")
    return folder


def write_pickle(path: Path, marker: Path) -> Path:
    """A checkpoint of torch's old form, which is a pickle."""
    path.write_bytes(pickle.dumps({"state_dict": Runs(marker)}))
    return path
