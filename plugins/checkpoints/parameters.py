"""How many parameters files of weights hold, from their headers. Light."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from math import prod
from pathlib import Path

from ...core.storage.files import open_regular


def count_parameters(files: Iterable[Path], of: Callable[[str], bool] = lambda name: True) -> int | None:
    """Parameters in safetensors files ``of`` those names, from their headers; ``None`` where only loading tells."""
    try:
        return sum(_parameters_in(file, of) for file in files)
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None  # a damaged file: loading it will say so


def _parameters_in(file: Path, of: Callable[[str], bool]) -> int:
    if file.suffix != ".safetensors":
        raise ValueError("other formats have no header to count in")
    with open_regular(file) as opened:
        size = int.from_bytes(opened.read(8), "little")
        header = json.loads(opened.read(min(size, 1 << 26)))
    return sum(int(prod(entry["shape"])) for name, entry in header.items() if _is_parameter(name) and of(name))


#: Buffers, which are stored among the parameters, and the header's own entry.
_NO_PARAMETERS = ("__metadata__", "running_mean", "running_var", "num_batches_tracked", "position_ids")


def _is_parameter(name: str) -> bool:
    return name.rpartition(".")[2] not in _NO_PARAMETERS
