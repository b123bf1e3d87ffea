"""``graftwork export``: a run as a file of another format, held against the run before it is written."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ...registry.catalogue import Catalogue
from ...registry.errors import GraftworkError, UserError, nearest, one_line
from ..features.predictor import FeaturePredictor
from ..layers.predictor import LayerPredictor
from ..run.load import load
from ..storage.files import require_writable, write_whole
from .onnx_file import onnx_file
from .peft_folders import peft_folders
from .torch_file import torch_file
from .vectors_in import VectorsIn, vectors_in

#: As close to the run as an export must be, relative to its largest logit where that is above 1.
TOLERANCE = 1e-5


class ExportError(UserError):
    """What cannot leave in that format; the message says why."""


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written, and how far it is from the run."""

    paths: tuple[Path, ...]
    #: Of its logits from the run's, on random vectors; for PEFT of the vectors that a model gives; the largest one.
    #: ``None``: nothing of a run like this could be asked both ways.
    difference: float | None
    #: What the reader should know.
    note: str


#: The bytes of a file, and what it says of vectors, asked as another program would ask it.
Program = tuple[bytes, Callable[[tuple[Tensor, ...]], Tensor]]
_SUFFIX = {"onnx": ".onnx", "torch": ".pt2", "peft": "-peft"}
_MAKE: dict[str, Callable[[VectorsIn], Program]] = {"onnx": onnx_file, "torch": torch_file}


def export(run: str | Path, to: str, out: str | Path | None = None, catalogue: Catalogue | None = None) -> Exported:
    """Write a run as ``onnx``, ``torch`` (a program of torch.export) or ``peft`` (a folder of PEFT's, of a LoRA run).

    ``onnx`` and ``torch`` take the vectors that the frozen encoder gives, float32 [items, d] of each modality, any
    number of items, and give logits [items, C]. ``out`` is by default beside the run. Raises ``ExportError`` for what
    the format cannot hold, for a run that differs from its export, and where ``out`` exists; ``MissingExtra``.
    """
    if to not in _SUFFIX:
        near = nearest(to, _SUFFIX)
        said = f"did you mean `{near}`?" if near else f"there are: {', '.join(_SUFFIX)}"
        raise ExportError(f"--to: there is no format `{to}`; {said}")
    target = Path(out) if out is not None else Path(f"{str(run).rstrip('/')}{_SUFFIX[to]}")
    if target.exists():
        raise ExportError(f"{target} exists already; name another with --out, or remove it first")
    require_writable(target)
    predictor = load(run, device="cpu", catalogue=catalogue)
    if to == "peft":
        if not isinstance(predictor, LayerPredictor):
            raise ExportError(
                f"{run}: adapter `{predictor.spec.adapter.type}` works on vectors, and PEFT's adapters sit inside "
                "models; take --to onnx or --to torch"
            )
        try:
            paths, difference = peft_folders(predictor, target)
            return Exported(paths, _near(difference, 1.0, run), "the head of the run stays in the run")
        except BaseException:
            shutil.rmtree(target, ignore_errors=True)
            raise
    if not isinstance(predictor, FeaturePredictor):
        raise ExportError(_inside(predictor, run))
    return _program(predictor, to, target, run)


def _program(predictor: FeaturePredictor, to: str, target: Path, run: str | Path) -> Exported:
    if reason := _dynamic(predictor):
        raise ExportError(f"{run}: {reason}")
    given = vectors_in(predictor)
    try:
        content, ask = _MAKE[to](given)
    except GraftworkError:
        raise
    except Exception as error:  # what an exporter makes of a module that it cannot follow may be anything
        first = next(filter(None, map(str.strip, str(error).splitlines())), "")
        raise ExportError(
            one_line(
                f"{run}: {to} cannot hold adapter `{predictor.spec.adapter.type}` and its head: what they compute "
                f"depends on the data, or is none of its operations ({type(error).__name__}: {first}); use "
                "load(run).module"
            )
        ) from error
    difference, largest = 0.0, 1.0
    for count in (1, 2, 7):  # another number than it was traced with, too
        vectors = given.random(count)
        with torch.no_grad():
            expected = given.module(*vectors)
        found = ask(vectors)
        difference = max(difference, float((found - expected).abs().max()))
        largest = max(largest, float(expected.abs().max()))
    _near(difference, largest, run)
    write_whole(target, content)
    widths = ", ".join(f"{name} float32 [items, {width}]" for name, width in given.widths.items())
    takes = f"takes {widths}, as the frozen encoder gives them: pictures, texts and sounds go through that first"
    return Exported((target,), difference, takes)


def _near(difference: float | None, largest: float, run: str | Path) -> float | None:
    if difference is not None and not difference <= TOLERANCE * largest:
        raise ExportError(f"{run}: exported it differs from the run by {difference:.2g}, so nothing was kept")
    return difference


def _dynamic(predictor: FeaturePredictor) -> str | None:
    """Why no fixed program can hold a run."""
    spec, module = predictor.spec, predictor.module
    if spec.graph is not None and spec.adapter.needs_graph:
        return (
            f"adapter `{spec.adapter.type}` hears neighbours: which support items a new item is attached to depends on "
            "its vector, and a fixed program has no such branches; export a run without a graph (`bottleneck`, "
            "`clip_adapter`, a head alone), or use load(run).module"
        )
    if any(name.endswith("_tokens") for name in module.takes):
        return "its nodes are made of tokens, as many an item as it has; use load(run).module"
    return None


def _inside(predictor: object, run: str | Path) -> str:
    assert isinstance(predictor, LayerPredictor)
    kind = predictor.spec.adapter.type
    lora = ", or --to peft" if kind == "lora" else ""
    return (
        f"{run}: it runs its towers with adapter `{kind}` in them, which stop for each other while they run; ONNX and "
        f"torch.export hold a program of vectors alone; use load(run).module{lora}"
    )
