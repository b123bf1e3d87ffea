"""The renderer's ground truth is what the picture shows, and captions say nothing else."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest
import torch

from graftwork.plugins.pocket.scenes.captions import caption, claim_codes, holds, scene_codes
from graftwork.plugins.pocket.scenes.compose import Composer
from graftwork.plugins.pocket.scenes.fonts import FontPackage, MissingFontsError, find_fonts
from graftwork.plugins.pocket.scenes.render import draw_ink, paint, render
from graftwork.plugins.pocket.scenes.scene import COLOURS, COUNTS, PLACES, RELATIONS, Ground, Look, Scene, facts
from graftwork.plugins.pocket.scenes.stencils import CHARACTERS, StencilBank, build_bank

SHARP = Look(32, "bicubic", 0.0, 1.0, 0.0, 0.0)
ARRANGEMENTS = ("close-up", "single", "several", "pair", "bare")


@pytest.fixture(scope="module")
def bank() -> StencilBank:
    """Strokes and shapes only: needs no fonts."""
    return build_bank((), seed=0, digit_variants=8, letter_variants=3)


def shake(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def clean(scene: Scene) -> Scene:
    """The scene on a plain ground, seen sharply."""
    ground = dataclasses.replace(scene.ground, texture="plain")
    return dataclasses.replace(scene, ground=ground, look=SHARP)


def test_a_seed_gives_the_same_scenes_and_the_same_pictures(bank: StencilBank) -> None:
    first, again, other = (Composer(bank, seed).scenes(64) for seed in (5, 5, 6))
    assert first == again
    assert first != other
    assert torch.equal(render(first, bank, shake()), render(again, bank, shake()))


def test_pictures_have_their_documented_shape_and_range(bank: StencilBank) -> None:
    pictures = render(Composer(bank, 0).scenes(64), bank, shake(), side=48)
    assert pictures.shape == (64, 3, 48, 48)
    assert pictures.dtype == torch.float32
    assert pictures.min() >= 0
    assert pictures.max() <= 1


def test_every_character_and_shape_has_a_stencil_with_ink_inside(bank: StencilBank) -> None:
    assert set(CHARACTERS) <= set(bank.names)
    inked = (bank.fields.float() < 0.05).flatten(1).any(1)
    assert inked.all()


def test_a_thing_is_where_and_in_the_colour_that_its_facts_say(bank: StencilBank) -> None:
    composer = Composer(bank, 1)
    scenes = [clean(composer.scene("single")) for _ in range(80)]
    pictures = paint(scenes, bank, shake(), 64)
    for scene, picture in zip(scenes, pictures, strict=True):
        thing = scene.things[0]
        ground = torch.tensor(scene.ground.rgb)[:, None, None]
        changed = (picture - ground).abs().sum(0) > 0.5 * (torch.tensor(thing.rgb) - ground[:, 0, 0]).abs().sum()
        assert changed.any()
        ys, xs = (changed.nonzero().T + 0.5) / 64
        middle = torch.stack([xs.min() + xs.max(), ys.min() + ys.max()]) / 2
        # Warps, crops at the border and slanted ends move the box's middle a little.
        assert (middle - torch.tensor([thing.x, thing.y])).abs().max() < 0.3 * thing.extent + 0.03
        mean = picture[:, changed].mean(1)
        distances = {name: float((mean - torch.tensor(rgb)).abs().sum()) for name, rgb in COLOURS.items()}
        assert distances[thing.colour] < distances[scene.ground.colour]


def test_the_word_for_the_place_is_the_ninth_where_the_thing_stands(bank: StencilBank) -> None:
    composer, seen = Composer(bank, 2), set()
    for scene in (composer.scene("single") for _ in range(300)):
        thing, place = scene.things[0], facts(scene)[0].get("place")
        if place is None:
            continue
        seen.add(place)
        assert ("left" in place) == (thing.x < 0.38)
        assert ("right" in place) == (thing.x > 0.62)
        assert ("top" in place) == (thing.y < 0.38)
        assert ("bottom" in place) == (thing.y > 0.62)
    assert seen == set(PLACES)


def test_as_many_separate_things_are_drawn_as_the_count_says(bank: StencilBank) -> None:
    from scipy.ndimage import label

    composer = Composer(bank, 3)
    for scene in (composer.scene("several") for _ in range(60)):
        if scene.things[0].kind != "shape":  # an i is two blobs
            continue
        ink = draw_ink(scene.things, bank, shake(), 96).amax(0)[0] > 0.5
        blobs = np.bincount(label(ink.numpy())[0].ravel())[1:]
        # The sharp tips of a star may come off as specks.
        assert COUNTS[int((blobs > 30).sum()) - 1] == facts(scene)[0]["count"]


def test_relations_agree_with_the_positions(bank: StencilBank) -> None:
    composer, seen = Composer(bank, 4), set()
    for scene in (composer.scene("pair") for _ in range(100)):
        (first,), (second,) = scene.groups
        relation = facts(scene)[0].get("relation")
        if relation is None:
            continue
        seen.add(relation)
        truth = {"left of": first.x < second.x, "right of": first.x > second.x}
        truth |= {"above": first.y < second.y, "below": first.y > second.y}
        assert truth[relation]
    assert seen == set(RELATIONS)


@pytest.mark.parametrize(
    ("texture", "varies"),
    [("horizontally striped", "rows"), ("vertically striped", "columns"), ("plain", "nothing"), ("checkered", "both")],
)
def test_textures_run_the_way_their_name_says(bank: StencilBank, texture: str, varies: str) -> None:
    ground = Ground(texture, "red", COLOURS["red"], "blue", COLOURS["blue"], 0.25, 0.1)
    picture = paint([Scene((), ground, SHARP)], bank, shake(), 32)[0]
    down, across = picture.std(1).max() > 0.05, picture.std(2).max() > 0.05
    assert (bool(down), bool(across)) == {
        "rows": (True, False),
        "columns": (False, True),
        "nothing": (False, False),
        "both": (True, True),
    }[varies]


def test_a_low_resolution_look_leaves_no_more_detail_than_it_says(bank: StencilBank) -> None:
    scene = clean(Composer(bank, 7).scene("close-up"))
    coarse = dataclasses.replace(scene, look=dataclasses.replace(SHARP, resolution=8, interpolation="nearest"))
    sharp, blocks = (render([look], bank, shake()) for look in (scene, coarse))
    tiles = blocks[0].unfold(1, 4, 4).unfold(2, 4, 4)
    assert torch.allclose(tiles.amax((-1, -2)), tiles.amin((-1, -2)), atol=1e-6)
    assert not torch.equal(sharp, blocks)


def test_a_thicker_pen_means_more_ink(bank: StencilBank) -> None:
    thing = Composer(bank, 8).scene("close-up").things[0]
    thin, thick = (dataclasses.replace(thing, pen=pen, warp=0.0) for pen in (0.03, 0.08))
    assert draw_ink([thick], bank, shake(), 32).sum() > 1.5 * draw_ink([thin], bank, shake(), 32).sum()


@pytest.mark.parametrize("arrangement", ARRANGEMENTS)
def test_a_caption_is_true_of_its_scene(bank: StencilBank, arrangement: str) -> None:
    composer, words = Composer(bank, 9), np.random.default_rng(9)
    scenes = [composer.scene(arrangement) for _ in range(150)]  # type: ignore[arg-type]
    captions = [caption(scene, words) for scene in scenes]
    truth = holds(claim_codes([one.claim for one in captions]), scene_codes(scenes))
    assert truth.diagonal().all()


def test_every_colour_shape_and_place_word_in_a_caption_is_claimed(bank: StencilBank) -> None:
    composer, words = Composer(bank, 10), np.random.default_rng(10)
    for scene in composer.scenes(400):
        one = caption(scene, words)
        claimed = set(itertools.chain.from_iterable(noun.values() for noun in one.claim))
        spoken = set(one.text.replace(".", "").split())
        assert spoken & set(COLOURS) <= claimed
        held = set(itertools.chain.from_iterable(known.values() for known in facts(scene)))
        assert claimed <= held


def test_a_claim_is_false_of_a_scene_that_differs_in_what_it_says(bank: StencilBank) -> None:
    scene = Composer(bank, 11).scene("single")
    known = facts(scene)[0]
    other = next(colour for colour in COLOURS if colour != known["colour"])
    claims = claim_codes([({"what": known["what"], "colour": colour},) for colour in (known["colour"], other)])
    assert holds(claims, scene_codes([scene]))[:, 0].tolist() == [True, False]


def test_missing_fonts_are_named_with_the_command_that_installs_them() -> None:
    with pytest.raises(MissingFontsError, match=r"no-such\.ttf[\s\S]*apt-get install .*fonts-no-such"):
        find_fonts([FontPackage("fonts-no-such", "none", ("no-such.ttf",))])
