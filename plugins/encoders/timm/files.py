"""What the files of a timm model tell, without importing timm or torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ....core.storage.files import remembered_sha256
from ...checkpoints.folder import CONFIG, WEIGHTS, read_json, weight_files
from ...checkpoints.locate import absent, folder_of, is_path, place_of

#: State dicts without code, opened by ``torch.load(weights_only=True)``.
STATE_DICTS = (".pth", ".pt", ".bin", ".tar")
#: What is fetched of a timm model of the hub.
PATTERNS = (CONFIG, "*.safetensors", "*.safetensors.index.json")


def place(weights: str, revision: str | None) -> Path | None:
    """The file or folder of weights on this machine; ``None`` where there is none."""
    if not is_path(weights):
        return folder_of(weights, revision)
    found = place_of(weights)
    return found if found is not None and found.exists() else None


def files_of(found: Path) -> list[Path]:
    """The files of weights of a file or folder, there or not: safetensors first; none where it holds none."""
    if found.is_file():
        return [found]
    return weight_files(found) or _state_dicts(found)


def _state_dicts(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.suffix in STATE_DICTS and path.is_file())


def config(found: Path | None) -> Mapping[str, Any]:
    """The ``config.json`` of a folder, as timm or transformers' wrapper of it writes it; empty where there is none."""
    said = read_json(found / CONFIG) if found is not None and found.is_dir() else None
    return said if isinstance(said, dict) and isinstance(said.get("architecture"), str) else {}


def lacking(weights: str, found: Path | None) -> str | None:
    """What a file or folder on this machine lacks, in words; ``None`` where it is whole."""
    if found is None:
        return absent(weights)
    if found.is_file() and found.suffix not in (".safetensors", *STATE_DICTS):
        return f"{found} is no file of weights; take .safetensors, or a state dict: {', '.join(STATE_DICTS)}"
    files = files_of(found)
    if not files:
        return f"{found} holds neither {WEIGHTS} nor a state dict ({', '.join(STATE_DICTS)})"
    if files[0].suffix != ".safetensors" and len(files) > 1:
        return f"{found} holds several files of weights ({', '.join(one.name for one in files[:4])}): name the file"
    gone = [one.name for one in files if not one.is_file()]
    return f"{found} lacks {', '.join(gone[:5])}" if gone else None


def content(found: Path) -> dict[str, str]:
    """sha256 of everything that shapes its vectors: weights, and a folder's configuration."""
    return dict(_digests(found))


def _digests(found: Path) -> Iterator[tuple[str, str]]:
    for number, file in enumerate(files_of(found)):
        yield f"weights {number}", remembered_sha256(file)
    if config(found):
        yield CONFIG, remembered_sha256(found / CONFIG)
