"""What an adapter inside towers will weigh, told before any tower is loaded."""

from __future__ import annotations

import subprocess
import sys

import pytest

from graftwork.core.graft import GraftedTowers, Tower, builder
from graftwork.core.graft.plan import plan_graft
from graftwork.core.roles import TowerShape
from graftwork.core.towers.errors import TowerError
from graftwork.plugins.adapters.hmmoe import HMMoESpec
from graftwork.plugins.adapters.lora import LoraSpec

from ...support.models.tower_models import model, vilt_streams

TWO = (TowerShape(("image",), 3, 32, 32), TowerShape(("text",), 4, 24, 24))


def two_towers() -> GraftedTowers:
    return GraftedTowers([Tower.of("image", model("CLIPVision")), Tower.of("text", model("Bert", 4, width=24))])


@pytest.mark.parametrize(
    "fields",
    [
        {"rank": 4},
        {"rank": 8, "ranks": {"text": 2}, "places": ["attention", "feed_forward"], "meetings": 2},
        {"rank": 4, "experts": [{"type": "unimodal"}], "layer_map": [[0, 1], [2, 3]]},
        {"budget": {"trainable_share": 0.3}, "experts": [{"type": "cross_attention", "latent": 3}]},
    ],
)
def test_the_plan_is_what_is_built(fields):
    """Every site's parameters, their sum, the share, and the rank that a budget found."""
    spec, grafted = HMMoESpec.model_validate(fields), two_towers()
    plan = plan_graft(spec, TWO, grafted.frozen_parameters())
    grafted.add_adapter("a", spec, builder())
    built = {name: sum(p.numel() for p in one.parameters()) for name, one in grafted.adapters["a"].grafts.items()}
    assert {f"{one.stream}_{one.block}_{one.place}": one.parameters for one in plan.sites} == built
    assert plan.parameters == sum(built.values())
    assert plan.trainable_share == grafted.trainable_share()
    assert plan.rank == grafted.spec("a").rank
    assert [one.meeting for one in plan.sites] == sorted(one.meeting for one in plan.sites)


def test_a_single_stream_model_has_a_site_for_each_of_its_streams():
    """Two streams of one tower meet at every block."""
    tower = Tower.of("vilt", model("Vilt"), streams=("text", "image"), split=vilt_streams)
    grafted, spec = GraftedTowers([tower]), HMMoESpec.model_validate({"rank": 4})
    grafted.add_adapter("a", spec, builder())
    plan = plan_graft(spec, [TowerShape(("text", "image"), 3, 32, 32)], grafted.frozen_parameters())
    assert plan.parameters == sum(p.numel() for p in grafted.parameters())
    assert [(one.stream, one.block) for one in plan.sites[:3]] == [("text", 0), ("image", 0), ("text", 1)]


def test_the_lines_say_site_by_site_and_the_whole():
    """As a person reads them."""
    spec = HMMoESpec.model_validate({"rank": 4, "experts": [{"type": "unimodal"}], "meetings": 1})
    assert plan_graft(spec, TWO, 100_000).lines() == (
        "meeting 0, image block 2 block: 292",
        "meeting 0, text block 3 block: 220",
        "the adapter alone 512, 0.51% of the 100,000 frozen in these towers, rank 4",
    )


def test_a_share_of_an_unknown_number_is_unknown():
    """The sites are there, their sizes are not; LoRA is known once the towers are loaded."""
    plan = plan_graft(HMMoESpec.model_validate({"budget": {"trainable_share": 0.1}}), TWO, None)
    assert (len(plan.sites), plan.parameters, plan.trainable_share, plan.rank) == (6, None, None, None)
    assert plan.lines()[0] == "meeting 0, image block 0 block: known once it is built"
    assert plan_graft(LoraSpec(), TWO, 1000) is None


@pytest.mark.parametrize(
    ("fields", "shapes", "says"),
    [
        ({"rank": 25}, TWO, "rank 25 is above the width 24 of stream `text`"),
        ({"rank": 4, "layer_map": "equal"}, TWO, "towers of one depth"),
        ({"budget": {"trainable_share": 1e-5}}, TWO, "too little"),
        ({"rank": 4}, [TowerShape(("image",), 0, 0, 32)], "none of these towers has blocks"),
    ],
)
def test_what_does_not_fit_is_told_before_anything_is_loaded(fields, shapes, says):
    """By the same checks and words as when it is built."""
    with pytest.raises(TowerError, match=says):
        plan_graft(HMMoESpec.model_validate(fields), shapes, 50_000)


def test_planning_imports_no_torch():
    """Nor peft, nor transformers."""
    code = (
        "import sys\n"
        "from graftwork.core.graft.plan import plan_graft\n"
        "from graftwork.core.roles import TowerShape\n"
        "from graftwork.registry.discovery import default_catalogue\n"
        "found = default_catalogue().find('adapter', 'hmmoe').spec.model_validate(\n"
        "    {'type': 'hmmoe', 'rank': 4}, context={'catalogue': default_catalogue()})\n"
        "shapes = [TowerShape(('image',), 3, 32, 32), TowerShape(('text',), 3, 24, 24)]\n"
        "assert plan_graft(found, shapes, 1000).parameters\n"
        "print(sorted({'torch', 'peft', 'transformers', 'numpy'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"
