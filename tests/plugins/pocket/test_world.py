"""The pocket world: scenes, pictures, sounds and captions are what the ground truth says."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from graftwork.plugins.pocket.world.captions import WORDS, Caption, caption, describe, full_caption
from graftwork.plugins.pocket.world.picture import CELL, SIDE, paint, rgb_of
from graftwork.plugins.pocket.world.scene import (
    HUE_STEP,
    REACH,
    WORLD_COLOURS,
    WORLD_PLACES,
    WORLD_SHAPES,
    WORLD_SIZES,
    WORLD_TEXTURES,
    WorldObject,
    WorldScene,
    draw_object,
    draw_scene,
    move,
)
from graftwork.plugins.pocket.world.sounds import RATE, RHYTHMS, SAMPLES, TIMBRES, TONES, Sound, waveform

seeds = st.integers(0, 2**32)

DISC = WorldObject("circle", 5 * HUE_STEP, "plain", "large", 2)


def cell(picture: NDArray[np.uint8], place: int) -> NDArray[np.int64]:
    """The 16 x 16 pixels of one of nine places."""
    row, column = divmod(place, 3)
    return picture[row * CELL : (row + 1) * CELL, column * CELL : (column + 1) * CELL].astype(np.int64)


def inked(pixels: NDArray[np.int64], rgb: NDArray[np.float32]) -> int:
    """How many pixels have nearly that colour."""
    return int((np.abs(pixels - rgb).max(-1) < 30).sum())


class TestScenes:
    @given(seeds)
    def test_objects_have_places_of_their_own_and_stay_within_them(self, seed: int) -> None:
        """One to five objects, each in another cell, never further off its middle than its size allows."""
        random = Random(seed)
        scene = move(random, draw_scene(random))
        assert 1 <= len(scene.objects) <= 5
        assert len({thing.place for thing in scene.objects}) == len(scene.objects)
        assert all(max(abs(thing.dx), abs(thing.dy)) <= REACH[thing.size] for thing in scene.objects)

    @given(seeds)
    def test_a_seed_gives_one_scene(self, seed: int) -> None:
        """Two draws from one seed are equal, digest and all."""
        first, second = draw_scene(Random(seed)), draw_scene(Random(seed))
        assert (first, first.digest("image")) == (second, second.digest("image"))

    def test_values_are_drawn_evenly(self) -> None:
        """Shapes, colours, textures and sizes all come about equally often."""
        random = Random(0)
        things = [thing for _ in range(2000) for thing in draw_scene(random).objects]
        for values, known in (
            ((thing.shape for thing in things), WORLD_SHAPES),
            ((thing.colour for thing in things), WORLD_COLOURS),
            ((thing.texture for thing in things), WORLD_TEXTURES),
            ((thing.size for thing in things), WORLD_SIZES),
            ((WORLD_PLACES[thing.place] for thing in things), WORLD_PLACES),
        ):
            counts = Counter(values)
            assert set(counts) == set(known)
            assert max(counts.values()) < 1.25 * min(counts.values())

    def test_moving_changes_nothing_but_offsets_and_grain(self) -> None:
        """A moved scene has the same objects."""
        random = Random(3)
        scene = draw_scene(random, 4, 4)
        moved = move(random, scene)
        assert moved != scene
        still = [replace(thing, dx=0, dy=0) for thing in scene.objects]
        assert [replace(thing, dx=0, dy=0) for thing in moved.objects] == still

    @pytest.mark.parametrize(("hue", "name"), [(0, "red"), (49, "red"), (50, "orange"), (749, "pink"), (750, "red")])
    def test_a_hue_has_the_name_of_the_nearest_colour(self, hue: int, name: str) -> None:
        """Names change half way between two colours, around the circle."""
        assert replace(DISC, hue=hue).colour == name

    def test_digests_tell_scenes_apart_and_not_the_order_of_objects(self) -> None:
        """Every field counts; the order in which objects are listed does not."""
        scene = WorldScene((DISC, replace(DISC, place=4)))
        other = WorldScene(scene.objects[::-1])
        assert scene.digest("image") == other.digest("image")
        changes = {
            "shape": "star",
            "hue": 1,
            "texture": "dotted",
            "size": "small",
            "place": 8,
            "dx": 1,
            "dy": 1,
            "phase": 1,
        }
        changed = {WorldScene((replace(DISC, **{name: value}),)).digest("image") for name, value in changes.items()}
        assert len(changed | {WorldScene((DISC,)).digest("image"), WorldScene((DISC,), 7).digest("image")}) == 10


class TestPictures:
    @pytest.mark.parametrize("shape", WORLD_SHAPES)
    @pytest.mark.parametrize("place", [0, 4, 8])
    def test_an_object_is_where_and_what_it_is_said_to_be(self, shape: str, place: int) -> None:
        """A plain object's own cell holds its colour, and no other cell does."""
        thing = replace(DISC, shape=shape, place=place)
        picture = paint([WorldScene((thing,))])[0]
        colour = rgb_of(np.array([thing.hue]))[0]
        assert picture.shape == (SIDE, SIDE, 3)
        assert picture.dtype == np.uint8
        assert inked(cell(picture, place), colour) >= 35
        assert sum(inked(cell(picture, other), colour) for other in range(9) if other != place) == 0

    def test_areas_are_those_of_geometry(self) -> None:
        """A large disc of 13 pixels covers pi/4 of its box, a small one of 9 pixels likewise, edges aside."""
        for size, extent in (("large", 13), ("small", 9)):
            picture = paint([WorldScene((replace(DISC, size=size),), ground=0)])[0]
            share = (cell(picture, 2)[..., 2] / 230).clip(0, 1)
            share[share < 0.1] = 0
            assert share.sum() == pytest.approx(np.pi / 4 * extent**2, rel=0.06)

    def test_textures_differ_by_their_pale_share(self) -> None:
        """Half of a striped or checkered object is pale, a quarter of a dotted one, nothing of a plain one."""
        pale = {}
        for texture in WORLD_TEXTURES:
            picture = paint([WorldScene((replace(DISC, shape="square", texture=texture),))])[0]
            inside = cell(picture, 2)[3:-3, 3:-3]
            pale[texture] = (inside[..., 0] > 130).mean()
        assert pale["plain"] == 0
        assert pale["striped"] == pytest.approx(0.5, abs=0.12)
        assert pale["checkered"] == pytest.approx(0.5, abs=0.12)
        assert pale["dotted"] == pytest.approx(0.25, abs=0.12)

    def test_a_picture_follows_from_its_scene_alone(self) -> None:
        """The same bytes in any company, any order of objects."""
        random = Random(1)
        scenes = [draw_scene(random) for _ in range(20)]
        together = paint(scenes)
        for scene, picture in zip(scenes, together, strict=True):
            assert (paint([replace(scene, objects=scene.objects[::-1])])[0] == picture).all()

    def test_no_objects_no_ink(self) -> None:
        """A scene without objects is its ground and noise."""
        picture = paint([WorldScene((), ground=40)])[0]
        assert picture.mean() == pytest.approx(40, abs=0.5)
        assert picture.max() < 40 + 30

    @given(seeds)
    def test_objects_never_touch_the_cells_of_others(self, seed: int) -> None:
        """What lies in one cell is the same with the other objects gone."""
        scene = draw_scene(Random(seed), 2, 5)
        alone = WorldScene(scene.objects[:1], scene.ground, scene.grain)
        whole, part = paint([scene, alone])
        place = scene.objects[0].place
        assert (cell(whole, place) == cell(part, place)).all()


class TestSounds:
    @pytest.mark.parametrize("tone", TONES)
    def test_the_tone_is_the_loudest_frequency_of_a_flute(self, tone: str) -> None:
        """A steady flute's spectrum peaks within its detuning of the tone's pitch."""
        random = Random(0)
        for _ in range(20):
            heard = waveform(Sound(tone, "flute", "steady"), random).samples
            peak = np.abs(np.fft.rfft(heard * np.hanning(SAMPLES))).argmax() * RATE / SAMPLES
            assert abs(np.log2(peak / TONES[tone])) < 0.25

    def test_rhythms_have_their_onsets(self) -> None:
        """One onset when steady, four when pulsed or paired, ten when ticking."""
        onsets = {"steady": 1, "pulsed": 4, "paired": 4, "ticking": 10}
        for rhythm in RHYTHMS:
            heard = waveform(Sound("high", "reed", rhythm), Random(1)).samples
            loudness = np.sqrt((heard.reshape(-1, 128) ** 2).mean(1))
            threshold = 0.5 * loudness.max()
            rises = ((loudness[1:] >= threshold) & (loudness[:-1] < threshold)).sum() + (loudness[0] >= threshold)
            assert rises == onsets[rhythm], rhythm

    def test_timbres_can_be_told_from_their_spectra(self) -> None:
        """A linear probe on log band energies names the timbre, whatever tone and rhythm."""
        random = Random(2)
        sounds = [
            Sound(random.choice(list(TONES)), random.choice(list(TIMBRES)), random.choice(RHYTHMS)) for _ in range(900)
        ]
        spectra = np.stack([np.abs(np.fft.rfft(waveform(sound, random).samples)) for sound in sounds])
        bands = np.log(np.stack([part.mean(1) for part in np.array_split(spectra[:, 50:2500], 60, axis=1)], 1) + 1e-6)
        names = [sound.timbre for sound in sounds]
        probe = LinearDiscriminantAnalysis().fit(bands[:700], names[:700])
        assert probe.score(bands[700:], names[700:]) > 0.9

    @given(st.sampled_from(list(TONES)), st.sampled_from(list(TIMBRES)), st.sampled_from(RHYTHMS), seeds)
    def test_waveforms_are_in_range_and_repeat(self, tone: str, timbre: str, rhythm: str, seed: int) -> None:
        """float32 [10240] within [-1, 1], at 16 kHz; one seed, one sound; another seed, another."""
        sound = Sound(tone, timbre, rhythm)
        first, second, other = (waveform(sound, Random(number)) for number in (seed, seed, seed + 1))
        assert first.samples.dtype == np.float32
        assert first.samples.shape == (SAMPLES,)
        assert first.rate == 16_000
        assert 0.1 < np.abs(first.samples).max() <= 1
        assert (first.samples == second.samples).all()
        assert (first.samples != other.samples).any()

    def test_a_sound_belongs_to_shape_texture_and_size_and_nothing_else(self) -> None:
        """Colour and place are silent; shapes, textures and sizes all sound different."""
        random = Random(0)
        sounds = {
            (shape, texture, size): Sound.of(draw_object(random, random.randrange(9), shape, None, texture, size))
            for shape in WORLD_SHAPES
            for texture in WORLD_TEXTURES
            for size in WORLD_SIZES
        }
        assert len(set(sounds.values())) == len(sounds) == 40
        assert Sound.of(DISC) == Sound.of(replace(DISC, hue=0, place=7)) == Sound("low", "flute", "steady")


class TestCaptions:
    SCENE = WorldScene(
        (WorldObject("circle", 0, "striped", "large", 0), WorldObject("square", 500, "plain", "small", 4))
    )

    def test_a_full_caption_says_everything(self) -> None:
        """Checked by hand, in one of the orders."""
        said = {full_caption(self.SCENE, Random(seed)) for seed in range(50)}
        assert "a large red striped circle in the top left and a small blue square in the center" in said

    @given(seeds)
    def test_captions_are_true_and_of_the_closed_vocabulary(self, seed: int) -> None:
        """Every caption holds of its scene, in known words."""
        random = Random(seed)
        scene = draw_scene(random)
        said = describe(scene, random)
        assert said.holds(scene)
        assert set(said.text.split()) <= set(WORDS)
        assert set(caption(scene, random).split()) <= set(WORDS)

    def test_a_caption_is_false_of_another_scene(self) -> None:
        """One wrong word, and it does not hold; what is not said may be anything."""
        claims: Caption = Caption("", (("circle", "large", None, None, 0),))
        assert claims.holds(self.SCENE)
        for wrong in (
            ("square", "large", None, None, 0),
            ("circle", "small", None, None, 0),
            ("circle", None, None, None, 1),
        ):
            assert not Caption("", (wrong,)).holds(self.SCENE)

    def test_the_vocabulary_is_small(self) -> None:
        """At most 150 words, lower case, each once."""
        assert len(WORDS) == len(set(WORDS)) <= 150
        assert all(word.islower() and word.isalpha() for word in WORDS)
