"""HMMoE is its formulas, sample by sample; and adapters of its earlier form, whose norms were trained, too."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.func import functional_call
from torch.nn.functional import gelu, layer_norm, linear

from graftwork.core.graft.placed import builder
from graftwork.core.roles import LayerAdapter, Meeting
from graftwork.core.roles.layer_adapter import upgraded_of
from graftwork.plugins.adapters.hmmoe import HMMoESpec

WIDTHS = {"image": 12, "text": 10}
OTHER = {"image": "text", "text": "image"}
KINDS = ("unimodal", "cross_attention", "channel_attention", "affine")
Tensors = dict[str, Tensor]


def earlier(spec: HMMoESpec, adapter: Any, shifted: bool) -> Tensors:
    """Tensors as folders had them: norms with scale and shift, a projection for every reader."""
    generator = torch.Generator().manual_seed(0)

    def drawn(*shape: int, about: float = 0.0) -> Tensor:
        return (about + 0.3 * torch.randn(shape, generator=generator, dtype=torch.float64)).requires_grad_()

    kept = {name: drawn(*one.shape) for name, one in adapter.state_dict().items() if ".down." not in name}
    for stream, width in WIDTHS.items():
        graft, partner = f"grafts.{stream}_0_block.", OTHER[stream]
        places, theirs = spec.layout(spec.own_rank, (partner,)), WIDTHS[partner]
        x, y = max(one.x + one.x_width for one in places), max(one.y + one.y_width for one in places)
        kept |= {f"{graft}norm.weight": drawn(width, about=1.0), f"{graft}norm.bias": drawn(width)}
        kept |= {f"{graft}down.weight": drawn(x, width), f"{graft}down.bias": drawn(x)}
        kept |= {f"{graft}partner_norms.{partner}.weight": drawn(theirs, about=1.0)}
        kept |= {f"{graft}partner_norms.{partner}.bias": drawn(theirs) if shifted else 0 * drawn(theirs).detach()}
        kept |= {f"{graft}partner_downs.{partner}.weight": drawn(y, theirs)}
        kept |= {f"{graft}partner_downs.{partner}.bias": drawn(y)}
    return kept


class Plain:
    """The update of one sample's stream by the formulas; only tokens that are there."""

    def __init__(self, spec: HMMoESpec, tensors: Tensors, target: str) -> None:
        self.spec, self.target, self.partner = spec, target, OTHER[target]
        self.tensors, self.graft = tensors, f"grafts.{target}_0_block."

    def of(self, name: str) -> tuple[Tensor, Tensor]:
        return self.tensors[f"{self.graft}{name}.weight"], self.tensors[f"{self.graft}{name}.bias"]

    def update(self, own: Tensor, theirs: Tensor) -> tuple[Tensor, Tensor]:
        """[n, d] of tokens [n, d] and [m, e], m = 0 where there is no partner; and the shares [1 or n, E]."""
        partner, router = self.partner, self.spec.router
        x = layer_norm(own, own.shape[-1:], *self.of("norm"))
        y = layer_norm(theirs, theirs.shape[-1:], *self.of(f"partner_norms.{partner}"))
        places = self.spec.layout(self.spec.own_rank, (partner,))
        present = torch.tensor([bool(len(y)) or one.partner is None for one in places])
        mean = y.mean(0, keepdim=True) if len(y) else y.new_zeros(1, y.shape[-1])
        summary = x if router.level == "token" else x.mean(0, keepdim=True)
        hidden = gelu(linear(torch.cat([summary, mean.expand(len(summary), -1)], -1), *self.of("router.first")))
        logits = linear(hidden, *self.of("router.second"))
        shares = torch.stack([self.shares(row, present) for row in logits])
        a, b = linear(x, *self.of("down")), linear(y, *self.of(f"partner_downs.{partner}"))
        mixed = [
            shares[:, number, None]
            * self.expert(number, a[:, one.x : one.x + one.x_width], b[:, one.y :][:, : one.y_width])
            if present[number]
            else x.new_zeros(len(x), one.out)
            for number, one in enumerate(places)
        ]
        heard = 1.0 if present.any() else 0.0
        return heard * self.spec.scale * linear(torch.cat(mixed, -1), *self.of("up")), shares

    def shares(self, logits: Tensor, present: Tensor) -> Tensor:
        """[E] of one decision."""
        router, here = self.spec.router, present.nonzero().squeeze(1).tolist()
        here = sorted(here, key=lambda one: -float(logits[one].detach()))[: router.top_k or len(here)]
        found = logits.new_zeros(len(logits))
        if here:
            z = logits[here] / router.temperature
            found[here] = z.softmax(-1) if router.gates == "softmax" else 2 / (1 + (-z).exp())
        return found

    def expert(self, number: int, x: Tensor, y: Tensor) -> Tensor:
        """[n, r]."""
        kind, r = self.spec.experts[number].type, x.shape[-1]
        if kind == "unimodal":
            return gelu(x)
        if kind == "affine":
            scale, shift = y.mean(0).chunk(2)
            return x * (1 + scale) + shift
        if kind == "channel_attention":
            squeeze, excite = (self.of(f"experts.{number}.{layer}") for layer in ("squeeze", "excite"))
            gate = linear(gelu(linear(x.mean(0) * y.mean(0), *squeeze)), *excite).sigmoid()
            return gelu(x) * (1 + gate)
        heads = self.spec.experts[number].heads_at(r)  # type: ignore[attr-defined]
        parts = zip(x.chunk(heads, -1), y[:, :r].chunk(heads, -1), y[:, r:].chunk(heads, -1), strict=True)
        return torch.cat([(q @ k.T / (r / heads) ** 0.5).softmax(-1) @ v for q, k, v in parts], -1)


CASES: dict[str, dict[str, Any]] = {
    "default": {},
    "softmax": {"router": {"gates": "softmax"}},
    "shared columns, a factor": {"share_down": True, "scale": 0.5},
    "tokens": {"router": {"level": "token", "temperature": 2.0}},
    "the best two": {"router": {"top_k": 2, "gates": "softmax"}},
    "the best gate of each token": {"router": {"top_k": 1, "level": "token"}, "share_down": True},
    "all kinds": {"experts": [{"type": kind} for kind in KINDS], "router": {"gates": "softmax"}},
    "every expert needs a partner": {"experts": [{"type": kind} for kind in KINDS[1:]]},
}


@pytest.mark.parametrize("absent", [False, True])
@pytest.mark.parametrize("case", CASES)
def test_a_meeting_is_its_formulas_and_an_earlier_adapter_gives_what_it_gave(case: str, absent: bool) -> None:
    """Updates, the balance loss and all gradients, those of the earlier form's norms among them."""
    spec = HMMoESpec.model_validate({"rank": 8, **CASES[case]})
    spec = spec.model_copy(update={"router": spec.router.model_copy(update={"hidden": 5, "balance": 0.5})})
    adapter: Any = builder()(LayerAdapter, spec, [Meeting(dict.fromkeys(WIDTHS, "0_block"), WIDTHS)]).double()
    old = earlier(spec, adapter, shifted=not absent)
    generator = torch.Generator().manual_seed(1)
    states = {
        name: torch.randn(4, tokens, WIDTHS[name], generator=generator, dtype=torch.float64)
        for name, tokens in (("image", 5), ("text", 6))
    }
    lengths = {"image": [5, 4, 1, 3], "text": [6, 0 if absent else 2, 3, 1]}
    masks = {name: torch.arange(one.shape[1]) < torch.tensor(lengths[name])[:, None] for name, one in states.items()}
    spoilt = {name: one.masked_fill(~masks[name][..., None], torch.nan) for name, one in states.items()}

    new = upgraded_of(adapter, old)
    assert new.keys() == adapter.state_dict().keys()
    given = functional_call(adapter, new, (0, spoilt, masks))
    found, expected = [], []
    for target in WIDTHS:
        plain, rows = Plain(spec, old, target), []
        for row in range(4):
            own, theirs = (states[name][row, : lengths[name][row]] for name in (target, OTHER[target]))
            if len(own):
                update, shares = plain.update(own, theirs)
                rows.append(shares)
                expected.append(update)
                found.append(given.states[target][row, : len(own)])
        if spec.router.top_k is None and not (absent and target == "text"):
            mean = torch.cat([one for one in rows if one.any()]).mean(0)
            expected.append(0.5 * mean.var(correction=0) / mean.mean().square())
            found.append(given.losses[f"{target}.balance"])
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-10)
    trained = {name: one for name, one in old.items() if one.requires_grad}
    gradients = [
        torch.autograd.grad(sum(one.sin().sum() for one in of), list(trained.values()), allow_unused=True)  # type: ignore[arg-type]
        for of in (found, expected)
    ]
    for name, one, other in zip(trained, *gradients, strict=True):
        zero = torch.zeros_like(trained[name])
        torch.testing.assert_close(
            zero if one is None else one, zero if other is None else other, rtol=1e-8, atol=1e-10, msg=name
        )


def test_a_router_written_out_before_there_were_gates_is_a_softmax() -> None:
    """As saved folders have it; one that names less has the gates."""
    fields = HMMoESpec.model_validate({"router": {"gates": "softmax"}}).router.model_dump(mode="json")
    del fields["gates"]
    assert HMMoESpec.model_validate({"router": fields}).router.gates == "softmax"
    del fields["noise"]
    assert HMMoESpec.model_validate({"router": fields}).router.gates == "sigmoid"
