"""What is promised of everything trainable: the kind's ``use`` says what it gives, ``declared`` how large it is."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import torch
from pydantic import ValidationError
from safetensors.torch import load, save
from torch import Tensor, nn

from ...towers.errors import TowerError
from ..case import Case
from ..outcome import NotApplicable
from ..same import assert_same
from .specs import required_of


def _use(case: Case, module: nn.Module) -> Mapping[str, Tensor]:
    with torch.random.fork_rng(devices=[]):  # dropout draws the same every time
        torch.manual_seed(1)
        given: Mapping[str, Tensor] = import_module(case.kind.module).use(case, module)
    return given


def trainable(module: nn.Module) -> dict[str, nn.Parameter]:
    """Its parameters that ask for a gradient."""
    return {name: parameter for name, parameter in module.named_parameters() if parameter.requires_grad}


def moved(module: nn.Module, seed: int = 1) -> nn.Module:
    """With every trainable parameter somewhere else, so that nothing hides behind a zero."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in trainable(module).values():
            parameter.add_(torch.randn(parameter.shape, generator=generator), alpha=0.3)
    return module


def parameter_count(case: Case) -> None:
    """What ``plan`` says beforehand is what is built."""
    declared: int | None = import_module(case.kind.module).declared(case)
    if declared is None:
        raise NotApplicable("its spec does not tell its parameters beforehand")
    built = _size(case)
    assert built == declared, f"the spec says {declared} trainable parameters, and {built} are built"


def budget(case: Case) -> None:
    """Half of what is built without one; what it cannot keep it refuses."""
    needed = required_of(case)
    frozen: int = import_module(case.kind.module).frozen()
    most = _size(case) // 2
    asked = {**needed, "budget": {"trainable_share": most / frozen}}
    try:
        case.validated(asked)
    except ValidationError as error:
        raise NotApplicable("its spec takes no budget beside its required fields") from error
    try:
        built = _size(Case(case.component, asked, case.kind, case.catalogue))
    except TowerError:
        return
    assert built <= most, (
        f"a budget of {most} trainable parameters, and {built} are built: find sizes that keep it, or raise TowerError"
    )


def _size(case: Case) -> int:
    return sum(parameter.numel() for parameter in trainable(case.make()).values())


def gradients(case: Case) -> None:
    """Within two steps, so that what stands before a projection that starts at zero has its gradient as well."""
    module = case.make().train()
    parameters = trainable(module)
    frozen = {name: one for name, one in module.named_parameters() if name not in parameters}
    before = {name: one.detach().clone() for name, one in frozen.items()}
    if not parameters:
        raise NotApplicable("nothing in it is trainable")
    reached: set[str] = set()
    for _ in range(3):
        module.zero_grad()
        _loss(_use(case, module)).backward()  # type: ignore[no-untyped-call]
        for name, parameter in parameters.items():
            if parameter.grad is not None:
                assert bool(parameter.grad.isfinite().all()), f"the gradient of {name} is not finite"
                if bool(parameter.grad.any()):
                    reached.add(name)
                with torch.no_grad():
                    parameter.sub_(0.1 * parameter.grad / parameter.grad.norm().clamp(min=1e-12))
    idle = [name for name in parameters if name not in reached]
    assert not idle, f"no gradient reaches {', '.join(idle)}: train it, or take it out (requires_grad_(False))"
    changed = [name for name, one in frozen.items() if not torch.equal(one, before[name])]
    assert not changed, f"{', '.join(changed)} is not trainable, and changes all the same"


def _loss(outputs: Mapping[str, Tensor]) -> Tensor:
    """A scalar that every number of every output has a weight of its own in."""
    generator = torch.Generator().manual_seed(2)
    terms = [
        (one * torch.randn(one.shape, generator=generator)).sum() + one.square().sum()
        for one in outputs.values()
        if one.requires_grad
    ]
    assert terms, "what it gives depends on no parameter"
    return torch.stack(terms).sum()


def state_dict(case: Case) -> None:
    """Whatever is learnt, also by ``fit``, is in it, under names and dtypes that safetensors takes."""
    module = moved(case.make()).eval()
    state = module.state_dict()
    strange = [name for name, value in state.items() if not isinstance(value, Tensor)]
    assert not strange, f"{', '.join(strange)} in the state dict is no tensor"
    saved = save({name: value.detach().clone().contiguous() for name, value in state.items()})
    other = _empty(case)
    other.load_state_dict(load(saved))
    again = other.eval().state_dict()
    assert_same({name: again[name] for name in sorted(again)}, {name: state[name] for name in sorted(state)}, "loaded")
    with torch.no_grad():
        assert_same(dict(_use(case, module)), dict(_use(case, other)), "the loaded one gives something else")


def _empty(case: Case) -> nn.Module:
    """Another one, of other initial values; heads come as they are before ``fit``."""
    kind: Any = import_module(case.kind.module)
    built: nn.Module = kind.make(case, seed=1, empty=True) if hasattr(kind, "EMPTY") else kind.make(case, seed=1)
    return built
