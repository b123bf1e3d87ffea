"""The pocket world's tasks: their labels are true, balanced, and need both modalities."""

from __future__ import annotations

import pickle
from collections import Counter, defaultdict
from collections.abc import Sequence
from functools import cache
from random import Random
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import ValidationError
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction import DictVectorizer

from graftwork.core.data.items import DatasetContent
from graftwork.plugins.datasets import PocketWorldSpec
from graftwork.plugins.datasets.pocket_world import PocketWorld
from graftwork.plugins.pocket.world.audio_visual import AV_ANSWERS, SHORT_ANSWERS
from graftwork.plugins.pocket.world.captions import WORDS
from graftwork.plugins.pocket.world.clip_questions import CLIP_ANSWERS
from graftwork.plugins.pocket.world.events import EVENT_CLASSES, Segment, draw_clip
from graftwork.plugins.pocket.world.questions import ANSWERS, CHANCE, KINDS, Asked, Question, draw_asked
from graftwork.plugins.pocket.world.retrieval import Captioned, content_of, draw_captioned
from graftwork.plugins.pocket.world.scene import WORLD_PLACES, WorldObject, WorldScene
from graftwork.plugins.pocket.world.sounds import SHAPE_OF
from graftwork.plugins.pocket.world.statements import TEMPLATES, Judged, Statement, draw_judged

DRAWN = ("events", "vqa", "nlvr2", "s4", "ms3", "audio_visual_qa", "audio_visual_qa_short", "clips_qa")
TASKS = (*DRAWN, "retrieval", "clips", "clips_often", "clips_twins")
#: How far above chance a probe may be.
MARGIN = 0.03
Features = dict[str, Any]


@cache
def content(task: Any, train: int = 300, val: int = 60, test: int = 100, seed: int = 0) -> DatasetContent:
    return PocketWorld(PocketWorldSpec(task=task, train=train, val=val, test=test, seed=seed)).load()


@cache
def clips() -> list[tuple[Segment, ...]]:
    return [draw_clip(Random(f"probe {number}")) for number in range(1500)]


@cache
def questions() -> list[Asked]:
    return [draw_asked(Random(f"probe {number}")) for number in range(5000)]


@cache
def statements() -> list[Judged]:
    return [judged for number in range(1000) for judged in draw_judged(Random(f"probe {number}"))]


@cache
def captioned_pictures() -> list[Captioned]:
    return draw_captioned(Random("probe"), 300, set())


def probe(seen: Sequence[Features], labels: Sequence[Any], asked: Sequence[Features]) -> NDArray[Any]:
    """What a random forest, which finds interactions, makes of ``asked`` after it learnt from ``seen``."""
    vectors = DictVectorizer(sparse=False)
    forest = RandomForestClassifier(60, min_samples_leaf=3, random_state=0)
    answered: NDArray[Any] = forest.fit(vectors.fit_transform(seen), labels).predict(vectors.transform(asked))
    return answered


def accuracy(features: Sequence[Features], labels: Sequence[Any], train: int) -> float:
    """Of the probe on all after the first ``train``."""
    return float((probe(features[:train], labels[:train], features[train:]) == np.array(labels[train:])).mean())


def seen_in(scene: WorldScene) -> Features:
    """All there is to see, in every form a probe might want: by place, by shape, and counted."""
    features: Features = {}
    for thing in scene.objects:
        where = WORLD_PLACES[thing.place]
        features |= {f"{where} shape": thing.shape, f"{where} colour": thing.colour, f"{where} size": thing.size}
        features |= {f"{thing.shape} colour": thing.colour, f"{thing.shape} texture": thing.texture}
        features |= {f"{thing.shape} size": thing.size, f"{thing.shape} place": where}
    counted = Counter(
        value for thing in scene.objects for value in (thing.shape, thing.colour, f"{thing.colour} {thing.shape}")
    )
    return {**features, **{f"number of {value}": number for value, number in counted.items()}}


class TestAnyTask:
    @pytest.mark.parametrize("task", TASKS)
    def test_items_are_the_same_wherever_they_are_listed(self, task: str) -> None:
        """The fingerprint is pinned: nothing depends on the machine, on numpy, or on the order of a set."""
        assert content(task, 12, 4, 8).fingerprint()[:16] == FINGERPRINTS[task]

    @pytest.mark.parametrize("task", TASKS)
    def test_sizes_are_as_said_and_ids_unique(self, task: str) -> None:
        """As many items as asked for, odd numbers too; no val where it is 0."""
        sizes = {split: len(items) for split, items in content(task, 7, 0, 5).splits.items()}
        assert sizes == {"train": 7, "test": 5}
        ids = [item.id for items in content(task).splits.values() for item in items]
        assert len(set(ids)) == len(ids) == 460

    @pytest.mark.parametrize("task", TASKS)
    def test_splits_share_no_picture(self, task: str) -> None:
        """No digest of a picture is in two splits."""
        pictures = {
            split: {view["image"].digest for item in items for view in item.views()}
            for split, items in content(task).splits.items()
        }
        assert len(set().union(*pictures.values())) == sum(map(len, pictures.values()))

    @pytest.mark.parametrize("task", TASKS)
    def test_another_seed_is_another_world(self, task: str) -> None:
        """Not one picture in common."""
        first, second = (
            {view["image"].digest for item in content(task, seed=seed).splits["train"] for view in item.views()}
            for seed in (0, 1)
        )
        assert not first & second

    @pytest.mark.parametrize("task", TASKS)
    def test_media_read_what_they_say(self, task: str) -> None:
        """Pictures of 48 x 48, sounds of 0.64 s, words of the closed vocabulary; read twice, the same; picklable."""
        for item in content(task).splits["train"][:20]:
            for view in item.views():
                for kind, media in view.items():
                    read = media.read()
                    if kind == "text":
                        assert set(read.split()) <= set(WORDS)
                    elif kind == "image":
                        assert (read.size, read.mode) == ((48, 48), "RGB")
                        assert read.tobytes() == pickle.loads(pickle.dumps(media)).read().tobytes()
                    else:
                        assert read.samples.shape == (10_240,)
                        assert (read.samples == pickle.loads(pickle.dumps(media)).read().samples).all()

    @pytest.mark.parametrize("task", DRAWN)
    def test_a_smaller_split_is_the_beginning_of_a_larger_one(self, task: str) -> None:
        """Items follow from seed, split and number: comparing sizes compares the same items."""
        small, large = content(task, 100).splits["train"], content(task, 300).splits["train"]
        assert [item.id for item in small] == [item.id for item in large[:100]]
        views = [[media.digest for view in item.views() for media in view.values()] for item in large[:100]]
        assert views == [[media.digest for view in item.views() for media in view.values()] for item in small]

    def test_class_names(self) -> None:
        """Four colours and background; the answers; false and true; none where pictures and captions are matched; what
        sounds, where it is cut out."""
        assert content("events").class_names == ("red", "yellow", "green", "blue", "background")
        assert content("vqa").class_names == ANSWERS
        assert content("nlvr2").class_names == ("false", "true")
        assert all(content(task).class_names == () for task in ("retrieval", "clips", "clips_often"))
        assert content("s4").class_names == content("ms3").class_names == ("what sounds",)
        assert content("audio_visual_qa").class_names == AV_ANSWERS
        assert content("audio_visual_qa_short").class_names == SHORT_ANSWERS
        assert content("clips_qa").class_names == CLIP_ANSWERS

    @pytest.mark.parametrize("wrong", [{}, {"task": "music"}, {"task": "vqa", "train": 0}, {"task": "vqa", "seed": -1}])
    def test_a_spec_that_makes_no_sense_is_refused(self, wrong: dict[str, Any]) -> None:
        """The task is named, sizes and seeds are in range."""
        with pytest.raises(ValidationError):
            PocketWorldSpec(**wrong)


class TestEvents:
    TRAIN = 4 * 700

    @staticmethod
    def heard(clip: Sequence[Segment], at: int) -> Features:
        """All sounds of the clip, with the segment's own first."""
        order = [clip[at], *clip[:at], *clip[at + 1 :]]
        return {
            f"{number} {name}": getattr(part.sound, name)
            for number, part in enumerate(order)
            for name in ("timbre", "rhythm", "tone")
        }

    def test_every_class_is_as_frequent(self) -> None:
        """A fifth each, within four standard errors."""
        counts = np.bincount([part.label for clip in clips() for part in clip]) / (4 * len(clips()))
        assert np.abs(counts - 0.2).max() < 4 * np.sqrt(0.2 * 0.8 / (4 * len(clips())))

    def test_labels_are_the_colour_of_the_shape_that_sounds(self) -> None:
        """From picture and sound together the label follows, without exception."""
        for clip in clips():
            for part in clip:
                colours = {thing.shape: thing.colour for thing in part.scene.objects}
                assert len(colours) == 4
                assert EVENT_CLASSES[part.label] == colours.get(SHAPE_OF[part.sound.timbre], "background")

    def test_each_modality_alone_is_at_chance_and_both_are_not(self) -> None:
        """A probe on all there is to hear in the clip, on all there is to see, and on what joins them."""
        labels = [part.label for clip in clips() for part in clip]
        sound = [self.heard(clip, at) for clip in clips() for at in range(4)]
        sight = [seen_in(part.scene) for clip in clips() for part in clip]
        both = [
            {"colour": seen.get(f"{SHAPE_OF[heard['0 timbre']]} colour", "none")}
            for heard, seen in zip(sound, sight, strict=True)
        ]
        assert accuracy(sound, labels, self.TRAIN) < 0.2 + MARGIN
        assert accuracy(sight, labels, self.TRAIN) < 0.2 + MARGIN
        assert accuracy(both, labels, self.TRAIN) == 1

    def test_items_carry_four_passes_and_labels(self) -> None:
        """Every pass has its own picture and sound."""
        for item in content("events").splits["test"]:
            assert [set(view) for view in item.views()] == [{"image", "audio"}] * 4
            assert isinstance(item.target, tuple)
            assert len(item.target) == 4
            assert len({view["image"].digest for view in item.views()}) == 4


class TestQuestions:
    TRAIN = 3000
    SCENE = WorldScene(
        (
            WorldObject("circle", 0, "plain", "large", 0),
            WorldObject("star", 500, "plain", "small", 2),
            WorldObject("star", 5, "dotted", "small", 7),
        )
    )

    @pytest.mark.parametrize(
        ("question", "text", "answer"),
        [
            (Question("exists", ("red", "star")), "is there a red star", "yes"),
            (Question("exists", ("blue", "circle")), "is there a blue circle", "no"),
            (Question("colour", ("circle",)), "what color is the circle", "red"),
            (Question("place", ("top right",)), "what shape is in the top right", "star"),
            (Question("place", ("top left",)), "what shape is in the top left", "circle"),
            (Question("count", ("red",)), "how many red objects are there", "two"),
            (Question("count", ("green",)), "how many green objects are there", "zero"),
            (Question("relation", ("below", "circle")), "what shape is below the circle", "star"),
        ],
    )
    def test_questions_checked_by_hand(self, question: Question, text: str, answer: str) -> None:
        """A red circle in the top left, a blue star in the top right, a red star at the bottom."""
        assert (question.text(), question.answer(self.SCENE)) == (text, answer)

    def test_scores_are_those_of_ten_annotators(self) -> None:
        """Two of ten: 2/3; three or more: 1."""
        asked = Asked(self.SCENE, Question("colour", ("circle",)), {"red": 8, "orange": 2})
        assert asked.scores() == {ANSWERS.index("red"): 1.0, ANSWERS.index("orange"): pytest.approx(2 / 3)}

    def test_scores_are_in_range_and_some_answer_is_right(self) -> None:
        """Ten annotators, scores within (0, 1], a best answer of score 1."""
        for asked in questions():
            assert sum(asked.said.values()) == 10
            assert all(0 < score <= 1 for score in asked.scores().values())
            assert max(asked.scores().values()) == 1

    def test_annotators_disagree_near_the_border_of_two_colours_alone(self) -> None:
        """A middle hue is certain; all answers but the best are those of neighbouring hues; they are a real share."""
        colours = [asked for asked in questions() if asked.question.kind == "colour"]
        unsure = 0
        for asked in colours:
            (thing,) = (thing for thing in asked.scene.objects if thing.shape == asked.question.about[0])
            off = (thing.hue + 50) % 100 - 50
            unsure += len(asked.said) > 1
            if abs(off) < 34:
                assert set(asked.said) == {thing.colour}
        assert 0.05 < unsure / len(colours) < 0.3

    def test_kinds_have_their_shares(self) -> None:
        """Within four standard errors."""
        counts = Counter(asked.question.kind for asked in questions())
        for kind, share in KINDS.items():
            assert abs(counts[kind] / len(questions()) - share) < 4 * np.sqrt(share * (1 - share) / len(questions()))

    @pytest.mark.parametrize("kind", KINDS)
    def test_answers_of_a_kind_are_balanced(self, kind: str) -> None:
        """The most frequent true answer is hardly more frequent than chance."""
        answers = Counter(asked.question.answer(asked.scene) for asked in questions() if asked.question.kind == kind)
        # What is left of the star is one of four shapes; over all such questions there are five.
        expected = 1 / 5 if kind == "relation" else CHANCE[kind]
        assert max(answers.values()) / answers.total() < expected + 0.05

    def test_each_modality_alone_is_near_chance_and_both_are_not(self) -> None:
        """The words earn what the best answer of each kind earns; the picture what "no" earns."""
        best = [max(asked.said, key=asked.said.__getitem__) for asked in questions()]
        words = [
            {"kind": asked.question.kind, "text": asked.question.text(), **dict.fromkeys(asked.question.about, 1)}
            for asked in questions()
        ]
        sight = [seen_in(asked.scene) for asked in questions()]
        test = questions()[self.TRAIN :]
        by_words = probe(words[: self.TRAIN], best[: self.TRAIN], words[self.TRAIN :])
        by_sight = probe(sight[: self.TRAIN], best[: self.TRAIN], sight[self.TRAIN :])
        assert self.score(by_words, test) < self.best_by_kind(test) + MARGIN
        assert self.score(by_sight, test) < self.score(["no"] * len(test), test) + MARGIN
        assert self.score([asked.question.answer(asked.scene) for asked in test], test) > 0.97

    def test_the_best_answer_of_each_kind_earns_little_more_than_the_balance_of_answers(self) -> None:
        """0.3175 where annotators agree; what they share out among several answers adds a few points."""
        balance = sum(KINDS[kind] * CHANCE[kind] for kind in KINDS)
        assert balance == pytest.approx(0.3175)
        assert self.best_by_kind(questions()) < balance + 0.05

    def best_by_kind(self, asked: Sequence[Asked]) -> float:
        """The score of who always gives the best answer of the kind of question (no shape is beside itself)."""
        total = 0.0
        for kind in KINDS:
            some = [one for one in asked if one.question.kind == kind]
            best = max(self.score([answer] * len(some), some) for answer in ANSWERS)
            total += len(some) * (best * 5 / 4 if kind == "relation" else best)
        return total / len(asked)

    def test_questions_and_answers_are_of_the_closed_vocabulary(self) -> None:
        """All words are known."""
        assert {word for asked in questions() for word in asked.question.text().split()} <= set(WORDS)
        assert set(ANSWERS) <= set(WORDS)

    @staticmethod
    def score(answers: Sequence[str], asked: Sequence[Asked]) -> float:
        """Mean VQA score."""
        scores = [one.scores().get(ANSWERS.index(answer), 0.0) for answer, one in zip(answers, asked, strict=True)]
        return float(np.mean(scores))


class TestStatements:
    TRAIN = 4 * 500
    LEFT = WorldScene((WorldObject("circle", 0, "plain", "large", 0), WorldObject("star", 500, "plain", "small", 2)))
    RIGHT = WorldScene((WorldObject("circle", 500, "plain", "small", 4), WorldObject("square", 0, "plain", "small", 1)))

    @pytest.mark.parametrize(
        ("statement", "text", "truth"),
        [
            (Statement("one in total", "star"), "there is exactly one star in total", True),
            (Statement("one in total", "circle"), "there is exactly one circle in total", False),
            (Statement("one in total", colour="red"), "there is exactly one red object in total", False),
            (Statement("two in total", colour="red"), "there are exactly two red objects in total", True),
            (Statement("two in total", "square"), "there are exactly two squares in total", False),
            (
                Statement("same number", "circle"),
                "there are as many circles in the left picture as in the right picture",
                True,
            ),
            (
                Statement("different number", "cross"),
                "there are not as many crosses in the left picture as in the right picture",
                False,
            ),
            (
                Statement("in exactly one", "circle", "red"),
                "exactly one of the pictures contains a red circle",
                True,
            ),
            (
                Statement("in both or neither", "star", "orange"),
                "both pictures or neither of the pictures contain an orange star",
                True,
            ),
            (
                Statement("same quality", "circle", quality="color"),
                "the circle has the same color in both pictures",
                False,
            ),
            (
                Statement("different quality", "circle", quality="size"),
                "the circle has a different size in each picture",
                True,
            ),
        ],
    )
    def test_statements_checked_by_hand(self, statement: Statement, text: str, truth: bool) -> None:
        """Left a red circle and a blue star, right a blue circle and a red square."""
        assert (statement.text(), statement.holds(self.LEFT, self.RIGHT)) == (text, truth)

    def test_each_statement_and_each_pair_is_once_true_and_once_false_in_its_four(self) -> None:
        """The words alone, and the pictures alone, are exactly at 50 %."""
        for start in range(0, len(statements()), 4):
            truths: defaultdict[Any, list[int]] = defaultdict(list)
            for judged in statements()[start : start + 4]:
                truths[judged.statement].append(judged.truth)
                truths[judged.left, judged.right].append(judged.truth)
            assert len(truths) == 4
            assert all(sorted(found) == [0, 1] for found in truths.values())

    def test_one_picture_is_changed_and_the_other_kept(self) -> None:
        """Both pairs of a four share the left picture or the right one; either happens."""
        kept = Counter()
        for start in range(0, len(statements()), 4):
            one, other = statements()[start], statements()[start + 2]
            kept[one.left == other.left, one.right == other.right] += 1
        assert set(kept) == {(True, False), (False, True)}

    def test_statements_are_of_the_closed_vocabulary(self) -> None:
        """All words are known, whatever the template and what it speaks of."""
        assert {word for judged in statements() for word in judged.statement.text().split()} <= set(WORDS)

    def test_every_template_comes(self) -> None:
        """Each of the eight about as often."""
        counts = Counter(judged.statement.template for judged in statements())
        assert set(counts) == set(TEMPLATES)
        assert max(counts.values()) < 1.5 * min(counts.values())

    @staticmethod
    def asked_of(judged: Judged, *pictures: str) -> Features:
        """The statement, and of these pictures everything, with what the statement asks for by name."""
        said = judged.statement
        features: Features = {"template": said.template, "text": said.text(), "quality": said.quality}
        for name in pictures:
            scene = getattr(judged, name)
            things = [t for t in scene.objects if said.shape in ("", t.shape) and said.colour in ("", t.colour)]
            features |= {f"{name} {key}": value for key, value in seen_in(scene).items()}
            features |= {f"{name} asked": len(things), f"{name} objects": len(scene.objects)}
            if things:
                features |= {f"{name} {key}": getattr(things[0], key) for key in ("colour", "size", "texture")}
        return features

    @pytest.mark.parametrize("picture", ["left", "right"])
    def test_the_words_with_one_picture_are_at_chance(self, picture: str) -> None:
        """Even a probe that is handed the number asked for in that picture stays at 50 %."""
        truths = [judged.truth for judged in statements()]
        one = [self.asked_of(judged, picture) for judged in statements()]
        assert accuracy(one, truths, self.TRAIN) < 0.5 + MARGIN

    def test_words_alone_and_pictures_alone_are_at_chance(self) -> None:
        """No probe of a test set does better than 50 %."""
        truths = [judged.truth for judged in statements()]
        words = [self.asked_of(judged) for judged in statements()]
        sight = [
            {
                f"{side} {key}": value
                for side in ("left", "right")
                for key, value in seen_in(getattr(judged, side)).items()
            }
            for judged in statements()
        ]
        assert accuracy(words, truths, self.TRAIN) < 0.5 + MARGIN
        assert accuracy(sight, truths, self.TRAIN) < 0.5 + MARGIN

    def test_the_words_with_both_pictures_tell(self) -> None:
        """A probe on what is asked for in each of them learns the relations."""
        counted = [judged for judged in statements() if not judged.statement.quality]
        both = [
            {
                "template": judged.statement.template,
                **{side: str(self.asked_of(judged, side)[f"{side} asked"]) for side in ("left", "right")},
            }
            for judged in counted
        ]
        assert accuracy(both, [judged.truth for judged in counted], 1500) > 0.98

    def test_items_have_a_statement_and_two_pictures(self) -> None:
        """The text is shared, each pass has its picture; half of the targets are true."""
        items = content("nlvr2").splits["train"]
        for item in items:
            assert set(item.modalities) == {"text"}
            assert [set(own) for own in item.passes] == [{"image"}, {"image"}]
        assert Counter(item.target for item in items) == {0: 150, 1: 150}


class TestRetrieval:
    def test_a_caption_is_true_of_its_picture_alone(self) -> None:
        """By ground truth, over all pairs of a split."""
        for captioned in captioned_pictures():
            for caption in captioned.captions:
                assert [other.scene for other in captioned_pictures() if caption.holds(other.scene)] == [
                    captioned.scene
                ]

    def test_a_picture_has_two_different_captions(self) -> None:
        """And every caption is its picture's alone."""
        texts = [caption.text for captioned in captioned_pictures() for caption in captioned.captions]
        assert len(set(texts)) == len(texts) == 600

    def test_twins_differ_by_two_exchanged_colours(self) -> None:
        """The same shapes, places, sizes, and the same colours: only which has which differs."""
        for one, other in zip(captioned_pictures()[::2], captioned_pictures()[1::2], strict=True):
            assert [(t.shape, t.place, t.size) for t in one.scene.objects] == [
                (t.shape, t.place, t.size) for t in other.scene.objects
            ]
            assert sorted(t.hue for t in one.scene.objects) == sorted(t.hue for t in other.scene.objects)
            assert content_of(one.scene) != content_of(other.scene)

    def test_targets_number_the_pictures(self) -> None:
        """Both items of a picture have its number; another number, another picture."""
        pictures = defaultdict(set)
        for item in content("retrieval").splits["test"]:
            assert set(item.modalities) == {"image", "text"}
            pictures[item.target].add(item.modalities["image"].digest)
        assert set(pictures) == set(range(50))
        assert len({digest for digests in pictures.values() for digest in digests}) == 50

    def test_no_content_is_in_two_splits(self) -> None:
        """What is taken is not drawn again."""
        taken = {content_of(captioned.scene) for captioned in captioned_pictures()}
        more = draw_captioned(Random("probe"), 40, set(taken))
        assert not {content_of(captioned.scene) for captioned in more} & taken


FINGERPRINTS = {
    "events": "fcc86d8f2d30af3d",
    "vqa": "c1838cc232ecafef",
    "nlvr2": "7b97b66cf7665625",
    "retrieval": "8ade2e9adddc17e0",
    "s4": "f056489a1831c68a",
    "ms3": "cea871fd41bf261d",
    "audio_visual_qa": "ae8d7d1a38bab648",
    "audio_visual_qa_short": "661f847b483c740f",
    "clips_qa": "746c7b19322f1291",
    "clips": "8b4c236043b28e8d",
    "clips_often": "19f4b4bea6e3c925",
    "clips_twins": "ec31f2c8522a07bf",
}
