"""Heads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from ...roles.head import ClassPrompts, Head
from ..case import Case
from ..same import assert_same
from .adapters import CLOSE, WIDTH, vectors
from .modules import moved

CLASSES = 5
#: ``make`` takes ``empty``: without ``fit``.
EMPTY = True


def make(case: Case, seed: int = 0, empty: bool = False) -> Head:
    """Built as the pipeline builds it, and fitted to a few labelled items."""
    generator = torch.Generator().manual_seed(3)
    prompts = ClassPrompts(normalize(torch.randn(CLASSES, WIDTH, generator=generator), dim=-1), 20.0)
    head = case.build(Head, WIDTH, CLASSES, prompts if case.spec.uses_prompts() else None, seed=seed)
    if not empty:
        head.fit(vectors(15, seed=4), torch.arange(15) % CLASSES)
    return head


def use(case: Case, module: nn.Module) -> Mapping[str, Tensor]:
    """Logits of fixed vectors."""
    return {"logits": module(vectors())}


def exercise(case: Case) -> Any:
    """Of a fresh one."""
    return {name: value.detach() for name, value in use(case, make(case).eval()).items()}


def declared(case: Case) -> int | None:
    """By the spec."""
    count: int | None = case.spec.parameter_count(WIDTH, CLASSES)
    return count


def logits(case: Case) -> None:
    """Of several items and of one."""
    head = moved(make(case)).eval()
    for items in (7, 1):
        out = head(vectors(items))
        assert tuple(out.shape) == (items, CLASSES), f"{items} items of {CLASSES} classes get {list(out.shape)}"
        assert out.dtype == torch.float32, f"float32 becomes {out.dtype}"
        assert bool(out.isfinite().all()), "some logits are not finite"


def one_item(case: Case) -> None:
    """In evaluation."""
    head, x = moved(make(case)).eval(), vectors()
    with torch.no_grad():
        alone = torch.cat([head(row[None]) for row in x])
        assert_same(alone, head(x), "an item alone and among others", 1e2 * CLOSE)
