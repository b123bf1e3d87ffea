"""Adapters where towers meet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from ....registry.build import build
from ...graft.meetings import sized
from ...roles.layer_adapter import LayerAdapter, Updates
from ...roles.tower_specs import Meeting
from ..case import Case
from ..same import assert_same
from .modules import moved

#: Of each block that meets: stream to d of its hidden states, which grows in a tower of stages.
WIDTHS = ({"image": 48, "text": 40}, {"image": 56, "text": 40})
#: Stream to its number of tokens.
TOKENS = {"image": 5, "text": 6}
BATCH = 3
FROZEN = 10**6
CLOSE = 1e-5


def _meetings(case: Case) -> list[Meeting]:
    return [
        Meeting(dict.fromkeys(widths, f"{block}_{place}"), widths)
        for block, widths in enumerate(WIDTHS)
        for place in case.spec.places
    ]


def frozen() -> int:
    """Parameters that the towers are said to have."""
    return FROZEN


def make(case: Case, seed: int = 0) -> LayerAdapter:
    """For two meetings of an image and a text tower; a budget is one of a million frozen parameters."""
    meetings = _meetings(case)
    spec = sized(case.spec, meetings, FROZEN)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        assemble = lambda one, *arguments: build(object, case.catalogue, one, *arguments)  # noqa: E731
        made = build(LayerAdapter, case.catalogue, spec, meetings, assemble)
    assert isinstance(made, LayerAdapter), f"build gives a {type(made).__name__}, not a LayerAdapter"
    return made


def states(widths: Mapping[str, int] = WIDTHS[0]) -> dict[str, Tensor]:
    """Hidden states float32 [BATCH, N, d] of each stream."""
    generator = torch.Generator().manual_seed(7)
    return {name: torch.randn(BATCH, TOKENS[name], width, generator=generator) for name, width in widths.items()}


def _everywhere() -> dict[str, Tensor | None]:
    return dict.fromkeys(TOKENS)


def use(case: Case, module: nn.Module) -> Mapping[str, Tensor]:
    """Updates and losses at every meeting."""
    given: dict[str, Tensor] = {}
    for number, meeting in enumerate(_meetings(case)):
        updates = module(number, states(meeting.widths), _everywhere())
        given |= {f"{number}.{stream}": update for stream, update in updates.states.items()}
        given |= {f"{number}.{name}": loss for name, loss in updates.losses.items()}
    return given


def exercise(case: Case) -> Any:
    """Of a fresh one that was moved, for at the start all updates are zero."""
    return {name: value.detach() for name, value in use(case, moved(make(case)).eval()).items()}


def declared(case: Case) -> int | None:
    """By the spec."""
    meetings = _meetings(case)
    spec = sized(case.spec, meetings, FROZEN)
    return spec.graft_parameters([meeting.widths for meeting in meetings])


def updates(case: Case) -> None:
    """Losses are scalars."""
    given = moved(make(case)).eval()(0, states(), _everywhere())
    assert isinstance(given, Updates), f"it gives a {type(given).__name__}, not Updates"
    assert given.states, "it updates no stream"
    for stream, update in given.states.items():
        state = states()[stream]
        assert update.shape == state.shape, f"{stream}: the update of {list(state.shape)} is {list(update.shape)}"
        assert update.dtype == state.dtype, f"{stream}: the update of {state.dtype} is {update.dtype}"
    for name, loss in given.losses.items():
        assert loss.ndim == 0, f"loss {name} is {list(loss.shape)}, not a scalar"
        assert bool(loss.isfinite()), f"loss {name} is not finite"


def zero_at_start(case: Case) -> None:
    """At every meeting."""
    adapter = make(case).eval()
    for number, meeting in enumerate(_meetings(case)):
        for stream, update in adapter(number, states(meeting.widths), _everywhere()).states.items():
            assert not bool(update.any()), f"before training the update of {stream} at meeting {number} is not zero"


def absent_stream(case: Case) -> None:
    """Each in turn; what is left is updated, and with finite numbers."""
    adapter = moved(make(case)).eval()
    for stream, state in states().items():
        given = adapter(0, {stream: state}, {stream: None}).states
        assert set(given) <= {stream}, f"{stream} alone, and updates come for {sorted(given)}"
        for update in given.values():
            assert bool(update.isfinite().all()), f"{stream} alone, and its update is not finite"


def masked_tokens(case: Case) -> None:
    """In either stream; not even a NaN comes through."""
    adapter = moved(make(case)).eval()
    masks = {name: torch.arange(TOKENS[name]).expand(BATCH, -1) < TOKENS[name] - 2 for name in TOKENS}
    with torch.no_grad():
        before = adapter(0, states(), masks).states
        for junk in (5.0, float("nan")):
            other = {name: state.masked_fill(~masks[name][..., None], junk) for name, state in states().items()}
            for stream, update in adapter(0, other, masks).states.items():
                there = masks[stream]
                assert_same(update[there], before[stream][there], f"{junk} in masked tokens reaches {stream}", CLOSE)


def names_by_stream(case: Case) -> None:
    """So that equal indices of two towers never collide in a saved adapter."""
    for name, _ in make(case).named_parameters():
        of = [part for part in name.split(".") if part.split("_")[0] in TOKENS]
        assert of, f"parameter {name} says not whose stream it is; name modules by parameter_name(stream, stop)"
