"""What lock-step costs: two frozen towers at ViT-B width that meet and change nothing, against the towers alone."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from functools import partial
from typing import Any

import torch

from ..core.graft import lockstep
from ..core.towers.stop import Place, Placement
from ..core.towers.tower import Tower
from . import Progress, Setting
from .case import Call, Candidate, Case
from .measure import run_cases

PLACES: tuple[tuple[Place, Placement], ...] = (("block", "sequential"), ("attention", "parallel"))


def tables(setting: Setting, progress: Progress) -> Iterator[str]:
    """One table a place."""
    yield from run_cases("lockstep", cases(setting), setting, progress)


def cases(setting: Setting) -> list[Case]:
    """CLIP ViT-B/16's towers, forward without gradients."""
    batch = 1 if setting.quick else 2
    return [
        Case(
            f"Two towers, forward, batch {batch}, stops at every {place}, {placement}",
            partial(_inputs, setting.quick, batch, setting.device, place, placement),
            (Candidate("one after the other (limit)", _alone), Candidate("in lock-step", _together)),
            rounds=7,
        )
        for place, placement in PLACES
    ]


def _inputs(quick: bool, batch: int, device: str, place: Place, placement: Placement) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import transformers

    depth = 2 if quick else 12
    sizes = {"hidden_size": 768, "intermediate_size": 3072, "num_attention_heads": 12, "num_hidden_layers": depth}
    vision = transformers.CLIPVisionModel(transformers.CLIPVisionConfig(patch_size=16, **sizes)).to(device)
    text = transformers.CLIPTextModel(transformers.CLIPTextConfig(num_hidden_layers=depth)).to(device)
    towers = (Tower.of("image", vision), Tower.of("text", text))
    pixels = torch.randn(batch, 3, 224, 224, device=device)
    words = torch.randint(0, 1000, (batch, 77), device=device)
    calls = {"image": lambda: vision(pixel_values=pixels), "text": lambda: text(input_ids=words)}
    return calls, {tower.name: tower.stops(range(depth), [place], placement) for tower in towers}


def _alone(given: Any) -> Call:
    calls, _ = given
    return torch.no_grad()(lambda: {name: call() for name, call in calls.items()})


def _together(given: Any) -> Call:
    calls, stops = given
    return torch.no_grad()(lambda: lockstep(calls, stops, lambda meeting, states: {}))
