"""Heads and the classification task against formulas and counts by hand."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.functional import normalize

from graftwork.core.roles import ClassPrompts
from graftwork.plugins.heads import CosineSpec, LinearSpec, MlpSpec
from graftwork.plugins.heads.cosine import Cosine
from graftwork.plugins.heads.linear import Linear
from graftwork.plugins.heads.mlp import Mlp
from graftwork.plugins.tasks import ClassificationSpec
from graftwork.plugins.tasks.classification import Classification

WIDTH, CLASSES = 6, 4
seeds = st.integers(0, 2**20)


def gaussian(rows: int, width: int = WIDTH, seed: int = 0) -> Tensor:
    return torch.randn(rows, width, generator=torch.Generator().manual_seed(seed))


def prompts(logit_scale: float | None = 20.0, seed: int = 7) -> ClassPrompts:
    return ClassPrompts(normalize(gaussian(CLASSES, seed=seed), dim=-1), logit_scale)


@given(seeds, st.floats(0.01, 100))
def test_the_cosine_head_is_clips_zero_shot_formula(seed: int, length: float) -> None:
    """exp(s) * image · text over unit vectors, whatever the length of what comes in."""
    x, classes = gaussian(5, seed=seed), prompts(seed=seed + 1)
    expected = torch.empty(5, CLASSES)
    for row in range(5):
        for column in range(CLASSES):
            dot = float((x[row] * classes.vectors[column]).sum())
            expected[row, column] = 20.0 * dot / float(x[row].norm())
    found = Cosine(CosineSpec(), WIDTH, CLASSES, classes)(x * length)
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    ("given_scale", "encoders", "used"), [(3.0, 20.0, 3.0), (None, 20.0, 20.0), (None, None, 100.0)]
)
def test_the_cosine_scale_is_the_specs_then_the_encoders_then_100(
    given_scale: float | None, encoders: float | None, used: float
) -> None:
    """A class vector against itself gives the scale itself."""
    classes = prompts(encoders)
    logits = Cosine(CosineSpec(scale=given_scale), WIDTH, CLASSES, classes)(classes.vectors)
    torch.testing.assert_close(logits.diagonal(), torch.full((CLASSES,), used))


def test_a_trained_scale_starts_where_the_fixed_one_stands() -> None:
    """``train_scale`` changes nothing but that the factor can move, as its logarithm."""
    x = gaussian(5)
    fixed, trained = (Cosine(CosineSpec(train_scale=on), WIDTH, CLASSES, prompts()) for on in (False, True))
    torch.testing.assert_close(trained(x), fixed(x))
    assert dict(trained.named_parameters())["log_scale"].item() == pytest.approx(math.log(20.0))


@pytest.mark.parametrize("train_scale", [False, True])
def test_no_class_vector_is_in_the_saved_cosine_head(train_scale: bool) -> None:
    """They come from the frozen text tower; neither state dict nor parameters hold them, but they move with it."""
    head = Cosine(CosineSpec(train_scale=train_scale), WIDTH, CLASSES, prompts())
    saved = ["log_scale"] if train_scale else []
    assert list(head.state_dict()) == [name for name, _ in head.named_parameters()] == saved
    assert head.double().class_vectors.dtype == torch.float64


@given(seeds)
def test_a_linear_head_from_prompts_starts_as_zero_shot(seed: int) -> None:
    """On unit vectors its logits, and so its labels, are those of the cosine head."""
    x, classes = normalize(gaussian(9, seed=seed), dim=-1), prompts(seed=seed + 1)
    linear = Linear(LinearSpec(init="prompts"), WIDTH, CLASSES, classes)
    cosine = Cosine(CosineSpec(), WIDTH, CLASSES, classes)
    torch.testing.assert_close(linear(x), cosine(x), atol=1e-5, rtol=1e-5)
    assert torch.equal(linear(x).argmax(-1), cosine(x).argmax(-1))


def test_training_a_linear_head_leaves_the_prompts_alone() -> None:
    """The weights are a copy: moving them must not move the class vectors of the next seed."""
    classes = prompts()
    before = classes.vectors.clone()
    head = Linear(LinearSpec(init="prompts"), WIDTH, CLASSES, classes)
    with torch.no_grad():
        head.weight += 1
    assert torch.equal(classes.vectors, before)


def test_a_linear_head_from_zero_knows_nothing() -> None:
    """Every class has the same logit, 0; no prompts are asked for."""
    head = Linear(LinearSpec(), WIDTH, CLASSES, None)
    assert torch.equal(head(gaussian(3)), torch.zeros(3, CLASSES))


def test_a_linear_head_scales_unit_vectors_to_unit_variance() -> None:
    """s z W' + b with s the square root of the width, or the spec's."""
    x = gaussian(3)
    for scale, used in ((None, WIDTH**0.5), (2.5, 2.5)):
        head = Linear(LinearSpec(scale=scale), WIDTH, CLASSES, None)
        with torch.no_grad():
            head.weight.copy_(gaussian(CLASSES, seed=1))
            head.bias.copy_(torch.arange(4.0))
        torch.testing.assert_close(head(x), used * x @ head.weight.T + head.bias)


@pytest.mark.parametrize(
    ("spec", "count"),
    [
        (CosineSpec(), 0),
        (CosineSpec(train_scale=True), 1),
        (LinearSpec(), WIDTH * CLASSES + CLASSES),
        (LinearSpec(init="prompts"), WIDTH * CLASSES + CLASSES),
    ],
)
def test_parameter_counts_of_heads_are_those_of_the_built_ones(spec: CosineSpec | LinearSpec, count: int) -> None:
    """``plan`` tells them without building."""
    head = (Cosine if isinstance(spec, CosineSpec) else Linear)(spec, WIDTH, CLASSES, prompts())  # type: ignore[arg-type]
    assert spec.parameter_count(WIDTH, CLASSES) == sum(one.numel() for one in head.parameters()) == count


@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 5))
def test_the_mlps_parameters_are_counted(width: int, hidden: int, classes: int) -> None:
    """2d of the LayerNorm, dh + h, hC + C."""
    spec = MlpSpec(hidden=hidden)
    head = Mlp(spec, width, classes, None)
    assert spec.parameter_count(width, classes) == sum(one.numel() for one in head.parameters())


def test_the_mlp_is_its_formula() -> None:
    """W2 gelu(W1 LN(z) + b1) + b2, with gelu(x) = x Phi(x); any number of dimensions in front."""
    torch.manual_seed(0)
    head = Mlp(MlpSpec(hidden=5), WIDTH, CLASSES, None)
    torch.nn.init.normal_(head.out.weight)
    x = 3 * gaussian(8) + 1
    normed = (x - x.mean(1, keepdim=True)) / (x.var(1, correction=0, keepdim=True) + 1e-5).sqrt()
    inner = normed @ head.hidden.weight.T + head.hidden.bias
    expected = (inner * 0.5 * (1 + torch.erf(inner / math.sqrt(2)))) @ head.out.weight.T + head.out.bias
    torch.testing.assert_close(head(x), expected, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(head(x.reshape(2, 4, WIDTH)), head(x).reshape(2, 4, CLASSES))


def test_the_mlp_starts_knowing_nothing_and_trains_whole() -> None:
    """Every class alike at first; each tensor has a gradient within two steps."""
    torch.manual_seed(0)
    head, x = Mlp(MlpSpec(hidden=5, dropout=0.5), WIDTH, CLASSES, None), gaussian(32)
    assert torch.equal(head(x), torch.zeros(32, CLASSES))
    optimizer = torch.optim.SGD(head.parameters(), lr=0.1)
    for _ in range(2):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(head(x), torch.arange(32) % CLASSES).backward()
        optimizer.step()
    assert [name for name, one in head.named_parameters() if one.grad is None or not one.grad.any()] == []


def test_the_mlps_dropout_is_off_in_evaluation() -> None:
    """The same logits twice, and others in training."""
    torch.manual_seed(0)
    head, x = Mlp(MlpSpec(hidden=64, dropout=0.5), WIDTH, CLASSES, None), gaussian(8)
    torch.nn.init.normal_(head.out.weight)
    assert not torch.equal(head(x), head(x))
    head.eval()
    assert torch.equal(head(x), head(x))


LOGITS = torch.tensor([[2.0, 0.0, 0.0], [0.0, 1.0, 0.0], [3.0, 0.0, 0.0], [0.0, 0.0, 0.5]])
TARGETS = torch.tensor([0, 1, 1, 0])


def test_losses_are_cross_entropies_one_an_item() -> None:
    """-log softmax at the target, by hand."""
    expected = [
        -math.log(math.exp(2) / (math.exp(2) + 2)),
        -math.log(math.e / (math.e + 2)),
        -math.log(1 / (math.exp(3) + 2)),
        -math.log(1 / (2 + math.exp(0.5))),
    ]
    losses = Classification(ClassificationSpec()).losses(LOGITS, TARGETS)
    torch.testing.assert_close(losses, torch.tensor(expected))


def test_label_smoothing_spreads_its_share_over_all_classes() -> None:
    """(1 - e) of the loss at the target plus e of the mean loss over all classes."""
    plain, smooth = Classification(ClassificationSpec()), Classification(ClassificationSpec(label_smoothing=0.3))
    everywhere = torch.stack([plain.losses(LOGITS, torch.full_like(TARGETS, c)) for c in range(3)]).mean(0)
    expected = 0.7 * plain.losses(LOGITS, TARGETS) + 0.3 * everywhere
    torch.testing.assert_close(smooth.losses(LOGITS, TARGETS), expected)


def test_metrics_are_hand_counts() -> None:
    """2 of 4 right; class 0 has 1 of 2, class 1 has 1 of 2, class 2 does not occur."""
    metrics = Classification(ClassificationSpec()).metrics(LOGITS, TARGETS)
    assert metrics["accuracy"] == 0.5
    assert metrics["macro_accuracy"] == 0.5
    losses = Classification(ClassificationSpec()).losses(LOGITS, TARGETS)
    assert metrics["loss"] == pytest.approx(losses.mean().item())


def test_macro_accuracy_weighs_classes_and_not_items() -> None:
    """Three items of a class all right and one of another wrong: accuracy 3/4, macro accuracy 1/2."""
    logits = torch.tensor([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0], [1.0, 0.0]])
    metrics = Classification(ClassificationSpec()).metrics(logits, torch.tensor([0, 0, 0, 1]))
    assert (metrics["accuracy"], metrics["macro_accuracy"]) == (0.75, 0.5)


def test_the_reported_loss_is_not_smoothed() -> None:
    """Results with and without label smoothing are comparable."""
    plain, smooth = Classification(ClassificationSpec()), Classification(ClassificationSpec(label_smoothing=0.3))
    assert smooth.metrics(LOGITS, TARGETS) == plain.metrics(LOGITS, TARGETS)
