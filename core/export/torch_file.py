"""A run as a program of torch.export (``.pt2``): a zip of JSON and plain tensors, no pickle."""

from __future__ import annotations

import io
import warnings
import zipfile
from collections.abc import Callable

import torch
from torch import Tensor
from torch.export import Dim

from .vectors_in import VectorsIn


def torch_file(given: VectorsIn) -> tuple[bytes, Callable[[tuple[Tensor, ...]], Tensor]]:
    """The file, and what it says of vectors once it is loaded again."""
    items = Dim("items")
    shapes = (tuple({0: items} for _ in given.widths),)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's own, of its deprecations
        program = torch.export.export(given.module, given.random(3), dynamic_shapes=shapes)
        program._example_inputs = None  # they would be a pickle in the file
        file = io.BytesIO()
        torch.export.save(program, file, extra_files=given.about())
        content = file.getvalue()
        _require_no_pickle(content)
        loaded = torch.export.load(io.BytesIO(content)).module()

    def ask(vectors: tuple[Tensor, ...]) -> Tensor:
        with torch.no_grad():
            logits: Tensor = loaded(*vectors)
        return logits

    return content, ask


def _require_no_pickle(content: bytes) -> None:
    """Another torch might lay the file out otherwise. A pickle begins with its protocol, or is a zip of its own."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        for name in archive.namelist():
            with archive.open(name) as part:
                if name.endswith((".pkl", ".pt")) and part.read(1):
                    raise AssertionError(f"torch.export.save writes a pickle: {name}")
