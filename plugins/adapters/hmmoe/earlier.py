"""Adapters saved before 27 November 2026, whose norms had a scale and a shift: these are folded into what follows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress

import torch
from torch import Tensor

from ....core.roles import Meeting, parameter_name

Tensors = Mapping[str, Tensor]


def folded(tensors: Tensors, meetings: Sequence[Meeting]) -> dict[str, Tensor]:
    """Tensors of today's names for those of a saved adapter; as they are where it has no norms.

    The same function of its inputs: LN_{w,b}(x) W + c = LN(x) (w W) + (b W + c). One case differs: a router that
    decides between several experts where a partner is absent, whose mean was zero and now lacks its shift, too.
    """
    found = dict(tensors)
    with suppress(KeyError, RuntimeError):  # an altered file: what does not fit is told as of any other
        for meeting in meetings:
            _fold_meeting(found, tensors, meeting)
        return found
    return dict(tensors)


def _fold_meeting(found: dict[str, Tensor], tensors: Tensors, meeting: Meeting) -> None:
    grafts = {name: f"grafts.{parameter_name(name, stop)}." for name, stop in meeting.stops.items()}
    if all(f"{graft}norm.weight" in tensors for graft in grafts.values()):
        for name, graft in grafts.items():
            others = {other: one for other, one in grafts.items() if other != name}
            _fold(found, tensors, name, graft, others)


def _fold(found: dict[str, Tensor], tensors: Tensors, name: str, graft: str, others: Mapping[str, str]) -> None:
    downs = [(f"{graft}down.", f"{graft}norm.")]
    downs += [(f"{one}partner_downs.{name}.", f"{one}partner_norms.{name}.") for one in others.values()]
    columns = [_linear(tensors, down, [norm]) for down, norm in downs if f"{down}weight" in tensors]
    if columns:
        found[f"{graft}down.weight"], found[f"{graft}down.bias"] = map(torch.cat, zip(*columns, strict=True))
    if f"{graft}router.first.weight" in tensors:
        norms = [f"{graft}norm.", *(f"{graft}partner_norms.{other}." for other in others)]
        first = _linear(tensors, f"{graft}router.first.", norms)
        found[f"{graft}router.first.weight"], found[f"{graft}router.first.bias"] = first
    for key in [key for key in found if key.startswith((f"{graft}norm.", f"{graft}partner_"))]:
        del found[key]


def _linear(tensors: Tensors, linear: str, norms: Sequence[str]) -> tuple[Tensor, Tensor]:
    """Weight and bias of a linear layer after norms side by side, for the same norms without scale and shift."""
    scale, shift = (torch.cat([tensors[f"{norm}{part}"] for norm in norms]).double() for part in ("weight", "bias"))
    weight, bias = tensors[f"{linear}weight"], tensors[f"{linear}bias"]
    return (weight * scale).to(weight.dtype), (bias + weight.double() @ shift).to(bias.dtype)
