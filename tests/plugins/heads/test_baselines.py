"""The published baselines against their equations in plain loops, and through whole runs, saved and loaded."""

import json
import math
import re
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.functional import cross_entropy, normalize

from graftwork import Pipeline
from graftwork.core.data.items import DataError
from graftwork.core.features.model import FeatureModel
from graftwork.core.graph.nodes import Nodes
from graftwork.core.roles import ClassPrompts, Head
from graftwork.core.storage.run_folder import RunFolderError
from graftwork.plugins.adapters import BottleneckSpec, CLIPAdapterSpec, NoneSpec
from graftwork.plugins.adapters.bottleneck import Bottleneck
from graftwork.plugins.adapters.clip_adapter import CLIPAdapter
from graftwork.plugins.adapters.identity import Identity
from graftwork.plugins.heads import GraphAdapterSpec, LogisticRegressionSpec, PrototypeSpec, TipAdapterSpec
from graftwork.plugins.heads.graph_adapter import GraphAdapter, class_messages
from graftwork.plugins.heads.logistic_regression import NEVER, LogisticRegression
from graftwork.plugins.heads.prototype import Prototype
from graftwork.plugins.heads.tip_adapter import TipAdapter

from ...support.paths import ROOT
from ...support.small_pipeline import pipeline

WIDTH, CLASSES = 6, 4
seeds = st.integers(0, 2**20)


def gaussian(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def prompts(seed: int = 7, classes: int = CLASSES) -> ClassPrompts:
    return ClassPrompts(normalize(gaussian(classes, WIDTH, seed=seed), dim=-1), 20.0)


def labelled(count: int = 11, seed: int = 3, classes: int = CLASSES) -> tuple[Tensor, Tensor]:
    """Vectors of any length, every class among them."""
    return gaussian(count, WIDTH, seed=seed), torch.arange(count) % classes


def cosine(a: Tensor, b: Tensor) -> float:
    lengths = float(a.norm()) * float(b.norm())
    return float(a @ b) / lengths if lengths else 0.0


# CLIP-Adapter


@given(seeds, st.integers(1, 8), st.floats(0, 1))
def test_clip_adapter_is_its_equation(seed: int, reduction: int, ratio: float) -> None:
    """alpha ReLU(f W1) W2 + (1 - alpha) f, one number at a time."""
    torch.manual_seed(seed)
    adapter, x = CLIPAdapter(CLIPAdapterSpec(reduction=reduction, ratio=ratio), WIDTH), gaussian(3, WIDTH, seed=seed)
    first, second = adapter.down.weight.detach(), adapter.up.weight.detach()
    found = adapter(x).detach()
    for row in range(3):
        hidden = [max(0.0, sum(float(first[r, d] * x[row, d]) for d in range(WIDTH))) for r in range(len(first))]
        for d in range(WIDTH):
            adapted = sum(float(second[d, r]) * hidden[r] for r in range(len(hidden)))
            assert float(found[row, d]) == pytest.approx(ratio * adapted + (1 - ratio) * float(x[row, d]), abs=1e-5)


@given(st.integers(1, 600), st.integers(1, 8))
def test_clip_adapter_counts_its_parameters_without_being_built(width: int, reduction: int) -> None:
    """2 d floor(d / reduction), one unit between the layers at least."""
    spec = CLIPAdapterSpec(reduction=reduction)
    assert spec.parameter_count(width) == sum(one.numel() for one in CLIPAdapter(spec, width).parameters())


# Tip-Adapter


@given(seeds, st.floats(0, 10), st.floats(0, 20), st.floats(0.01, 100))
def test_tip_adapter_is_its_equation(seed: int, alpha: float, beta: float, length: float) -> None:
    """Each labelled item votes for its class with exp(-beta (1 - cosine)); zero-shot logits are added."""
    (keys, classes), x, texts = labelled(seed=seed), gaussian(3, WIDTH, seed=seed + 1), prompts()
    head = TipAdapter(TipAdapterSpec(alpha=alpha, beta=beta), WIDTH, CLASSES, texts)
    head.fit(keys, classes)
    found = head(length * x).detach()
    for row in range(3):
        for column in range(CLASSES):
            votes = 0.0
            for key, label in zip(keys, classes.tolist(), strict=True):
                if label == column:
                    votes += math.exp(-beta * (1 - cosine(x[row], key)))
            expected = alpha * votes + 20.0 * cosine(x[row], texts.vectors[column])
            assert float(found[row, column]) == pytest.approx(expected, rel=1e-4, abs=1e-3)


def test_tip_adapter_without_its_cache_is_zero_shot() -> None:
    """alpha 0: the cosine head's logits."""
    texts, x = prompts(), gaussian(5, WIDTH)
    head = TipAdapter(TipAdapterSpec(alpha=0.0), WIDTH, CLASSES, texts)
    head.fit(*labelled())
    torch.testing.assert_close(head(x), 20 * normalize(x, dim=-1) @ texts.vectors.T)


@given(seeds, st.floats(0.1, 10))
def test_tip_adapter_without_zero_shot_is_the_votes_alone(seed: int, alpha: float) -> None:
    """Neither built with class prompts nor asking for them."""
    x, (keys, classes) = gaussian(3, WIDTH, seed=seed), labelled(seed=seed + 1)
    spec = TipAdapterSpec(alpha=alpha, zero_shot=False)
    assert not spec.uses_prompts()
    votes, both = (
        TipAdapter(spec, WIDTH, CLASSES, None),
        TipAdapter(TipAdapterSpec(alpha=alpha), WIDTH, CLASSES, prompts()),
    )
    for head in (votes, both):
        head.fit(keys, classes)
    zero_shot = 20 * normalize(x, dim=-1) @ prompts().vectors.T
    torch.testing.assert_close(votes(x) + zero_shot, both(x), atol=1e-4, rtol=1e-4)


def test_only_the_f_variant_trains_and_only_its_keys() -> None:
    """Both start alike; values, class vectors and the plain variant's keys stay as they are."""
    plain, trained = (TipAdapter(TipAdapterSpec(train_keys=on), WIDTH, CLASSES, prompts()) for on in (False, True))
    x, targets = labelled()
    for head in (plain, trained):
        head.fit(x, targets)
    assert torch.equal(plain(x), trained(x))
    assert [name for name, one in plain.named_parameters() if one.requires_grad] == []
    assert [name for name, one in trained.named_parameters() if one.requires_grad] == ["keys"]
    cross_entropy(trained(gaussian(5, WIDTH)), torch.arange(5) % CLASSES).backward()
    assert trained.keys.grad is not None
    assert bool(trained.keys.grad.any(dim=-1).all())


# GraphAdapter


def gcn_of_one_class(origin: Tensor, nodes: Tensor) -> Tensor:
    """Row 0 of D^-1/2 (max(cos, 0) + I) D^-1/2 X over origin and nodes, by loops."""
    x = torch.cat([origin[None], nodes])
    count = len(x)
    adjacency = [[max(0.0, cosine(x[i], x[j])) + (i == j) for j in range(count)] for i in range(count)]
    degree = [sum(row) for row in adjacency]
    out = torch.zeros_like(origin)
    for j in range(count):
        out += adjacency[0][j] / math.sqrt(degree[0] * degree[j]) * x[j]
    return out


@given(seeds, st.booleans())
def test_class_messages_are_a_graph_convolution_a_class(seed: int, lonely: bool) -> None:
    """Each class vector joined to its own graph; a class without images is a zero node that nobody hears."""
    origins, nodes = (gaussian(CLASSES, WIDTH, seed=seed + offset) for offset in (0, 1))
    if lonely:
        nodes[1] = 0
    found = class_messages(origins, nodes)
    for k in range(CLASSES):
        torch.testing.assert_close(found[k], gcn_of_one_class(origins[k], nodes), atol=1e-5, rtol=1e-4)


@given(seeds, st.floats(0, 1), st.floats(0, 1), st.booleans())
@settings(max_examples=30)
def test_graph_adapter_is_its_equations(seed: int, alpha: float, beta: float, bias: bool) -> None:
    """Class by class: the two convolutions, tanh, the mix of the two, the residual, the cosine."""
    torch.manual_seed(seed)
    (images, classes), x, texts = labelled(seed=seed), gaussian(2, WIDTH, seed=seed + 1), prompts(seed + 2)
    head = GraphAdapter(GraphAdapterSpec(alpha=alpha, beta=beta, class_bias=bias), WIDTH, CLASSES, texts)
    with torch.no_grad():
        for one in head.parameters():
            one.copy_(gaussian(*one.shape, seed=seed + 5))
    head.fit(images, classes)
    head.requires_grad_(False)
    units = normalize(images, dim=-1)
    prototypes = normalize(torch.stack([units[classes == k].mean(0) for k in range(CLASSES)]), dim=-1)
    found = head(x)
    for k in range(CLASSES):
        text = texts.vectors[k]
        shift = {"t": head.bias_textual[k], "v": head.bias_visual[k]} if bias else {"t": 0.0, "v": 0.0}  # type: ignore[index]
        textual = torch.tanh(gcn_of_one_class(text, texts.vectors) @ head.weight_textual + shift["t"])
        visual = torch.tanh(gcn_of_one_class(text, prototypes) @ head.weight_visual + shift["v"])
        adapted = alpha * text + (1 - alpha) * (beta * textual + (1 - beta) * visual)
        for row in range(2):
            assert float(found[row, k]) == pytest.approx(20 * cosine(x[row], adapted), abs=1e-3)


@pytest.mark.parametrize("class_bias", [False, True])
def test_graph_adapter_counts_its_parameters_without_being_built(class_bias: bool) -> None:
    """2d² and 2dC."""
    spec = GraphAdapterSpec(class_bias=class_bias)
    built = GraphAdapter(spec, WIDTH, CLASSES, prompts())
    assert spec.parameter_count(WIDTH, CLASSES) == sum(one.numel() for one in built.parameters())


# Logistic regression


def solved(x: Tensor, targets: Tensor, classes: int = CLASSES, **fields: Any) -> LogisticRegression:
    head = LogisticRegression(LogisticRegressionSpec(**fields), WIDTH, classes, None)
    head.fit(x, targets)
    return head


@given(seeds, st.floats(0.01, 10))
@settings(max_examples=20)
def test_logistic_regression_minimises_its_objective(seed: int, strength: float) -> None:
    """At the solution the gradient of |W|²/2 + C sum CE is zero, in W and in b."""
    x, targets = labelled(30, seed)
    head = solved(x, targets, C=strength, scale=1.0)
    weight, bias = head.weight.double().requires_grad_(), head.bias.double().requires_grad_()
    total = 0.5 * weight.square().sum()
    for row, target in zip(x.double(), targets.tolist(), strict=True):
        logits = weight @ row + bias
        total = total + strength * (logits.exp().sum().log() - logits[target])
    for gradient in torch.autograd.grad(total, (weight, bias)):
        assert float(gradient.abs().max()) < 1e-2 * max(1.0, strength)


def test_logistic_regression_of_two_classes_is_a_sigmoid() -> None:
    """The binary solution as two rows: the probability of the second class is scikit-learn's."""
    from sklearn.linear_model import LogisticRegression as Reference

    x, targets = labelled(20, classes=2)
    head = solved(x, targets, classes=2, scale=1.0)
    expected = Reference().fit(x.double().numpy(), targets.numpy()).predict_proba(x.double().numpy())
    torch.testing.assert_close(head(x).softmax(-1), torch.from_numpy(expected).float(), atol=1e-4, rtol=1e-3)


def test_a_class_without_labelled_items_is_never_predicted() -> None:
    """The others are solved among themselves; the loss of the lacking class stays a number."""
    x, targets = labelled(12, classes=3)
    head = solved(x, targets, classes=5)
    assert set(head(gaussian(200, WIDTH)).argmax(-1).tolist()) <= {0, 1, 2}
    assert head.bias[3:].tolist() == [NEVER, NEVER]


def test_labelled_items_of_one_class_are_no_regression() -> None:
    """The message says what to raise."""
    with pytest.raises(DataError, match=r"at least two classes; raise dataset\.shots"):
        solved(gaussian(4, WIDTH), torch.zeros(4, dtype=torch.int64))


def test_a_regression_that_stops_early_says_so() -> None:
    """One iteration is not enough, and the warning names what to raise."""
    with pytest.warns(UserWarning, match="did not converge in 1 iterations; raise max_iter"):
        solved(*labelled(40), C=100.0, max_iter=1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        solved(*labelled(40))


def test_a_solved_head_trains_from_its_solution() -> None:
    """``train``: the same logits, and weights that have gradients."""
    x, targets = labelled(20)
    fixed, trained = (solved(x, targets, train=on) for on in (False, True))
    assert torch.equal(fixed(x), trained(x))
    assert not any(one.requires_grad for one in fixed.parameters())
    cross_entropy(trained(x), targets).backward()
    assert all(one.grad is not None and bool(one.grad.any()) for one in trained.parameters())
    assert LogisticRegressionSpec(train=True).parameter_count(WIDTH, CLASSES) == WIDTH * CLASSES + CLASSES


# Prototypes


@given(seeds, st.floats(0.1, 100), st.booleans())
def test_prototypes_are_class_means(seed: int, scale: float, train: bool) -> None:
    """Scale times the cosine with the mean of a class's items; a class without any is never predicted."""
    (x, targets), queries = labelled(seed=seed), gaussian(3, WIDTH, seed=seed + 1)
    spec = PrototypeSpec(scale=scale, train=train)
    head = Prototype(spec, WIDTH, CLASSES + 1, None)
    head.fit(x, targets)
    found = head(queries).detach()
    for row in range(3):
        for column in range(CLASSES):
            mean = torch.stack([one for one, label in zip(x, targets.tolist(), strict=True) if label == column]).mean(0)
            assert float(found[row, column]) == pytest.approx(scale * cosine(queries[row], mean), rel=1e-3, abs=1e-3)
        assert float(found[row, CLASSES]) == NEVER
    trainable = sum(one.numel() for one in head.parameters() if one.requires_grad)
    assert trainable == spec.parameter_count(WIDTH, CLASSES + 1)


def test_prototypes_train_with_their_scale() -> None:
    """Every class vector and the scale have a gradient at the start."""
    x, targets = labelled()
    head = Prototype(PrototypeSpec(), WIDTH, CLASSES, None)
    head.fit(x, targets)
    cross_entropy(head(gaussian(7, WIDTH)), torch.arange(7) % CLASSES).backward()
    assert head.class_vectors.grad is not None
    assert head.log_scale is not None
    assert head.log_scale.grad is not None
    assert bool(head.class_vectors.grad.any(dim=-1).all())
    assert bool(head.log_scale.grad)


# The page


PAGE = ROOT / "docs" / "baselines.md"


@pytest.mark.parametrize("block", re.findall(r"```json\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL))
def test_every_example_of_the_page_is_valid(block: str) -> None:
    """Adapter, head and search values as they stand there, in a pipeline."""
    base = json.loads((PAGE.parent.parent / "examples" / "digits_zero_shot.json").read_text("utf-8"))
    assert math.prod(map(len, Pipeline.from_dict(base | json.loads(block)).spec.search.values())) > 1


# What they share: the hook, saving, loading


def heads() -> list[Head]:
    torch.manual_seed(0)
    return [
        TipAdapter(TipAdapterSpec(), WIDTH, CLASSES, prompts()),
        TipAdapter(TipAdapterSpec(train_keys=True), WIDTH, CLASSES, prompts()),
        GraphAdapter(GraphAdapterSpec(), WIDTH, CLASSES, prompts()),
        LogisticRegression(LogisticRegressionSpec(), WIDTH, CLASSES, None),
        LogisticRegression(LogisticRegressionSpec(train=True), WIDTH, CLASSES, None),
        Prototype(PrototypeSpec(), WIDTH, CLASSES, None),
    ]


@pytest.mark.parametrize("index", range(6))
def test_a_fitted_head_loads_into_an_empty_one(index: int) -> None:
    """The state dict alone restores it, whatever the number of items was, and parameters stay what they were."""
    fitted, fresh, x = heads()[index], heads()[index], gaussian(5, WIDTH)
    fitted.fit(*labelled(13))
    fresh.load_state_dict(fitted.state_dict())
    assert torch.equal(fresh(x), fitted(x))
    trainable = [[name for name, one in head.named_parameters() if one.requires_grad] for head in (fresh, fitted)]
    assert trainable[0] == trainable[1]


def test_the_head_is_fitted_on_adapted_vectors_before_training() -> None:
    """What the adapter gives at the start: the frozen vectors where it is the identity, else what it makes of them."""
    x, targets = labelled()
    spec = TipAdapterSpec()
    for adapter, same in ((Identity(NoneSpec(), WIDTH), True), (CLIPAdapter(CLIPAdapterSpec(), WIDTH), False)):
        head = TipAdapter(spec, WIDTH, CLASSES, prompts())
        FeatureModel(adapter, head).fit_head(Nodes(x, None), torch.tensor([4, 2]), targets[[4, 2]])
        torch.testing.assert_close(head.keys, normalize(adapter(x[[4, 2]]), dim=-1))
        assert torch.allclose(head.keys, normalize(x[[4, 2]], dim=-1)) == same
        assert head.labels.tolist() == [0, 2]
        assert not head.keys.requires_grad


def test_a_head_without_a_fit_is_left_alone() -> None:
    """The default takes the items and does nothing."""
    from graftwork.plugins.heads import LinearSpec
    from graftwork.plugins.heads.linear import Linear

    model = FeatureModel(Bottleneck(BottleneckSpec(bottleneck=2), WIDTH), Linear(LinearSpec(), WIDTH, CLASSES, None))
    before = {name: one.clone() for name, one in model.state_dict().items()}
    x, targets = labelled()
    model.fit_head(Nodes(x, None), torch.arange(len(x)), targets)
    assert all(torch.equal(before[name], one) for name, one in model.state_dict().items())


BASELINES: dict[str, dict[str, Any]] = {
    "logistic regression": {"task__head": {"type": "logistic_regression"}},
    "tip-adapter": {"task__head": {"type": "tip_adapter"}},
    "tip-adapter-f": {"task__head": {"type": "tip_adapter", "train_keys": True}},
    "graph-adapter": {"task__head": {"type": "graph_adapter"}},
    "clip-adapter": {"adapter": {"type": "clip_adapter"}, "task__head": {"type": "cosine"}},
    "prototypes": {"task__head": {"type": "prototype", "train": False}},
    "diffusion": {"adapter": {"type": "diffusion"}, "task__head": {"type": "logistic_regression"}},
    "tip-adapter over ga-net": {"adapter": {"type": "ga_net", "bottleneck": 4}, "task__head": {"type": "tip_adapter"}},
}


@pytest.mark.parametrize("name", BASELINES)
def test_a_baseline_runs_saves_and_predicts_what_was_measured(tmp_path: Path, name: str) -> None:
    """A whole run; loaded from disk alone, the test split has the accuracy of ``result.json``."""
    settings_ = {"adapter": {"type": "none"}, "dataset__shots": 5, **BASELINES[name]}
    made = pipeline(**settings_)
    run = made.run(tmp_path / "run")
    content = made.catalogue.find("dataset", "few_digits").load()(made.spec.dataset).load()
    test = content.splits["test"]
    predictions = run.load().predict([item.modalities["image"].read() for item in test])
    right = [int(one.label) == item.target for one, item in zip(predictions, test, strict=True)]
    assert sum(right) / len(right) == pytest.approx(run.result["test"]["accuracy"]["mean"])
    parameters = run.result["parameters"]
    width = 64
    expected = {
        "logistic regression": (0, 10 * width + 10),
        "tip-adapter": (0, 50 * width + 50),
        "tip-adapter-f": (50 * width, 50),
        "graph-adapter": (2 * width * width + 20 * width, 10 * width),
        "clip-adapter": (2 * width * 16, 0),
        "prototypes": (0, 10 * width + 10),
        "diffusion": (0, 10 * width + 10),
        "tip-adapter over ga-net": (2 * width * 4 + 4 + width + 2 * 16 + 4, 50 * width + 50),
    }
    assert (parameters["trainable"], parameters["fitted"]) == expected[name]
    assert run.result["training_seconds_per_seed"] > 0


@pytest.mark.parametrize("name", ["logistic regression", "tip-adapter"])
def test_a_solved_baseline_beats_chance_by_far(tmp_path: Path, name: str) -> None:
    """On pixels of digits, 12 of each class labelled: over one half, where chance is a tenth."""
    head = {**BASELINES[name]["task__head"], **({"alpha": 100.0} if name == "tip-adapter" else {})}
    run = pipeline(adapter={"type": "none"}, task__head=head).run(tmp_path / "run")
    assert run.result["test"]["accuracy"]["mean"] > 0.5


def test_search_values_of_a_cache_are_chosen_on_validation(tmp_path: Path) -> None:
    """alpha and beta as search values, which is the paper's own procedure."""
    search = {"task.head.alpha": [0.0, 100.0], "task.head.beta": [1.0, 20.0]}
    run = pipeline(adapter={"type": "none"}, task__head={"type": "tip_adapter"}, search=search).run(tmp_path / "run")
    tried = {tuple(one["values"].values()): one["selection"] for one in run.result["tried"]}
    assert len(tried) == 4
    assert tried[tuple(run.result["chosen"].values())] == max(tried.values())
    assert run.result["chosen"]["task.head.alpha"] == 100.0


def test_a_next_task_refits_its_cache(tmp_path: Path) -> None:
    """``start_from`` a run with another number of labelled items: the cache is this run's, not an error."""
    spec = {"adapter": {"type": "bottleneck", "bottleneck": 4}, "task__head": {"type": "tip_adapter"}}
    first = pipeline(**spec, dataset__shots=3).run(tmp_path / "first")
    second = pipeline(**spec, dataset__shots=5, trainer__start_from=str(first.folder)).run(tmp_path / "second")
    assert second.result["parameters"]["fitted"] == 50 * 64 + 50
    other = pipeline(**spec | {"adapter": {"type": "bottleneck"}}, trainer__start_from=str(first.folder))
    with pytest.raises(RunFolderError, match="does not fit"):
        other.run(tmp_path / "third")
