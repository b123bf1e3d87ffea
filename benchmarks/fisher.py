"""The Fisher information of an adapter, item by item: against a loop over the items, and how near to it."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from functools import partial
from typing import Literal

import torch
from torch import Tensor
from torch.func import grad, vmap
from torch.nn.functional import cross_entropy, linear, normalize

from ..core.features.learner import FeatureLearner, Labelled
from ..core.features.model import FeatureModel
from ..core.graft import GraftedTowers
from ..core.graph.nodes import Nodes
from ..core.roles import Adapter, TrainingView
from ..core.towers.tower import Tower
from ..plugins.adapters.clip_adapter import CLIPAdapter
from ..plugins.adapters.ga_net import GANet
from ..plugins.adapters.lora.spec import LoraSpec
from ..plugins.adapters.specs import CLIPAdapterSpec, GANetSpec
from ..plugins.heads.linear import Linear
from ..plugins.heads.specs import LinearSpec
from ..plugins.regularizers.fisher import CHUNK, fisher_diagonal
from ..plugins.tasks.classification import Classification
from ..plugins.tasks.specs import ClassificationSpec
from ..triton_kernels import similarity_graph
from . import Progress, Setting
from .case import Call, Candidate, Case
from .features import clip_like
from .measure import run_cases

WIDTH, CLASSES = 512, 37
EXACT = "Against the loop, in float64"
What = Literal["CLIP-Adapter", "GA-Net", "GA-Net of two layers"]
LAYERED: What = "GA-Net of two layers"
#: Neighbours of a node, as where a spec asks for ``average_degree``.
DEGREE = 16
Fisher = dict[str, Tensor]


def tables(setting: Setting, progress: Progress) -> Iterator[str]:
    """One table a model, and how far each is from the loop in float64."""
    yield from run_cases("fisher", cases(setting), setting, progress)
    if setting.wants(EXACT, progress):
        yield exactness(setting)


def cases(setting: Setting) -> list[Case]:
    """Of vectors that are encoded, without a graph and in one; and inside a tower."""
    rounds = 1 if setting.quick else 3
    sizes: list[tuple[What, int]] = [("CLIP-Adapter", 500), ("GA-Net", 500), (LAYERED, 150), (LAYERED, 500)]
    on_features = [
        Case(
            f"{what}, {items} items of width {WIDTH}, {CLASSES} classes",
            partial(features, what, items, setting.device),
            (
                Candidate("a loop over items (limit)", _called(by_a_loop)),
                Candidate("fisher_diagonal", _called(fisher_diagonal)),
                Candidate("all logits, gradients of 64 at a time", _called(batched)),
                *(() if what == LAYERED else (Candidate("vmap of grad, 64 at a time", _called(transformed)),)),
            ),
            rounds,
        )
        for what, items in ([(what, 24) for what, _ in sizes[:3]] if setting.quick else sizes)
    ]
    few = 4 if setting.quick else 6
    inside = Case(
        f"LoRA inside {'a small tower' if setting.quick else 'the vision tower of CLIP ViT-B/16'}, {few} pictures",
        partial(tower, few, setting.quick, setting.device),
        (
            Candidate("a loop over items (limit)", _called(by_a_loop)),
            Candidate("fisher_diagonal", _called(fisher_diagonal)),
            Candidate("8 at once, gradients of each in turn", _called(eight_in_turn)),
        ),
        1 if setting.quick else 2,
    )
    return [*on_features, inside]


def exactness(setting: Setting) -> str:
    """The largest difference to the loop in float64, beside the largest number of each parameter."""
    items = 24 if setting.quick else 200
    rows = []
    whats: tuple[What, ...] = ("CLIP-Adapter", "GA-Net", LAYERED)
    for what in whats:
        view = features(what, items, setting.device, torch.float64)
        rows.append(f"| {what} | {_difference(view):.1e} |")
    rows.append(f"| LoRA inside a tower | {_difference(tower(4, True, setting.device, torch.float64)):.1e} |")
    return f"### {EXACT}\n\n| model | largest difference |\n|---|---|\n" + "\n".join(rows) + "\n"


def _difference(view: TrainingView) -> float:
    expected, found = by_a_loop(view), fisher_diagonal(view)
    return max(
        float((found[name] - one).abs().max() / one.abs().max()) for name, one in expected.items() if bool(one.any())
    )


def features(what: What, items: int, device: str, dtype: torch.dtype = torch.float32) -> TrainingView:
    """What a regularizer sees of a training on vectors."""
    torch.manual_seed(0)
    x = clip_like(items, WIDTH, seed=0).to(device, dtype)
    layers = 2 if what == LAYERED else 1
    adapter: Adapter = (
        CLIPAdapter(CLIPAdapterSpec(), WIDTH) if what == "CLIP-Adapter" else GANet(GANetSpec(layers=layers), WIDTH)
    )
    model = FeatureModel(adapter, Linear(LinearSpec(), WIDTH, CLASSES, None)).to(device, dtype).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.02)
    nodes = (
        Nodes(x)
        if what == "CLIP-Adapter"
        else model.aggregated(Nodes(x, similarity_graph(x, {"average_degree": DEGREE})))
    )
    labelled = Labelled(nodes, torch.arange(items, device=device), torch.arange(items, device=device) % CLASSES)
    task = Classification(ClassificationSpec.model_construct())
    return FeatureLearner(model, task, labelled).view(None, torch.Generator().manual_seed(0))


def tower(items: int, quick: bool, device: str, dtype: torch.dtype = torch.float32) -> TrainingView:
    """The same of a training through CLIP ViT-B/16's vision tower; ``quick``: a tower of two small blocks."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import transformers

    torch.manual_seed(0)
    width, depth, side = (32, 2, 32) if quick else (768, 12, 224)
    sizes = {"hidden_size": width, "intermediate_size": 4 * width, "num_hidden_layers": depth, "image_size": side}
    config = transformers.CLIPVisionConfig(patch_size=16, num_attention_heads=width // 16 if quick else 12, **sizes)
    model = transformers.CLIPVisionModel(config).to(device, dtype)
    grafted = GraftedTowers([Tower.of("image", model)])
    grafted.add_adapter("default", LoraSpec(rank=8, targets=("q_proj", "v_proj")))
    adapter = grafted.adapters["default"].to(device, dtype)
    with torch.no_grad():
        for parameter in adapter.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.02)
    pixels = torch.randn(items, 3, side, side, device=device, dtype=dtype)
    targets = torch.arange(items, device=device) % CLASSES
    head = torch.randn(CLASSES, width, device=device, dtype=dtype)

    def batch(rows: Tensor) -> tuple[Tensor, Tensor]:
        out = grafted({"image": {"pixel_values": pixels[rows]}}).outputs["image"].pooler_output
        return linear(normalize(out, dim=-1), head), targets[rows]

    return TrainingView(
        dict(adapter.named_parameters()),
        lambda: batch(torch.arange(items))[0],
        targets,
        lambda logits, against: cross_entropy(logits, against, reduction="none"),
        None,
        torch.Generator().manual_seed(0),
        batch=batch,
    )


def by_a_loop(view: TrainingView) -> Fisher:
    """A forward and a backward pass an item; in a graph, where an item hears others, a forward pass of all."""
    sums = {name: torch.zeros_like(one) for name, one in view.parameters.items()}
    for row in range(view.items):
        if view.batch is None:
            losses = view.losses(view.logits(), view.targets)[row : row + 1]
        else:
            losses = view.losses(*view.batch(torch.tensor([row], device=view.targets.device)))
        _add(sums, view, losses.sum())
    return {name: total / view.items for name, total in sums.items()}


def batched(view: TrainingView) -> Fisher:
    """All logits at once, batched backward passes: what ``ewc`` did before."""
    losses = view.losses(view.logits(), view.targets)
    sums = {name: torch.zeros_like(one) for name, one in view.parameters.items()}
    each = torch.eye(len(losses), device=losses.device, dtype=losses.dtype)
    for chunk in torch.split(each, CHUNK):
        found = torch.autograd.grad(
            losses, list(view.parameters.values()), chunk, retain_graph=True, is_grads_batched=True, allow_unused=True
        )
        for total, gradient in zip(sums.values(), found, strict=True):
            total += 0 if gradient is None else gradient.square().sum(dim=0)
    return {name: total / len(losses) for name, total in sums.items()}


def transformed(view: TrainingView) -> Fisher:
    """``torch.func`` for every parameter."""
    stateless = view.stateless
    assert stateless is not None, "it is measured where there is one"
    of_items = vmap(grad(lambda at, row: view.losses(stateless(at, row), view.targets[row]).sum()), in_dims=(None, 0))
    parameters = {name: one.detach() for name, one in view.parameters.items()}
    sums = {name: torch.zeros_like(one) for name, one in parameters.items()}
    for rows in torch.split(torch.arange(view.items, device=view.targets.device)[:, None], CHUNK):
        for name, gradient in of_items(parameters, rows).items():
            sums[name] += gradient.square().sum(dim=0)
    return {name: total / view.items for name, total in sums.items()}


def eight_in_turn(view: TrainingView) -> Fisher:
    """A forward pass of eight items, and eight backward passes through its graph."""
    assert view.batch is not None, "it is measured where there is one"
    sums = {name: torch.zeros_like(one) for name, one in view.parameters.items()}
    for rows in torch.split(torch.arange(view.items, device=view.targets.device), 8):
        for loss in view.losses(*view.batch(rows)).unbind():
            _add(sums, view, loss)
    return {name: total / view.items for name, total in sums.items()}


def _add(sums: Fisher, view: TrainingView, loss: Tensor) -> None:
    found = torch.autograd.grad(loss, list(view.parameters.values()), retain_graph=True, allow_unused=True)
    for total, gradient in zip(sums.values(), found, strict=True):
        total += 0 if gradient is None else gradient.square()


def _called(fisher: Callable[[TrainingView], Fisher]) -> Callable[[TrainingView], Call]:
    return lambda view: partial(fisher, view)
