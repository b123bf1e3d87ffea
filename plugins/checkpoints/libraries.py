"""What every loading of a frozen model needs: its arithmetic, transformers without its reports, an error in a line."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import torch

#: Why a model is not loaded that transformers would load by a module of the model's own.
BRINGS_CODE = "it brings code of its own, which is never run; take a model that transformers itself knows"
DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}


class RemoteCode(Exception):
    """A model folder asks for its own code to be run."""


def transformers() -> Any:
    """transformers, importable beside any torchvision; half of it is not typed, so none of it is here."""
    return import_module("transformers")


@contextlib.contextmanager
def quiet_transformers() -> Iterator[None]:
    """transformers draws bars over ours and prints reports that we say in a sentence; afterwards it may again.

    Nor does it run code of a model meanwhile: see ``without_remote_code``.
    """
    logging = transformers().utils.logging
    bars, verbosity = logging.is_progress_bar_enabled(), logging.get_verbosity()
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    try:
        with without_remote_code():
            yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()


@contextlib.contextmanager
def without_remote_code() -> Iterator[None]:
    """Meanwhile transformers imports no module of a model folder or a hub, whoever calls it with whatever arguments.

    Every call here says ``trust_remote_code=False``. Other libraries that load by transformers leave it out, and then
    it asks on the terminal; or they hand on what a model's own files say.
    """
    dynamic: Any = import_module("transformers.dynamic_module_utils")
    before = dynamic.get_class_in_module, dynamic.TIME_OUT_REMOTE_CODE
    dynamic.get_class_in_module, dynamic.TIME_OUT_REMOTE_CODE = _refuse, 0  # seconds that it waits for an answer
    try:
        yield
    finally:
        dynamic.get_class_in_module, dynamic.TIME_OUT_REMOTE_CODE = before


def _refuse(*_: Any, **__: Any) -> Any:
    raise RemoteCode(BRINGS_CODE)


def reason_of(error: Exception) -> str:
    """Why a model cannot be loaded, in one line."""
    if isinstance(error, RemoteCode) or "trust_remote_code" in str(error) or "custom code" in str(error):
        return BRINGS_CODE
    return first_lines(error)


def first_lines(error: Exception) -> str:
    """The beginning of what a library says, in one line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return " ".join(lines[:3])[:600] or type(error).__name__
