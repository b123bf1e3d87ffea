"""Tensors on disk: safetensors, whole or not at all."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from .adapter_config import TENSORS, unfit
from .files import write_whole
from .run_folder import RunFolderError


def write_tensors(path: Path, tensors: Mapping[str, Tensor], about: Mapping[str, str] | None = None) -> None:
    """Write safetensors, whole or not at all; ``about`` becomes the file's metadata."""
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    write_whole(path, save(plain, {"format": "pt", **(about or {})}))


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Tensors of a safetensors file. Raises ``RunFolderError``."""
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise RunFolderError(f"{path} cannot be read: {error}") from None


def fill(module: nn.Module, folder: Path) -> None:
    """Put the tensors of an adapter folder into a module made by its config. Raises ``RunFolderError``."""
    tensors = read_tensors(folder / TENSORS)
    try:
        module.load_state_dict(tensors)
    except RuntimeError as error:  # torch says it in several lines, the first without what differs
        _, _, differs = str(error).rpartition(":\n")
        said = "`graftwork.class_names`, or a width, is not that of"
        raise unfit(folder, f"{said} {TENSORS}: {' '.join(differs.split())}") from None
