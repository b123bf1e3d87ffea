"""Let torchvision be imported beside a torch build that lacks its compiled operators.

open_clip and transformers import torchvision for its pure-Python transforms only. A torchvision wheel built for
another torch (the registry's CUDA build beside a CPU torch) cannot load its operator library, and its import then
dies on ``operator torchvision::nms does not exist``. Declaring the two schemas it looks up cures that; the transforms
then work, and the operators themselves stay unavailable, which nothing here calls.
"""

from __future__ import annotations

import importlib.util

import torch

_SCHEMAS = (
    ("nms", "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"),
    ("qnms", "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"),
)
_declared = False


def declare_missing_torchvision_ops() -> None:
    """Declare ``torchvision::nms`` and ``::qnms`` if, and only if, importing torchvision fails for want of them.

    Call it before the first import of open_clip, timm, torchvision or transformers. Does nothing the second time,
    without torchvision, or with one that fits.
    """
    global _declared
    if _declared or importlib.util.find_spec("torchvision") is None:
        return
    _declared = True
    try:
        import torchvision  # noqa: F401
    except RuntimeError as error:
        if "torchvision::" not in str(error):
            raise
    else:
        return
    for name, schema in _SCHEMAS:
        torch.library.define(f"torchvision::{name}", schema)
