"""A folder that transformers' Auto classes open by path: weights as float16, configuration, preprocessing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from safetensors.torch import save_file
from torch import Tensor

if TYPE_CHECKING:
    from transformers import PreTrainedModel

WEIGHTS = "model.safetensors"


class Saves(Protocol):
    """A tokenizer, feature extractor or processor of transformers."""

    def save_pretrained(self, folder: Path) -> object:
        """Write its files."""
        ...


def save_tower(model: PreTrainedModel, preprocessing: Saves, folder: Path) -> None:
    """Write ``model`` and its ``preprocessing`` into ``folder``.

    Matrices are stored as float16, vectors (norms, biases) as float32; loaded, all are float32. ``model`` itself takes
    the stored values, so that what is measured is what is shipped.
    """
    preprocessing.save_pretrained(folder)
    model.config.architectures = [type(model).__name__]
    model.config.dtype = "float32"
    model.config.save_pretrained(folder)
    stored = {name: _stored(tensor) for name, tensor in model.state_dict().items()}
    save_file(stored, folder / WEIGHTS, metadata={"format": "pt"})
    model.load_state_dict({name: tensor.float() for name, tensor in stored.items()})
    for path in folder.iterdir():
        path.chmod(0o644)  # safetensors leaves its file readable to the writer alone


def _stored(tensor: Tensor) -> Tensor:
    return (tensor.half() if tensor.ndim > 1 else tensor).contiguous().clone()
