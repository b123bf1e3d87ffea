"""Grafted towers in data-parallel training, gradient accumulation and mixed precision."""

from __future__ import annotations

import sys
from datetime import timedelta
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as processes
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel

from graftwork.core.graft import GraftedTowers, Tower, builder
from graftwork.plugins.adapters.hmmoe import HMMoESpec
from graftwork.plugins.adapters.lora import LoraSpec

from ...support.models.tower_models import hidden, inputs, model

SPECS = {
    # The balance loss is of a batch's mean shares, which two halves do not have in common.
    "hmmoe": HMMoESpec.model_validate({"rank": 4, "router": {"balance": 0.0, "z": 0.1}}),
    "top_1": HMMoESpec.model_validate({"rank": 4, "router": {"balance": 0.0, "top_k": 1}}),
    "lora": LoraSpec(rank=4),
}
FAMILIES = {"image": "CLIPVision", "text": "Bert"}
#: With a gate for single samples some experts of a process may hear nobody, and have no gradient there.
UNUSED = {"top_1"}


def grafted_of(name: str) -> GraftedTowers:
    grafted = GraftedTowers([Tower.of(tower, model(family, 2)) for tower, family in FAMILIES.items()])
    torch.manual_seed(0)
    grafted.add_adapter("a", SPECS[name], builder())
    with torch.no_grad():
        for parameter in grafted.parameters():
            parameter += 0.05 * torch.randn_like(parameter)
    return grafted.train()


def batch(rows: slice = slice(None)) -> dict[str, dict[str, Tensor]]:
    return {tower: {key: value[rows] for key, value in inputs(family, 4).items()} for tower, family in FAMILIES.items()}


def loss_of(out) -> Tensor:
    """A mean over the samples, so that means over halves average to the whole's."""
    return sum(hidden(one).sin().mean() for one in out.outputs.values()) + out.auxiliary_loss()


def gradients(grafted: torch.nn.Module) -> dict[str, Tensor]:
    return {
        name.removeprefix("module."): parameter.grad.clone()
        for name, parameter in grafted.named_parameters()
        if parameter.grad is not None
    }


def a_process(rank: int, folder: str) -> None:
    """One of two: its half of the batch, gradients averaged by DDP."""
    torch.set_num_threads(1)
    address = f"file://{folder}/meet"
    dist.init_process_group("gloo", init_method=address, rank=rank, world_size=2, timeout=timedelta(seconds=60))
    try:
        found = {}
        for name in SPECS:
            parallel = DistributedDataParallel(grafted_of(name), find_unused_parameters=name in UNUSED)
            loss_of(parallel(batch(slice(2 * rank, 2 * rank + 2)))).backward()
            found[name] = gradients(parallel)
        torch.save(found, f"{folder}/{rank}.pt")
    finally:
        dist.destroy_process_group()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="forks, so that nothing is imported twice")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_two_processes_have_the_gradients_of_one(tmp_path: Path) -> None:
    """DDP around the towers, each process with half the batch: the whole batch's gradients in both of them."""
    grafted_of("lora")  # imports peft once, here
    processes.start_processes(a_process, (str(tmp_path),), nprocs=2, start_method="fork")
    first, second = (torch.load(tmp_path / f"{rank}.pt") for rank in range(2))
    for name in SPECS:
        alone = grafted_of(name)
        loss_of(alone(batch())).backward()
        expected = gradients(alone)
        assert first[name].keys() == second[name].keys() >= expected.keys()
        for key, one in first[name].items():
            assert torch.equal(one, second[name][key])
            torch.testing.assert_close(one, expected.get(key, torch.zeros_like(one)), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", SPECS)
def test_gradients_of_parts_add_up_to_the_whole(name: str) -> None:
    """Gradient accumulation over micro-batches of different size, each weighted by its share."""
    grafted = grafted_of(name)
    loss_of(grafted(batch())).backward()
    whole = gradients(grafted)
    grafted.zero_grad(set_to_none=True)
    for rows in (slice(0, 1), slice(1, 4)):
        ((rows.stop - rows.start) / 4 * loss_of(grafted(batch(rows)))).backward()
    torch.testing.assert_close(gradients(grafted), whole, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", SPECS)
def test_bfloat16_autocast_gives_finite_gradients_near_the_exact_ones(name: str) -> None:
    """Parameters and gradients stay float32; every gradient points the way of the exact one."""
    grafted = grafted_of(name)
    loss_of(grafted(batch())).backward()
    exact = gradients(grafted)
    grafted.zero_grad(set_to_none=True)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = loss_of(grafted(batch()))
    loss.backward()
    rounded = gradients(grafted)
    assert all(one.dtype == torch.float32 and one.isfinite().all() for one in rounded.values())
    flat = [torch.cat([one.flatten() for one in found.values()]) for found in (exact, rounded)]
    assert torch.nn.functional.cosine_similarity(*flat, dim=0) > 0.98


@pytest.mark.parametrize("name", SPECS)
def test_no_grad_builds_no_graph_and_changes_no_number(name: str) -> None:
    """Evaluation inside training."""
    grafted = grafted_of(name)
    out = grafted(batch())
    with torch.no_grad():
        quiet = grafted(batch())
    for tower, one in quiet.outputs.items():
        assert not hidden(one).requires_grad
        assert hidden(out.outputs[tower]).requires_grad
        torch.testing.assert_close(hidden(one), hidden(out.outputs[tower]).detach(), rtol=1e-5, atol=1e-6)
