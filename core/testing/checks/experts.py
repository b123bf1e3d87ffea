"""Experts inside towers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from ...roles.expert import Expert
from ..case import Case
from ..outcome import NotApplicable
from ..same import assert_same
from .modules import moved

RANK, BATCH, OWN, PARTNER = 8, 3, 5, 6
CLOSE = 1e-5
HEED = "(False in `x_mask`, `y_mask`: not there; means of the others are `masked_mean` of graftwork.core.roles)"


def rank(case: Case) -> int:
    """Its own, or the adapter's."""
    return case.spec.rank or RANK


def make(case: Case, seed: int = 0) -> Expert:
    """Built as a site builds it."""
    return case.build(Expert, rank(case), seed=seed)


def inputs(case: Case, batch: int = BATCH, own: int = OWN, partner: int = PARTNER) -> tuple[Tensor, Tensor | None]:
    """Columns of the target and of the partner, as wide as the spec says."""
    x_width, y_width, _ = case.spec.widths(rank(case))
    generator = torch.Generator().manual_seed(5)
    x = torch.randn(batch, own, x_width, generator=generator)
    return x, torch.randn(batch, partner, y_width, generator=generator) if case.spec.multimodal else None


def _masks(case: Case) -> tuple[Tensor, Tensor | None]:
    """The last two tokens of each are not there."""
    own = torch.arange(OWN).expand(BATCH, -1) < OWN - 2
    return own, torch.arange(PARTNER).expand(BATCH, -1) < PARTNER - 2 if case.spec.multimodal else None


def use(case: Case, module: nn.Module) -> Mapping[str, Tensor]:
    """What it gives for fixed columns."""
    return {"columns": module(*inputs(case), None, None)}


def exercise(case: Case) -> Any:
    """Of a fresh one."""
    return {name: value.detach() for name, value in use(case, make(case)).items()}


def declared(case: Case) -> int:
    """By the spec."""
    count: int = case.spec.parameter_count(rank(case))
    return count


def hint(case: Case) -> str | None:
    """What a forward that fails was given, where its spec is at odds with itself."""
    _, y_width, _ = case.spec.widths(rank(case))
    if case.spec.multimodal or not y_width:
        return None
    return "`y` is None here: `widths` asks for a partner's columns, which come with `multimodal = True` in the spec"


def shape(case: Case) -> None:
    """Other lengths than those it was built beside, one token among them."""
    expert, out = moved(make(case)).eval(), case.spec.widths(rank(case))[2]
    for batch, own, partner in ((BATCH, OWN, PARTNER), (1, 1, 1), (2, 9, 1)):
        given = expert(*inputs(case, batch, own, partner), None, None)
        expected = (batch, own, out)
        assert tuple(given.shape) == expected, f"it gives {list(given.shape)}, and `widths` says {list(expected)}"
        assert given.dtype == torch.float32, f"float32 becomes {given.dtype}"


def masked_tokens(case: Case) -> None:
    """However large: what a site hands on is finite."""
    expert, (x, y), masks = moved(make(case)).eval(), inputs(case), _masks(case)
    with torch.no_grad():
        before = expert(x, y, *masks)
        for junk in (7.0, -1e5):
            other_x = x.masked_fill(~masks[0][..., None], junk)
            other_y = None if y is None or masks[1] is None else y.masked_fill(~masks[1][..., None], junk)
            after = expert(other_x, other_y, *masks)
            assert_same(after[masks[0]], before[masks[0]], f"{junk} in masked tokens comes through {HEED}", CLOSE)


def partner_order(case: Case) -> None:
    """The partner is a set of tokens: where each stood, its tower has told it."""
    if not case.spec.multimodal:
        raise NotApplicable("it has no partner")
    expert, (x, y), (own, theirs) = moved(make(case)).eval(), inputs(case), _masks(case)
    assert y is not None
    assert theirs is not None
    order = torch.randperm(PARTNER, generator=torch.Generator().manual_seed(6))
    with torch.no_grad():
        before, after = expert(x, y, own, theirs), expert(x, y[:, order], own, theirs[:, order])
    assert_same(after[own], before[own], "the partner's tokens in another order", CLOSE)


def missing_partner(case: Case) -> None:
    """``y`` is ``None``; an expert that reads the partner is switched off by its site instead."""
    if case.spec.multimodal:
        raise NotApplicable("its site switches it off where there is no partner")
    _, y_width, _ = case.spec.widths(rank(case))
    assert y_width == 0, f"`widths` asks for {y_width} columns of a partner; set multimodal = True"
    x, _ = inputs(case)
    assert bool(make(case)(x, None, None, None).isfinite().all()), (
        "without a partner it gives numbers that are not finite"
    )


def one_item(case: Case) -> None:
    """In evaluation."""
    expert, (x, y) = moved(make(case)).eval(), inputs(case)
    with torch.no_grad():
        alone = [expert(x[i : i + 1], None if y is None else y[i : i + 1], None, None) for i in range(BATCH)]
        assert_same(torch.cat(alone), expert(x, y, None, None), "a sample alone and among others", CLOSE)
