"""Stops in networks of stages: maps are read as tokens and written back, each block with a width of its own."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from graftwork.core.graft import Tower, TowerError, lockstep
from graftwork.core.towers.lockstep import walked
from graftwork.core.towers.maps import Layout

from ...support.models.staged_models import STAGED, call_of, pictures, staged_model
from ...support.models.tower_models import hooks_on

#: What reads in a block is not what it gives, where a stage begins inside one.
FIRST_BLOCKS_SHRINK = ("ResNet", "RegNet", "timm ResNet", "timm EfficientNet")


def plain(name: str) -> Tensor:
    """The output of the model alone."""
    with torch.no_grad():
        return call_of(name, staged_model(name))()


def met(name: str, value: float | None, placement: str = "sequential", places=("block",)) -> tuple[Tensor, list]:
    """The output with ``value`` added at every token of every stop, and the stops' shapes."""
    model, shapes = staged_model(name), []
    tower = Tower.of("image", model)
    stops = tower.stops(range(len(tower.blocks)), places, placement)

    def exchange(meeting: int, states: dict) -> dict:
        shapes.append(tuple(states["image"].shape))
        return {} if value is None else {"image": torch.full_like(states["image"], value)}

    with torch.no_grad():
        return lockstep({"image": call_of(name, model)}, {"image": stops}, exchange)["image"], shapes


@pytest.mark.parametrize("name", STAGED)
def test_every_block_of_every_stage_is_a_stop_of_its_own_width(name):
    """Zeros change nothing, to the bit; ones change the output; a state has a token for each position of the map."""
    same, shapes = met(name, 0.0)
    assert torch.equal(same, plain(name))
    assert not torch.equal(met(name, 1.0)[0], plain(name))
    assert [shape[2] for shape in shapes] == STAGED[name]
    counts = [shape[1] for shape in shapes]
    assert counts == sorted(counts, reverse=True)
    assert counts[0] > counts[-1]
    assert all(round(count**0.5) ** 2 == count for count in counts)


@pytest.mark.parametrize("name", [name for name in STAGED if not name.startswith(FIRST_BLOCKS_SHRINK)])
def test_a_block_that_keeps_its_shape_can_be_read_before_it_runs(name):
    """Placement `parallel`: zeros change nothing, to the bit."""
    assert torch.equal(met(name, 0.0, "parallel")[0], plain(name))
    assert not torch.equal(met(name, 1.0, "parallel")[0], plain(name))


@pytest.mark.parametrize("name", ["Swin", "Swinv2", "timm Swin", "timm Swin V2", "Segformer"])
@pytest.mark.parametrize("placement", ["parallel", "sequential"])
def test_a_transformer_of_stages_has_attention_and_feed_forward_too(name, placement):
    """At both nothing is changed, to the bit; a Swin's attention gives windows, of which there are more than items."""
    for places in (("feed_forward",), ("attention", "feed_forward")):
        same, shapes = met(name, 0.0, placement, places)
        assert torch.equal(same, plain(name))
    assert shapes[0][0] == (2 if name == "Segformer" else 2 * (16 // 4) ** 2)
    assert [shape[2] for shape in shapes[1::2]] == STAGED[name]


def test_reading_before_a_block_that_changes_the_shape_is_an_error():
    """It names the block, the widths, and what to take."""
    tower = Tower.of("image", staged_model("timm EfficientNet"))
    call = {"image": lambda: tower.model(**pictures("timm EfficientNet"))}
    stops = {"image": tower.stops([1], ["block"], "parallel")}
    with pytest.raises(TowerError, match=r'image block 1: EdgeResidual .* width 24 should be; take placement "seq'):
        lockstep(call, stops, lambda meeting, states: {})

    class Halving(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.norm = nn.Conv2d(4, 4, 2, stride=2), nn.BatchNorm2d(4)

        def forward(self, x: Tensor) -> Tensor:
            return self.norm(self.conv(x))

    halved = Tower.of("image", nn.Sequential(Halving(), Halving()))
    call = {"image": lambda: halved.model(torch.randn(2, 4, 8, 8))}
    stops = {"image": halved.stops([0], ["block"], "parallel")}
    assert lockstep(call, stops, lambda meeting, states: {})["image"].shape == (2, 4, 2, 2)
    with pytest.raises(TowerError, match=r"image block 0: Halving reads \[2, 64, 4\] and gives \[2, 16, 4\]"):
        lockstep(call, stops, lambda meeting, states: {"image": torch.zeros_like(states["image"])})
    assert hooks_on(halved.model) == 0


shapes = st.tuples(*(st.integers(1, 5) for _ in range(4)))


@settings(max_examples=60, deadline=None)
@given(shapes, st.booleans(), st.integers(0, 100))
def test_a_map_is_read_row_by_row_and_written_back_where_it_was_read(shape, first, seed):
    """Whatever its sides, as wide as high as deep included: position (i, j) is token i W + j, in either layout."""
    batch, width, rows, columns = shape
    generator = torch.Generator().manual_seed(seed)
    sizes = (batch, width, rows, columns) if first else (batch, rows, columns, width)
    state = torch.randn(sizes, generator=generator)
    module = nn.Conv2d(width, width, 1) if first else nn.Linear(width, width)
    layout = Layout.of(state, width, module)
    assert layout is not None
    tokens = layout.tokens(state)
    assert tokens.shape == (batch, rows * columns, width)
    update = torch.randn(tokens.shape, generator=generator)
    added = layout.added(state, update)
    assert (added.shape, added.stride()) == (state.shape, state.stride())
    for i in range(rows):
        for j in range(columns):
            at = (slice(None), slice(None), i, j) if first else (slice(None), i, j)
            assert torch.equal(tokens[:, i * columns + j], state[at])
            assert torch.equal(added[at], state[at] + update[:, i * columns + j])


def test_a_state_of_another_width_is_none_of_the_tower():
    """Neither tokens nor a map."""
    assert Layout.of(torch.zeros(2, 5, 4), 8, nn.Linear(4, 4)) is None
    assert Layout.of(torch.zeros(2, 4, 5, 6), 8, nn.Conv2d(4, 4, 1)) is None
    assert Layout.of(torch.zeros(2, 8, 4), 8, nn.Linear(4, 4)) is None


@pytest.mark.parametrize("name", ["ConvNext", "timm EfficientNet", "timm Swin"])
def test_a_walk_past_every_stop_gives_what_the_model_gives(name):
    """And says which block is none."""
    model = staged_model(name)
    tower = Tower.of("image", model)
    found = walked(tower, pictures(name))
    assert torch.equal(found if isinstance(found, Tensor) else found.last_hidden_state, call_of(name, model)())
    wrong = Tower("image", model, tower.blocks, [width + 1 for width in tower.widths])
    with pytest.raises(TowerError, match=r"image block 0: .* where one of width \d+ should be"):
        walked(wrong, pictures(name))


def test_the_width_of_a_tower_whose_width_changes_is_each_blocks_own():
    """One that asks for a single one is told."""
    tower = Tower.of("image", staged_model("Swin"))
    with pytest.raises(TowerError, match="image: its blocks are of widths 16 to 32; `widths` has that of each"):
        _ = tower.width
    one = Tower.of("image", staged_model("Swin"), blocks="encoder.layers.1.blocks")
    assert (one.width, one.widths) == (32, [32, 32])
