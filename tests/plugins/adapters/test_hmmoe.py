"""A meeting of HMMoE asks nothing of the device: what a batch lacks is weighed, never cut out."""

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import one_hot

from graftwork.core.graft.placed import builder
from graftwork.core.roles import LayerAdapter, Meeting
from graftwork.plugins.adapters.hmmoe import HMMoESpec, RouterSpec
from graftwork.plugins.adapters.hmmoe.router import Router
from graftwork.triton_kernels.testing import counted

WIDTHS = {"image": 12, "text": 8}
SMALL = {"hidden": 4, "balance": 0.1, "z": 0.1}
OPERATORS = 460
"""Of one meeting of two streams, forward and backward, views included, masks and losses, too: what the dearest router
takes today, and it shall not grow."""


EXPERTS = [{"type": kind} for kind in ("unimodal", "cross_attention", "channel_attention", "affine")]


def cut_out(spec: RouterSpec, shares: Tensor, logits: Tensor, present: Tensor, rows: Tensor) -> dict[str, Tensor]:
    """The losses over the rows that count, taken out by a boolean index."""
    shares, logits = shares[rows], logits[rows].masked_fill(~present[rows], -torch.inf)
    if spec.top_k is None:
        mean = shares.mean(0)
        balance = mean.var(correction=0) / mean.mean().square()
    else:
        experts = shares.shape[-1]
        chosen = one_hot(logits.argmax(-1), experts).float().mean(0)
        balance = experts * (chosen * (logits / spec.temperature).softmax(-1).mean(0)).sum()
    return {"balance": spec.balance * balance, "z": spec.z * logits.logsumexp(-1).square().mean()}


@pytest.mark.parametrize("top_k", [None, 2])
@pytest.mark.parametrize("tokens", [1, 7])
def test_losses_are_those_of_the_rows_that_count(tokens: int, top_k: int | None) -> None:
    """Values and gradients; some samples hear nobody, some only one expert."""
    generator = torch.Generator().manual_seed(0)
    router = Router(RouterSpec(gates="softmax", hidden=4, balance=0.5, z=0.1, top_k=top_k), 5, 3)
    torch.nn.init.normal_(router.second.weight, generator=generator)
    x = torch.randn(16, tokens, 5, generator=generator)
    heard = torch.ones(16, tokens, 3, dtype=torch.bool)
    heard[:3] = False
    heard[3:6, :, 1:] = False
    rows = heard.any(-1) & (torch.rand(16, tokens, generator=generator) < 0.8)
    found = []
    for losses in (router.losses, lambda *given: cut_out(router.spec, *given)):
        router.zero_grad()
        given = losses(*router(x, heard), heard, rows)
        sum(given.values()).backward()  # type: ignore[union-attr]
        found.append((given, [one.grad.clone() for one in router.parameters() if one.grad is not None]))
    torch.testing.assert_close(*found)


def meeting(**more: Any) -> Any:
    torch.manual_seed(0)
    spec = HMMoESpec.model_validate({"rank": 4, "router": SMALL, **more})
    adapter = placed(spec)
    for parameter in adapter.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return adapter


def placed(spec: HMMoESpec) -> Any:
    """At one meeting."""
    return builder()(LayerAdapter, spec, [Meeting(dict.fromkeys(WIDTHS, "3_block"), WIDTHS)])


def states() -> tuple[dict[str, Tensor], dict[str, Tensor | None]]:
    """Five samples; one without a word."""
    mask = torch.arange(6) < torch.tensor([6, 3, 0, 1, 2])[:, None]
    image, text = (
        torch.randn(5, n, width, requires_grad=True) for n, width in zip((4, 6), WIDTHS.values(), strict=True)
    )
    return {"image": image, "text": text}, {"image": None, "text": mask}


@pytest.mark.parametrize("gates", ["sigmoid", "softmax"])
@pytest.mark.parametrize("router", [{}, {"level": "token"}, {"top_k": 1}, {"level": "token", "top_k": 2}])
def test_a_meeting_reads_no_number_and_its_shapes_follow_no_mask(router: dict[str, Any], gates: str) -> None:
    adapter, (given, masks) = meeting(router={**SMALL, **router, "gates": gates}), states()
    with counted() as counts:
        found = adapter(0, given, masks)
        (sum(one.sum() for one in found.states.values()) + sum(found.losses.values())).backward()
    assert not counts.reads
    assert counts.operators.total() <= OPERATORS, counts.operators.total()
    assert all(one.grad is not None and bool(one.grad.isfinite().all()) for one in given.values())


@pytest.mark.parametrize("gates", ["sigmoid", "softmax"])
def test_where_nobody_is_heard_losses_are_0_and_gradients_finite(gates: str) -> None:
    """Experts that all need a partner, and no sample with one."""
    torch.manual_seed(0)
    experts = [{"type": "cross_attention"}, {"type": "channel_attention"}]
    router = {"balance": 0.1, "z": 0.1, "gates": gates}
    spec = HMMoESpec.model_validate({"rank": 4, "experts": experts, "router": router})
    adapter = placed(spec)
    given, _ = states()
    found = adapter(
        0, given, {"image": torch.zeros(5, 4, dtype=torch.bool), "text": torch.zeros(5, 6, dtype=torch.bool)}
    )
    assert [float(loss.detach()) for loss in found.losses.values()] == [0.0] * len(found.losses)
    (sum(one.sum() for one in found.states.values()) + sum(found.losses.values())).backward()
    grads = [one.grad for one in adapter.parameters() if one.grad is not None]
    assert grads
    assert all(bool(one.isfinite().all()) for one in grads)


def test_a_meeting_is_compiled_as_a_whole_and_gives_the_same() -> None:
    """One graph for both meetings, also with masks and samples that lack a stream; ``compile`` is torch's own verb."""
    torch.manual_seed(0)
    spec = HMMoESpec.model_validate({"rank": 4, "router": SMALL, "experts": EXPERTS})
    meetings = [Meeting(dict.fromkeys(WIDTHS, f"{block}_block"), WIDTHS) for block in (2, 3)]
    adapter: Any = builder()(LayerAdapter, spec, meetings)
    for parameter in adapter.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    given, masks = states()
    plain = [adapter(number, given, masks) for number in (0, 1)]
    graphs = []

    def backend(graph: Any, _: Any) -> Any:
        graphs.append(graph)
        return graph.forward

    torch._dynamo.reset()
    adapter.compile(backend=backend, fullgraph=True)
    for number, before in enumerate(plain):
        after = adapter(number, given, masks)
        torch.testing.assert_close(
            (after.states, after.losses, after.usage), (before.states, before.losses, before.usage)
        )
    assert len(graphs) == 1
