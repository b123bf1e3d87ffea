"""Load model and processor of a ``transformers`` captioner, or say in words why that cannot be done."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import torch

from ...core.roles import CaptionerError
from ..pocket import LLAVA_FOLDER
from ..torchvision_ops import declare_missing_torchvision_ops
from . import model_files
from .specs import TransformersCaptionerSpec

_DTYPES = {"auto": "auto", "fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}


def _transformers() -> Any:
    """transformers, importable beside any torchvision; half of it is not typed, so none of it is here."""
    declare_missing_torchvision_ops()
    return import_module("transformers")


def load(spec: TransformersCaptionerSpec, device: torch.device) -> tuple[Any, Any]:
    """The frozen model and its processor. Raises ``CaptionerError``."""
    reason = spec.missing_files()
    if reason and (spec.local_files_only or not model_files.is_hub_id(spec.model)):
        raise CaptionerError(f"captioner.model: {reason}")
    if spec.device_map is not None and find_spec("accelerate") is None:
        raise CaptionerError("captioner.device_map needs the package accelerate: pip install accelerate, or remove it")
    with _explained(spec), _quiet():
        return _model_and_processor(spec, device)


def _model_and_processor(spec: TransformersCaptionerSpec, device: torch.device) -> tuple[Any, Any]:
    library = _transformers()
    place = LLAVA_FOLDER if spec.model == "pocket" else spec.model
    common: dict[str, Any] = {
        "revision": spec.revision or "main",
        "local_files_only": spec.local_files_only or not model_files.is_hub_id(spec.model),
        "trust_remote_code": False,
    }
    config = library.AutoConfig.from_pretrained(place, **common)
    _require_image_text(spec, config)
    processor = library.AutoProcessor.from_pretrained(place, **common)
    if getattr(processor, "image_processor", None) is None or getattr(processor, "tokenizer", None) is None:
        raise CaptionerError(f"captioner.model: {spec.model} has no processor for pictures and text together")
    model, found = library.AutoModelForImageTextToText.from_pretrained(
        place,
        config=config,
        use_safetensors=True,
        dtype=_DTYPES[spec.dtype],
        device_map=spec.device_map,
        ignore_mismatched_sizes=True,  # they come back in `found`, and are refused below in words
        output_loading_info=True,
        **common,
    )
    _require_fitting_weights(spec, found)
    if not getattr(config, "is_encoder_decoder", False):
        processor.tokenizer.padding_side = "left"  # else a short prompt's continuation would start after its padding
    if spec.device_map is None:
        model.to(device)
    return model.eval().requires_grad_(False), processor


def _require_image_text(spec: TransformersCaptionerSpec, config: Any) -> None:
    if type(config) not in _transformers().MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING:
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
            f"captioner.model: the weights of {spec.model} do not fit its {model_files.CONFIG}: "
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
        raise CaptionerError(f"captioner.model: {spec.model} needs a package more: {_first_lines(error)}") from error
    except Exception as error:  # OSError, ValueError, KeyError, safetensors' and the hub's own: it cannot be loaded
        reason = spec.missing_files()  # asked again: some files may have come meanwhile
        if "trust_remote_code" in str(error) or "custom code" in str(error):
            reason = (
                f"{spec.model} brings code of its own, which is never run; take a model that transformers itself knows"
            )
        reason = reason or f"{spec.model} cannot be loaded: {_first_lines(error)}"
        raise CaptionerError(f"captioner.model: {reason}") from error


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """transformers draws bars over ours and prints reports that we say in a sentence; afterwards it may again."""
    logging = _transformers().utils.logging
    bars, verbosity = logging.is_progress_bar_enabled(), logging.get_verbosity()
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()


def _first_lines(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return " ".join(lines[:3])[:600] or type(error).__name__
