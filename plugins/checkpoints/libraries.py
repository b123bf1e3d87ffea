"""What every loading of a frozen model needs: its arithmetic, transformers without its reports, an error in a line."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import torch

from ..torchvision_ops import declare_missing_torchvision_ops

DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}


def transformers() -> Any:
    """transformers, importable beside any torchvision; half of it is not typed, so none of it is here."""
    declare_missing_torchvision_ops()
    return import_module("transformers")


@contextlib.contextmanager
def quiet_transformers() -> Iterator[None]:
    """transformers draws bars over ours and prints reports that we say in a sentence; afterwards it may again."""
    logging = transformers().utils.logging
    bars, verbosity = logging.is_progress_bar_enabled(), logging.get_verbosity()
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()


def first_lines(error: Exception) -> str:
    """The beginning of what a library says, in one line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return " ".join(lines[:3])[:600] or type(error).__name__
