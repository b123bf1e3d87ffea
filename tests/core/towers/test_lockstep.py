"""Towers in lock-step: the same numbers and gradients as one forward each, and no trace left behind."""

from __future__ import annotations

import gc
import weakref

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from graftwork.core.graft import Tower, TowerError, find_blocks, find_stop, lockstep, pair_blocks
from graftwork.plugins.encoders.open_clip.encoder import import_open_clip

from ...support.models.tower_models import FAMILIES, hidden, hooks_on, inputs, model

PAIRS = [
    ("CLIPVision", "CLIPText"),
    ("CLIPVision", "AST"),
    ("SiglipVision", "Bert"),
    ("ViT", "Bert"),
]


def towers_of(*families: str) -> list[Tower]:
    return [Tower.of(f"t{index}", model(family)) for index, family in enumerate(families)]


def calls_of(towers: list[Tower], families: tuple[str, ...]) -> dict:
    return {
        tower.name: lambda tower=tower, family=family: tower.model(**inputs(family))
        for tower, family in zip(towers, families, strict=True)
    }


def all_stops(towers: list[Tower], places=("block",), placement="sequential") -> dict:
    return {tower.name: tower.stops(range(len(tower.blocks)), places, placement) for tower in towers}


class TinyBlock(nn.Module):
    """X + W X, its hidden state first in a tuple or alone."""

    def __init__(self, width: int, as_tuple: bool) -> None:
        super().__init__()
        self.norm, self.linear, self.as_tuple = nn.LayerNorm(width), nn.Linear(width, width), as_tuple

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor]:
        out = x + self.linear(self.norm(x))
        return (out,) if self.as_tuple else out


class TinyTower(nn.Module):
    def __init__(self, width: int, depth: int, as_tuple: bool = False) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(TinyBlock(width, as_tuple) for _ in range(depth))

    def forward(self, x: Tensor) -> Tensor:
        for block in self.blocks:
            out = block(x)
            x = out[0] if isinstance(out, tuple) else out
        return x


@pytest.mark.parametrize("families", PAIRS)
@pytest.mark.parametrize("placement", ["parallel", "sequential"])
@pytest.mark.parametrize("places", [("block",), ("attention", "feed_forward")])
def test_updates_of_zero_leave_outputs_bit_equal(families, places, placement):
    """Whatever the architectures, stops alone change nothing."""
    towers = towers_of(*families)
    calls = calls_of(towers, families)
    met = []
    with torch.no_grad():
        plain = {name: hidden(call()) for name, call in calls.items()}
        out = lockstep(
            calls,
            all_stops(towers, places, placement),
            lambda meeting, states: met.append(meeting) or {n: torch.zeros_like(s) for n, s in states.items()},
        )
    assert met == list(range(3 * len(places)))
    for name in calls:
        assert torch.equal(hidden(out[name]), plain[name])


@pytest.mark.parametrize("placement", ["parallel", "sequential"])
def test_equals_two_towers_written_out_by_hand(placement):
    """Outputs and gradients are those of a hand-written loop over both towers, updates from pre-update states."""
    torch.manual_seed(0)
    left, right = TinyTower(4, 3).double(), TinyTower(6, 3, as_tuple=True).double()
    to_left, to_right = nn.Linear(6, 4).double(), nn.Linear(4, 6).double()
    x, y = torch.randn(2, 5, 4).double(), torch.randn(2, 5, 6).double()

    a, b = x, y
    for one, other in zip(left.blocks, right.blocks, strict=True):
        out_a, (out_b,) = one(a), other(b)
        read_a, read_b = (a, b) if placement == "parallel" else (out_a, out_b)
        a, b = out_a + to_left(read_b), out_b + to_right(read_a)
    parameters = [*left.parameters(), *right.parameters(), *to_left.parameters(), *to_right.parameters()]
    expected = torch.autograd.grad((a.sin().sum() + b.cos().sum()), parameters)

    towers = [Tower.of("l", left), Tower.of("r", right)]
    for parameter in parameters:
        parameter.requires_grad_(True)
    out = lockstep(
        {"l": lambda: left(x), "r": lambda: right(y)},
        all_stops(towers, placement=placement),
        lambda meeting, states: {"l": to_left(states["r"]), "r": to_right(states["l"])},
    )
    found = torch.autograd.grad((out["l"].sin().sum() + out["r"].cos().sum()), parameters)
    torch.testing.assert_close((out["l"], out["r"], *found), (a, b, *expected), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("families", [("CLIPVision", "AST", "Bert"), ("Bert",)])
def test_three_towers_and_one_alone(families):
    """Any number of towers may meet."""
    towers = towers_of(*families)
    seen = []
    lockstep(calls_of(towers, families), all_stops(towers), lambda k, states: seen.append(sorted(states)) or {})
    assert seen == [[tower.name for tower in towers]] * 3


@pytest.mark.parametrize("where", ["tower", "exchange"])
def test_an_exception_ends_all_towers_and_removes_every_hook(where):
    """It comes out as it was raised; the waiting towers unwind; the next run is as if nothing had been."""
    families = ("CLIPVision", "Bert")
    towers = towers_of(*families)
    calls = calls_of(towers, families)
    unwound = []

    def waiting():
        try:
            return calls["t0"]()
        finally:
            unwound.append(True)

    def failing():
        calls["t1"]()
        raise ZeroDivisionError("in the tower")

    def exchange(meeting, states):
        if where == "exchange" and meeting == 1:
            raise ZeroDivisionError("in the exchange")
        return {}

    with pytest.raises(ZeroDivisionError, match=where):
        lockstep({"t0": waiting, "t1": failing if where == "tower" else calls["t1"]}, all_stops(towers), exchange)
    assert unwound == [True]
    assert hooks_on(*(tower.model for tower in towers)) == 0
    assert len(lockstep(calls, all_stops(towers), lambda k, states: {})) == 2


def test_modes_of_torch_stay_where_they_belong():
    """no_grad and autocast inside one tower reach neither the other tower nor the exchange nor the caller."""
    torch.manual_seed(0)
    towers = [Tower.of("l", TinyTower(4, 2)), Tower.of("r", TinyTower(4, 2))]
    seen = {}

    def left():
        with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
            return towers[0].model(torch.randn(1, 3, 4))

    def right():
        out = towers[1].model(torch.randn(1, 3, 4, requires_grad=True))
        seen["right"] = (torch.is_grad_enabled(), torch.is_autocast_enabled("cpu"), out.requires_grad)
        return out

    def exchange(meeting, states):
        seen[meeting] = (torch.is_grad_enabled(), torch.is_autocast_enabled("cpu"))
        return {}

    out = lockstep({"l": left, "r": right}, all_stops(towers), exchange)
    assert seen == {0: (True, False), 1: (True, False), "right": (True, False, True)}
    assert not out["l"].requires_grad
    assert (torch.is_grad_enabled(), torch.is_autocast_enabled("cpu")) == (True, False)


def test_autocast_around_the_whole_holds_inside():
    """Under autocast blocks run in bfloat16 and updates are added in the state's dtype."""
    tower = Tower.of("l", TinyTower(4, 2))
    dtypes = []
    with torch.autocast("cpu", dtype=torch.bfloat16):
        lockstep(
            {"l": lambda: tower.model(torch.randn(1, 3, 4, dtype=torch.bfloat16))},
            all_stops([tower]),
            lambda k, states: dtypes.append(states["l"].dtype) or {"l": torch.zeros(1, 3, 4)},
        )
    assert dtypes == [torch.bfloat16] * 2


@pytest.mark.parametrize("place", ["block", "attention", "feed_forward"])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_model_nobody_wrote_code_for_works_by_its_name_alone(family, place):
    """Blocks and sub-layers found by structure: zeros change nothing, ones change the output."""
    tower = Tower.of("t", model(family))
    outputs = []
    for value, placement in ((None, "parallel"), (0.0, "parallel"), (1.0, "sequential")):
        stops = tower.stops(range(3), [place], placement)
        update = lambda k, states: {} if value is None else {"t": torch.full_like(states["t"], value)}  # noqa: B023, E731
        with torch.random.fork_rng(devices=()), torch.no_grad():
            torch.manual_seed(0)
            outputs.append(hidden(lockstep({"t": lambda: tower.model(**inputs(family))}, {"t": stops}, update)["t"]))
    assert torch.equal(outputs[0], outputs[1])
    assert not torch.equal(outputs[0], outputs[2])


@pytest.mark.parametrize("place", ["block", "attention", "feed_forward"])
@pytest.mark.parametrize("vision", [{}, {"block_type": "custom", "qk_norm": True}], ids=["plain", "custom"])
def test_open_clips_towers_meet_with_either_attention_class(vision, place):
    """It calls its blocks positionally, and its text tower is a part of the model: zeros change nothing, noise does."""
    sizes = {"image_size": 32, "layers": 3, "width": 32, "head_width": 16, "patch_size": 8}
    words = {"context_length": 8, "vocab_size": 64, "width": 32, "heads": 2, "layers": 3}
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(0)
        clip = import_open_clip().CLIP(embed_dim=16, vision_cfg={**sizes, **vision}, text_cfg=words).eval()
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randn(2, 3, 32, 32, generator=generator)
    ids = torch.randint(1, 60, (2, 8), generator=generator)
    towers = [Tower.of("image", clip.visual), Tower.of("text", clip.transformer)]
    calls = {"image": lambda: clip.encode_image(pixels), "text": lambda: clip.encode_text(ids)}
    with torch.no_grad():
        plain = {name: call() for name, call in calls.items()}
        for value, same in ((0.0, True), (1.0, False)):
            update = lambda k, states: {n: torch.randn_like(s) * value for n, s in states.items()}  # noqa: B023, E731
            out = lockstep(calls, all_stops(towers, [place], "parallel"), update)
            assert [torch.equal(out[name], plain[name]) for name in plain] == [same, same]


def test_another_call_of_the_same_model_in_between_is_left_alone():
    """Hooks answer only to their own run: an exchange may call a tower's model."""
    tower = Tower.of("l", TinyTower(4, 2))
    x = torch.randn(1, 3, 4)
    plain = tower.model(x)
    inner = []
    lockstep(
        {"l": lambda: tower.model(x)},
        all_stops([tower]),
        lambda k, states: inner.append(tower.model(x)) or {"l": torch.ones_like(states["l"])},
    )
    assert all(torch.equal(one, plain) for one in inner)


def test_nothing_is_kept_alive():
    """States are freed when the run is over, without the garbage collector's help."""
    tower = Tower.of("l", TinyTower(4, 2))
    kept = []
    gc.disable()
    try:
        lockstep(
            {"l": lambda: tower.model(torch.randn(1, 3, 4))},
            all_stops([tower]),
            lambda k, states: kept.append(weakref.ref(states["l"])) or {},
        )
        assert [one() for one in kept] == [None, None]
    finally:
        gc.enable()


def test_a_block_that_runs_twice_or_never_is_an_error():
    """The message names the stop."""

    class Looping(TinyTower):
        order = (0, 0, 1)

        def forward(self, x):
            for index in self.order:
                x = self.blocks[index](x)
            return x

    looping = Tower.of("l", Looping(4, 2))
    with pytest.raises(TowerError, match="l block 0 is reached where l block 1 should come"):
        lockstep({"l": lambda: looping.model(torch.randn(1, 3, 4))}, all_stops([looping]), lambda k, states: {})
    Looping.order = (0, 1, 1)
    with pytest.raises(TowerError, match="l block 1 runs a second time"):
        lockstep({"l": lambda: looping.model(torch.randn(1, 3, 4))}, all_stops([looping]), lambda k, states: {})
    Looping.order = (0,)
    with pytest.raises(TowerError, match="l block 1 is never reached"):
        lockstep({"l": lambda: looping.model(torch.randn(1, 3, 4))}, all_stops([looping]), lambda k, states: {})
    assert hooks_on(looping.model) == 0


def test_gradient_checkpointing_is_refused():
    """It would run a block again in the backward pass, without the other tower."""
    bert = model("Bert")
    bert.activation_checkpointing_enable()
    with pytest.raises(TowerError, match="checkpointing"):
        Tower.of("text", bert)


def test_blocks_are_found_by_structure_or_by_path():
    """The longest list of one class; a path names another; a wrong one is answered with the nearest."""
    clip = model("CLIPVision")
    assert len(find_blocks(clip)) == 3
    assert find_blocks(clip, "encoder.layers") == find_blocks(clip)
    with pytest.raises(TowerError, match=r"did you mean `encoder\.layers`"):
        find_blocks(clip, "encoder.layer")
    with pytest.raises(TowerError, match="no list of at least two blocks"):
        find_blocks(nn.Linear(2, 2))


def test_a_block_without_the_sublayer_is_an_error():
    """It lists what the block has."""
    with pytest.raises(TowerError, match=r'l block 0 attention: TinyBlock has no attention module .*take "block"'):
        find_stop("l", 0, TinyTower(4, 2).blocks[0], "attention", "parallel", 4)


def test_a_block_that_returns_something_unknown_is_an_error():
    """A dictionary is no hidden state."""

    class Odd(TinyBlock):
        def forward(self, x):
            return {"state": x}

    tower = TinyTower(4, 2)
    tower.blocks = nn.ModuleList(Odd(4, False) for _ in range(2))
    made = Tower.of("l", tower)
    with pytest.raises(TowerError, match="l block 0: Odd gives dict"):
        lockstep({"l": lambda: made.model(torch.randn(1, 3, 4))}, all_stops([made]), lambda k, states: {})


depths = st.lists(st.integers(2, 24), min_size=1, max_size=3)


@given(depths, st.sampled_from(["stride", "last_k"]), st.data())
def test_pairs_rise_and_end_with_the_last_blocks(sizes, layer_map, data):
    """Each tower is walked once from front to back, and the last blocks always meet."""
    count = data.draw(st.integers(1, min(sizes)))
    pairs = pair_blocks(sizes, layer_map, count)
    assert len(pairs) == count
    assert pairs[-1] == tuple(depth - 1 for depth in sizes)
    for indices in zip(*pairs, strict=True):
        assert sorted(set(indices)) == list(indices)
    assert min(pairs[0]) >= 0


@pytest.mark.parametrize(
    ("layer_map", "says"),
    [
        ("equal", "these have 3 and 6 blocks"),
        ([], "names no pair"),
        ([[0]], "names 1 blocks for 2 towers"),
        ([[0, 6]], "block 6 of a tower with blocks 0 to 5"),
        ([[1, 1], [0, 2]], "blocks must rise"),
        ([[0, 1], [1, 1]], "blocks must rise"),
    ],
)
def test_impossible_layer_maps_are_errors(layer_map, says):
    """The message says what does not fit."""
    with pytest.raises(TowerError, match=says):
        pair_blocks((3, 6), layer_map)
