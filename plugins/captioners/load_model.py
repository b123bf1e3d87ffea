"""Load model and processor of a ``transformers`` captioner, or say in words why that cannot be done."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

from ...core.roles import CaptionerError
from ..checkpoints.fetch import NotFetched, fetch
from ..checkpoints.folder import CONFIG
from ..checkpoints.libraries import DTYPES, first_lines, quiet_transformers, reason_of, transformers
from ..checkpoints.locate import folder_of, is_path
from . import model_files
from .specs import TransformersCaptionerSpec


def complete_folder(spec: TransformersCaptionerSpec) -> Path:
    """The folder of the model, fetched from the hub where it is not whole. Raises ``CaptionerError``."""
    reason, folder = spec.missing_files(), folder_of(spec.model, spec.revision)
    if folder is not None and reason is None:
        return folder
    if spec.local_files_only or is_path(spec.model):
        raise CaptionerError(f"captioner.model: {reason}")
    try:
        folder = fetch(spec.model, spec.revision, model_files.CONTENT, model_files.how(spec.model, spec.revision))
    except NotFetched as error:
        raise CaptionerError(f"captioner.{error.field}: {error}") from error
    if reason := spec.missing_files():  # the hub has no more of it: pickles alone
        raise CaptionerError(f"captioner.model: {reason}")
    return folder


def load(spec: TransformersCaptionerSpec, folder: Path, device: torch.device) -> tuple[Any, Any]:
    """The frozen model of a folder and its processor. Raises ``CaptionerError``."""
    if spec.device_map is not None and find_spec("accelerate") is None:
        raise CaptionerError("captioner.device_map needs the package accelerate: pip install accelerate, or remove it")
    with _explained(spec), quiet_transformers():
        return _model_and_processor(spec, folder, device)


def _model_and_processor(spec: TransformersCaptionerSpec, folder: Path, device: torch.device) -> tuple[Any, Any]:
    library = transformers()
    config = library.AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    _require_image_text(spec, config)
    processor = library.AutoProcessor.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    if getattr(processor, "image_processor", None) is None or getattr(processor, "tokenizer", None) is None:
        raise CaptionerError(f"captioner.model: {spec.model} has no processor for pictures and text together")
    model, found = library.AutoModelForImageTextToText.from_pretrained(
        folder,
        config=config,
        use_safetensors=True,
        dtype="auto" if spec.dtype == "auto" else DTYPES[spec.dtype],
        device_map=spec.device_map,
        ignore_mismatched_sizes=True,  # they come back in `found`, and are refused below in words
        output_loading_info=True,
        local_files_only=True,
        trust_remote_code=False,
    )
    _require_fitting_weights(spec, found)
    if not getattr(config, "is_encoder_decoder", False):
        processor.tokenizer.padding_side = "left"  # else a short prompt's continuation would start after its padding
    if spec.device_map is None:
        model.to(device)
    return model.eval().requires_grad_(False), processor


def _require_image_text(spec: TransformersCaptionerSpec, config: Any) -> None:
    if type(config) not in transformers().MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING:
        raise CaptionerError(
            f"captioner.model: {spec.model} is a `{config.model_type}`, which is no image-text-to-text model; take one "
            "that answers about pictures in words (LLaVA, Qwen-VL, SmolVLM, BLIP-2 ...)"
        )


def _require_fitting_weights(spec: TransformersCaptionerSpec, found: Mapping[str, Any]) -> None:
    """transformers would go on with random numbers in place of what is absent or does not fit, and a warning."""
    wrong = [f"{name} is {tuple(is_)}, not {tuple(wanted)}" for name, is_, wanted in sorted(found["mismatched_keys"])]
    wrong += [f"{name} is absent" for name in sorted(found["missing_keys"])]
    if wrong:
        raise CaptionerError(
            f"captioner.model: the weights of {spec.model} do not fit its {CONFIG}: "
            f"{'; '.join(wrong[:3])}{f'; and {len(wrong) - 3} more' if len(wrong) > 3 else ''}"
        )


@contextlib.contextmanager
def _explained(spec: TransformersCaptionerSpec) -> Iterator[None]:
    """Whatever the libraries raise about files, configuration or weights becomes one sentence to a person."""
    try:
        yield
    except CaptionerError:
        raise
    except ImportError as error:
        raise CaptionerError(f"captioner.model: {spec.model} needs a package more: {first_lines(error)}") from error
    except Exception as error:  # OSError, ValueError, KeyError, safetensors' and the hub's own: it cannot be loaded
        raise CaptionerError(f"captioner.model: {spec.model} cannot be loaded: {reason_of(error)}") from error
