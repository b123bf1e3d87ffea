"""Experts and their mixture: what each must hold, whatever the sizes."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import Tensor

from graftwork.core.roles import Expert, Meeting
from graftwork.plugins.adapters.hmmoe import HMMoESpec
from graftwork.plugins.adapters.hmmoe.hmmoe import HMMoE
from graftwork.registry.build import build
from graftwork.registry.discovery import default_catalogue

ALL = (
    {"type": "unimodal"},
    {"type": "cross_attention", "heads": 2},
    {"type": "cross_attention", "latent": 3},
    {"type": "channel_attention"},
    {"type": "affine"},
    {"type": "identity"},
)
SINGLE = [(expert,) for expert in ALL[:-1]]
WIDTHS = {"image": 12, "text": 10}


def spec_of(*experts: dict, **fields: object) -> HMMoESpec:
    return HMMoESpec.model_validate({"experts": [dict(one) for one in experts or ALL], "rank": 8, **fields})


def build_expert(spec, rank):
    return build(Expert, default_catalogue(), spec, rank)


@dataclass
class Given:
    """What a meeting gives to one stream."""

    update: Tensor
    losses: dict[str, Tensor]
    usage: Tensor


class Site(torch.nn.Module):
    """Stream ``image`` at a single meeting, in float64."""

    def __init__(self, spec: HMMoESpec, widths: dict[str, int]) -> None:
        super().__init__()
        self.whole = HMMoE(spec, [Meeting(dict.fromkeys(widths, "0_block"), widths)], build_expert).double().eval()
        self.graft = self.whole.grafts["image_0_block"]

    def forward(self, states, target: str, masks) -> Given:
        """Of the stream alone."""
        found = self.whole(0, states, masks)
        losses = {name.removeprefix("image."): one for name, one in found.losses.items() if name.startswith("image.")}
        return Given(found.states[target], losses, found.usage[target])


def graft_of(spec: HMMoESpec, widths=WIDTHS, trained: bool = True) -> Site:
    """``trained``: with an up-projection that is not zero."""
    torch.manual_seed(0)
    made = Site(spec, widths)
    if trained:
        torch.nn.init.normal_(made.graft.up.weight, std=0.3)
    return made


def states_of(batch: int = 3, words: int = 4, patches: int = 5, widths=WIDTHS, seed: int = 0) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    sizes = {"image": patches, "text": words, "audio": words}
    return {
        name: torch.randn(batch, sizes[name], width, generator=generator, dtype=torch.float64)
        for name, width in widths.items()
    }


def prefix_mask(lengths: list[int], tokens: int) -> Tensor:
    return torch.arange(tokens)[None] < torch.tensor(lengths)[:, None]


experts = st.lists(st.sampled_from(ALL), min_size=1, max_size=4).filter(
    lambda chosen: any(one["type"] != "identity" for one in chosen)
)
routers = st.fixed_dictionaries(
    {
        "level": st.sampled_from(["sample", "token"]),
        "gates": st.sampled_from(["sigmoid", "softmax"]),
        "top_k": st.sampled_from([None, 1]),
        "uniform": st.booleans(),
    }
)


@given(experts, routers, st.booleans(), st.integers(0, 99))
@settings(max_examples=40)
def test_what_a_masked_token_holds_never_matters(chosen, router, share, seed):
    """Also if it is NaN; and a masked token is as good as none at all."""
    graft = graft_of(spec_of(*chosen, router=router, share_down=share))
    states = states_of(seed=seed)
    lengths = {"image": [5, 3, 1], "text": [4, 1, 2]}
    masks = {name: prefix_mask(lengths[name], states[name].shape[1]) for name in states}
    spoilt = {name: state.masked_fill(~masks[name][..., None], torch.nan) for name, state in states.items()}
    there = masks["image"]
    update = graft(states, "image", masks).update
    assert torch.equal(graft(spoilt, "image", masks).update[there], update[there])
    for row in range(3):
        cut = {name: state[row : row + 1, : lengths[name][row]] for name, state in states.items()}
        torch.testing.assert_close(
            graft(cut, "image", {}).update[0], update[row, : lengths["image"][row]], rtol=1e-9, atol=1e-12
        )


@given(experts, routers, st.integers(0, 99))
@settings(max_examples=25)
def test_the_order_of_partner_tokens_never_matters(chosen, router, seed):
    """There are no positions in an expert."""
    graft = graft_of(spec_of(*chosen, router=router))
    states = states_of(seed=seed)
    order = torch.randperm(4, generator=torch.Generator().manual_seed(seed))
    shuffled = states | {"text": states["text"][:, order]}
    torch.testing.assert_close(
        graft(shuffled, "image", {}).update, graft(states, "image", {}).update, rtol=1e-9, atol=1e-12
    )


@given(experts, routers, st.integers(0, 99))
@settings(max_examples=25)
def test_a_batch_of_one_equals_a_batch_of_many(chosen, router, seed):
    """Samples do not see each other."""
    graft = graft_of(spec_of(*chosen, router=router))
    states = states_of(seed=seed)
    whole = graft(states, "image", {}).update
    for row in range(3):
        alone = graft({name: state[row : row + 1] for name, state in states.items()}, "image", {}).update
        torch.testing.assert_close(alone[0], whole[row], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("gates", ["sigmoid", "softmax"])
@pytest.mark.parametrize("level", ["sample", "token"])
@pytest.mark.parametrize("share", [False, True])
def test_a_missing_partner_equals_the_unimodal_experts_alone(level, share, gates):
    """For the whole batch, or for a sample whose partner is masked away: the same numbers as without those experts."""
    spec = spec_of(*ALL, router={"level": level, "gates": gates}, share_down=share)
    graft = graft_of(spec)
    states = states_of()
    missing = graft({"image": states["image"]}, "image", {})
    masks = {"text": prefix_mask([4, 0, 2], 4)}
    partly = graft(states, "image", masks).update
    torch.testing.assert_close(partly[1], missing.update[1], rtol=1e-9, atol=1e-12)
    assert not torch.allclose(partly[0], missing.update[0])
    unimodal = [index for index, expert in enumerate(spec.experts) if not expert.multimodal]
    others = [index for index, expert in enumerate(spec.experts) if expert.multimodal]
    assert not missing.usage[others].any()

    x, of = torch.nn.functional.layer_norm(states["image"], (12,)), graft.graft
    summary = x if level == "token" else x.mean(dim=1, keepdim=True)
    blank = torch.cat([summary, torch.zeros(3, summary.shape[1], WIDTHS["text"], dtype=x.dtype)], dim=-1)
    logits = of.router.second(torch.nn.functional.gelu(of.router.first(blank)))[..., unimodal]
    shares = logits.softmax(dim=-1) if gates == "softmax" else 2 * logits.sigmoid()
    torch.testing.assert_close(missing.usage[unimodal], shares.mean(dim=(0, 1)))
    first = next(seat for seat in of.seats if seat.partner is None)
    own = torch.nn.functional.gelu(of.down(x)[..., slice(*first.x)]) * shares[..., :1]
    expected = own @ of.up.weight[:, : first.out].T + of.up.bias
    torch.testing.assert_close(missing.update, expected, rtol=1e-9, atol=1e-12)


def test_no_expert_that_can_be_heard_means_no_change():
    """Multi-modal experts alone and no partner: an update of zero, not NaN."""
    graft = graft_of(spec_of(ALL[1], ALL[3]))
    torch.nn.init.ones_(graft.graft.up.bias)
    assert graft({"image": states_of()["image"]}, "image", {}).update.abs().max() == 0


@pytest.mark.parametrize("chosen", [*SINGLE, ALL])
def test_identity_at_the_start_and_every_tensor_has_a_gradient_within_two_steps(chosen):
    """Zero up-projection with a gate of one: no zero times zero that never trains (methods.md, trap 1)."""
    graft = graft_of(spec_of(*chosen), trained=False).train().whole
    states = states_of()
    assert not any(one.any() for one in graft(0, states, {}).states.values())
    reached = set()
    optimizer = torch.optim.SGD(graft.parameters(), lr=0.5)
    for _ in range(2):
        given = graft(0, states, {})
        loss = sum((states[name] + one).sin().square().sum() for name, one in given.states.items())
        loss = loss + sum(given.losses.values())
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        reached |= {n for n, p in graft.named_parameters() if p.grad is not None and p.grad.abs().max() > 0}
        optimizer.step()
    assert reached == {name for name, parameter in graft.named_parameters() if parameter.numel()}


def test_one_expert_has_no_router():
    """It has the whole share; with two there is something to route."""
    assert graft_of(spec_of(ALL[0])).graft.router is None
    assert graft_of(spec_of(ALL[1])).graft.router is None
    assert graft_of(spec_of(ALL[1]), WIDTHS | {"audio": 6}).graft.router is not None
    assert graft_of(spec_of(ALL[0], ALL[5])).graft.router is not None
    mixture = graft_of(spec_of(ALL[0]))(states_of(), "image", {})
    assert (mixture.usage.tolist(), mixture.losses) == ([1.0], {})


@given(experts, st.booleans(), st.booleans(), st.integers(0, 3))
@settings(max_examples=30)
def test_the_count_in_the_spec_is_the_count_in_the_model(chosen, share, uniform, partners):
    """So that ``plan`` and budgets need build nothing."""
    widths = {"image": 12} | dict(list({"text": 10, "audio": 6, "depth": 4}.items())[:partners])
    spec = spec_of(*chosen, share_down=share, router={"uniform": uniform})
    assume(partners or any(expert.type == "unimodal" for expert in spec.experts))
    made = HMMoE(spec, [Meeting(dict.fromkeys(widths, "0_block"), widths)] * 1, build_expert)
    assert sum(parameter.numel() for parameter in made.parameters()) == spec.graft_parameters([widths])


def dense_softmax(scores: Tensor) -> Tensor:
    exponent = scores.exp()
    return exponent / exponent.sum(dim=-1, keepdim=True)


def test_cross_attention_is_its_equation():
    """softmax(q k' / sqrt(r/h)) u, head by head, written out."""
    torch.manual_seed(0)
    expert = build_expert(spec_of({"type": "cross_attention", "heads": 2}).experts[0], 8)
    x, y = torch.randn(2, 5, 8).double(), torch.randn(2, 3, 16).double()
    mask = prefix_mask([3, 2], 3)
    expected = torch.zeros(2, 5, 8).double()
    for b in range(2):
        kept = mask[b].nonzero().squeeze(1)
        for head in (slice(0, 4), slice(4, 8)):
            k, u = y[b, kept, :8][:, head], y[b, kept, 8:][:, head]
            expected[b, :, head] = dense_softmax(x[b, :, head] @ k.T / 2.0) @ u
    torch.testing.assert_close(expert(x, y, None, mask), expected)


def test_channel_attention_is_its_equation():
    """(phi(a) * (1 + sigmoid(W2 phi(W1 mean(a * g))))) with g the partner's mean: the mean over tokens of a * g."""
    torch.manual_seed(0)
    expert = build_expert(spec_of({"type": "channel_attention"}).experts[0], 8).double()
    a, y = torch.randn(2, 5, 8).double(), torch.randn(2, 3, 8).double()
    g = y.mean(dim=1, keepdim=True)
    gate = torch.sigmoid(expert.excite(torch.nn.functional.gelu(expert.squeeze((a * g).mean(dim=1)))))
    torch.testing.assert_close(expert(a, y, None, None), torch.nn.functional.gelu(a) * (1 + gate[:, None]))


@pytest.mark.parametrize("top_k", [None, 2])
def test_the_balance_loss_reaches_the_router_and_is_least_when_the_load_is_even(top_k):
    """It is zero (CV²) or one (f P) for an even load, larger for a skewed one, and has a gradient."""
    graft = graft_of(spec_of(router={"balance": 1.0, "top_k": top_k, "gates": "softmax"})).train()
    router = graft.graft.router
    with torch.no_grad():
        router.second.weight.zero_()
        router.second.bias.copy_(torch.tensor([4.0, 0, 0, 0, 0, 0]))
    loss = graft(states_of(batch=64), "image", {}).losses["balance"]
    assert loss > (1.5 if top_k else 0.5)
    (gradient,) = torch.autograd.grad(loss, [router.second.bias])
    assert gradient[0] > 0
    assert gradient[1:].max() < 0
    with torch.no_grad():
        router.second.bias.zero_()
    even = graft(states_of(batch=64), "image", {}).losses["balance"]
    assert float(even.detach()) == pytest.approx(1.0 if top_k else 0.0, abs=1e-9)


def test_top_k_hears_k_experts_with_shares_that_sum_to_one():
    """Renormalised, per sample or token. Gates of two experts stay as they are."""
    router = graft_of(spec_of(router={"top_k": 2, "level": "token", "gates": "softmax"})).graft.router
    shares, logits = router(torch.randn(7, 22).double(), torch.ones(7, 6, dtype=torch.bool))
    assert (shares > 0).sum(dim=-1).tolist() == [2] * 7
    torch.testing.assert_close(shares.sum(dim=-1), torch.ones(7).double())
    router.spec = router.spec.model_copy(update={"gates": "sigmoid"})
    summary = torch.randn(7, 22).double()
    gates, logits = router(summary, None)
    largest = logits >= logits.topk(2, dim=-1).values[:, 1:]
    torch.testing.assert_close(gates, torch.where(largest, 2 * logits.sigmoid(), 0.0))


def test_noise_is_for_training_alone():
    """Evaluation is deterministic."""
    graft = graft_of(spec_of(router={"noise": 1.0}))
    states = states_of()
    assert torch.equal(graft(states, "image", {}).update, graft(states, "image", {}).update)
    graft.train()
    assert not torch.equal(graft(states, "image", {}).update, graft(states, "image", {}).update)


def test_parameter_names_begin_with_their_stream():
    """Equal indices of two towers never collide."""
    meeting = Meeting({"image": "3_block", "text": "3_block"}, WIDTHS)
    names = HMMoE(spec_of(), [meeting], build_expert).state_dict()
    assert {name.split(".")[1] for name in names} == {"image_3_block", "text_3_block"}


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"router": {"top_k": 7}}, "top_k is 7, but there are 6 experts"),
        ({"experts": []}, "at least one"),
        ({"experts": [{"type": "identity", "rank": 4}]}, "identity has no rank"),
        ({"experts": [{"type": "identity"}]}, "no expert gives anything"),
        ({"experts": [{"type": "cross_atention"}]}, "unknown expert type `cross_atention`"),
    ],
)
def test_impossible_specs_are_errors(fields, says):
    """With a reason."""
    with pytest.raises(ValueError, match=says):
        spec_of(**fields) if "experts" not in fields else HMMoESpec.model_validate(fields)
