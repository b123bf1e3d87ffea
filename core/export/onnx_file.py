"""A run as an ONNX file, asked by onnxruntime."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from importlib import import_module
from typing import Any

import torch
from torch import Tensor
from torch.export import Dim

from ...registry.errors import MissingExtra
from .vectors_in import VectorsIn


def onnx_file(given: VectorsIn) -> tuple[bytes, Callable[[tuple[Tensor, ...]], Tensor]]:
    """The file, and what onnxruntime says of vectors by it. Raises ``MissingExtra``."""
    needed: dict[str, Any] = {}
    for name in ("onnx", "onnxscript", "onnxruntime"):
        try:
            needed[name] = import_module(name)
        except ImportError as error:
            raise MissingExtra(f'ONNX takes {name}: pip install "graftwork[export]" ({error})') from error
    names, items = list(given.widths), Dim("items")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own, of torch's deprecations
        program = torch.onnx.export(
            given.module,
            given.random(3),
            input_names=names,
            output_names=["logits"],
            dynamic_shapes=(tuple({0: items} for _ in names),),
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    model = program.model_proto
    for key, value in given.about().items():
        model.metadata_props.add(key=key, value=value)
    needed["onnx"].checker.check_model(model)
    content: bytes = model.SerializeToString()
    session = needed["onnxruntime"].InferenceSession(content, providers=["CPUExecutionProvider"])

    def ask(vectors: tuple[Tensor, ...]) -> Tensor:
        (logits,) = session.run(["logits"], {name: one.numpy() for name, one in zip(names, vectors, strict=True)})
        return torch.from_numpy(logits)

    return content, ask
