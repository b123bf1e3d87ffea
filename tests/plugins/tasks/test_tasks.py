"""Tasks inside towers: losses and metrics against counts by hand, torchmetrics, and what must hold of any logits."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise, permutations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torchmetrics.classification import MulticlassAccuracy
from torchmetrics.retrieval import RetrievalHitRate

from graftwork.core.data.items import DataError, DatasetContent, Item, Media, Target
from graftwork.core.roles import Task
from graftwork.core.roles.task import figures_by
from graftwork.core.spec.load_spec import spec_from_dict
from graftwork.plugins.tasks import AudioVisualQaSpec, EventsSpec, Nlvr2Spec, RetrievalSpec, VqaSpec
from graftwork.plugins.tasks.audio_visual_qa import AudioVisualQa
from graftwork.plugins.tasks.events import Events
from graftwork.plugins.tasks.nlvr2 import Nlvr2
from graftwork.plugins.tasks.retrieval import Retrieval, mean_ranks
from graftwork.plugins.tasks.vqa import Vqa
from graftwork.registry.errors import SpecError

seeds = st.integers(0, 2**20)
VQA, NLVR2, EVENTS, RETRIEVAL = Vqa(VqaSpec()), Nlvr2(Nlvr2Spec()), Events(EventsSpec()), Retrieval(RetrievalSpec())


def drawn(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def gaussian(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=drawn(seed), dtype=torch.float64)


def pair(image: str, text: str, id_: str = "pair") -> Item:
    return Item(id_, {"image": Media.of_text(image), "text": Media.of_text(text)}, 0)


def clip(target: Target | None, segments: int) -> Item:
    return Item("clip", {}, target, tuple({"audio": Media.of_text(str(one))} for one in range(segments)))


def statement(text: str, target: Target | None, pictures: int = 2) -> Item:
    passes = tuple({"image": Media.of_text(str(one))} for one in range(pictures))
    return Item("statement", {"text": Media.of_text(text)}, target, passes)


def question(target: Target | None) -> Item:
    return Item("q1", {}, target)


# -- vqa ---------------------------------------------------------------------------------------------------------------


def test_vqa_targets_are_soft_scores() -> None:
    """A row an item; a single class is that answer with score 1; answers outside the vocabulary leave zeros."""
    found = VQA.targets([question({0: 1.0, 2: 0.3}), question(1), question({})], 3)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, torch.tensor([[1.0, 0, 0.3], [0, 1, 0], [0, 0, 0]]))


@pytest.mark.parametrize(
    ("target", "said"),
    [
        (None, "question q1 has no answers"),
        ((0, 1), "maps answers to scores"),
        ({3: 1.0}, "answer 3 has score 1.0; answers are 0..2"),
        ({0: 1.5}, "answer 0 has score 1.5"),
        (-1, "answer -1"),
    ],
)
def test_vqa_refuses_what_are_no_soft_scores(target: Target | None, said: str) -> None:
    """The question is named, and what is wrong."""
    with pytest.raises(DataError, match=said):
        VQA.targets([question(target)], 3)


def test_vqa_losses_are_summed_binary_cross_entropies() -> None:
    """-s log p - (1 - s) log(1 - p) with p the logistic function, summed over the answers, by hand."""
    logits, targets = torch.tensor([[2.0, -1.0]]), torch.tensor([[1.0, 0.3]])
    first, second = (1 / (1 + math.exp(-value)) for value in (2.0, -1.0))
    expected = -math.log(first) - 0.3 * math.log(second) - 0.7 * math.log(1 - second)
    torch.testing.assert_close(VQA.losses(logits, targets), torch.tensor([expected]))


def test_vqa_metrics_are_hand_counts() -> None:
    """Answers given score 1, 0.3, 0 and, for the question none of whose answers is known, 0; one of four is best."""
    targets = torch.tensor([[1.0, 0.3, 0], [1.0, 0.3, 0], [0, 0.6, 0], [0, 0, 0]])
    logits = torch.tensor([[5.0, 0, 0], [0, 5.0, 0], [5.0, 0, 0], [5.0, 0, 0]])
    found = VQA.metrics(logits, targets)
    assert found["vqa_score"] == pytest.approx((1 + 0.3) / 4)
    assert found["accuracy"] == 0.25
    assert found["loss"] == pytest.approx(VQA.losses(logits, targets).mean().item())


@given(seeds, st.integers(2, 6))
def test_vqa_accuracy_over_single_answers_is_torchmetrics(seed: int, classes: int) -> None:
    """With one answer a question, score and accuracy are both the multi-class accuracy."""
    right = torch.randint(classes, (40,), generator=drawn(seed))
    logits = gaussian(40, classes, seed=seed + 1)
    found = VQA.metrics(logits, VQA.targets([question(int(one)) for one in right], classes))
    peer = float(MulticlassAccuracy(classes, average="micro")(logits, right))
    assert found["vqa_score"] == found["accuracy"] == pytest.approx(peer)


# -- nlvr2 -------------------------------------------------------------------------------------------------------------


def test_nlvr2_targets_know_the_statement() -> None:
    """Class, and a number that is the same for the same statement, in this call and in any other."""
    found = NLVR2.targets([statement("a", 1), statement("b", 0), statement("a", 0)], 2)
    assert found[:, 0].tolist() == [1, 0, 0]
    assert found[0, 1] == found[2, 1] != found[1, 1]
    assert torch.equal(NLVR2.targets([statement("b", 1)], 2)[0, 1], found[1, 1])


@pytest.mark.parametrize(
    ("item", "classes", "said"),
    [
        (statement("a", 1, pictures=1), 2, "has 1 passes, and task nlvr2 needs two"),
        (statement("a", 1, pictures=3), 2, "has 3 passes"),
        (statement("a", 2), 2, "not 2"),
        (statement("a", None), 2, "not None"),
        (Item("i", {}, 1, statement("a", 1).passes), 2, "item i has no text"),
        (statement("a", 1), 3, "has 3 classes"),
    ],
)
def test_nlvr2_refuses_what_is_no_statement_about_two_pictures(item: Item, classes: int, said: str) -> None:
    """Other numbers of pictures, other classes, no statement."""
    with pytest.raises(DataError, match=said):
        NLVR2.targets([item], classes)


def test_nlvr2_consistency_counts_statements() -> None:
    """Statement a is right of both its pairs, b of one of two, c of its only one: 4 of 5 pairs, 2 of 3 statements."""
    items = [statement(text, 1) for text in "aabbc"]
    logits = torch.tensor([[0.0, 1], [0, 1], [0, 1], [1, 0], [0, 1]])
    found = NLVR2.metrics(logits, NLVR2.targets(items, 2))
    assert found["accuracy"] == pytest.approx(0.8)
    assert found["consistency"] == pytest.approx(2 / 3)
    assert found["loss"] == pytest.approx((4 * math.log(1 + math.exp(-1)) + math.log(1 + math.e)) / 5)


# -- events ------------------------------------------------------------------------------------------------------------


def test_event_targets_are_padded() -> None:
    """Shorter clips, unlabelled segments and unlabelled clips have -1."""
    found = EVENTS.targets([clip((0, 2, -1), 3), clip((1,), 1), clip(None, 2)], 3)
    assert found.tolist() == [[0, 2, -1], [1, -1, -1], [-1, -1, -1]]
    assert found.dtype == torch.int64


@pytest.mark.parametrize(
    ("item", "said"),
    [
        (clip((0, 1), 3), "has 3 segments"),
        (clip(1, 3), "has 3 segments, and needs a class of each"),
        (clip((0, 3), 2), "class 3 of a segment is not in 0..2"),
        (clip((0, -2), 2), "class -2"),
    ],
)
def test_events_refuse_labels_that_do_not_match(item: Item, said: str) -> None:
    """Another number of labels than segments, and classes that are not there."""
    with pytest.raises(DataError, match=said):
        EVENTS.targets([item], 3)


def test_event_losses_average_over_labelled_segments() -> None:
    """Two labelled segments of three; what stands in the unlabelled one and in the padding does not matter."""
    logits = torch.tensor([[[2.0, 0], [0, 1.0], [9, 9]], [[0, 0], [7, 1], [1, 7]]])
    targets = torch.tensor([[0, 0, -1], [1, -1, -1]])
    first = (math.log(1 + math.exp(-2)) + math.log(1 + math.e)) / 2
    torch.testing.assert_close(EVENTS.losses(logits, targets), torch.tensor([first, math.log(2)]))


def test_an_unlabelled_clip_has_no_loss_and_no_gradient() -> None:
    """Zero, and not the NaN of a mean over nothing."""
    logits = torch.zeros(1, 2, 3, requires_grad=True)
    losses = EVENTS.losses(logits, torch.full((1, 2), -1))
    losses.sum().backward()
    assert losses.tolist() == [0.0]
    assert logits.grad is not None
    assert not logits.grad.any()


def test_event_metrics_are_hand_counts() -> None:
    """Of four labelled segments three are right: class 0 two of two, class 1 one of two."""
    logits = torch.tensor([[[1.0, 0], [1, 0], [0, 1]], [[1, 0], [0, 1], [0, 1]]])
    targets = torch.tensor([[0, 0, 1], [1, -1, -1]])
    found = EVENTS.metrics(logits, targets)
    assert (found["accuracy"], found["macro_accuracy"]) == (0.75, 0.75)
    assert EVENTS.metrics(logits[:1], targets[:1])["accuracy"] == 1
    with pytest.raises(DataError, match="no segment"):
        EVENTS.metrics(logits, torch.full_like(targets, -1))


@given(seeds)
def test_event_accuracies_are_torchmetrics(seed: int) -> None:
    """Segments are counted as single items would be; those of -1 are ignored."""
    targets = torch.randint(-1, 4, (12, 5), generator=drawn(seed))
    targets[0, :4] = torch.arange(4)  # every class is present: torchmetrics' mean is over those seen
    logits = gaussian(12, 5, 4, seed=seed + 1)
    found = EVENTS.metrics(logits, targets)
    for name, average in (("accuracy", "micro"), ("macro_accuracy", "macro")):
        peer = MulticlassAccuracy(4, average=average, ignore_index=-1)
        assert found[name] == pytest.approx(float(peer(logits.reshape(-1, 4), targets.reshape(-1))))


# -- retrieval ---------------------------------------------------------------------------------------------------------

#: Two images; the first has two texts. Columns are texts.
RELEVANT = torch.tensor([[True, True, False], [False, False, True]])
SCORES = torch.tensor([[2.0, 0.0, 1.0], [1.0, 0.5, 3.0]])


def relevance(images: int, texts: int, seed: int) -> Tensor:
    """Every text has one image, every image has a text."""
    of = torch.cat([torch.arange(images), torch.randint(images, (texts - images,), generator=drawn(seed))])
    return torch.arange(images)[:, None] == of[None, :]


def test_images_are_rows_in_the_order_they_are_shown() -> None:
    """Equal pictures are one row, by content."""
    items = [pair("a", "1"), pair("b", "2"), pair("a", "3"), pair("c", "4")]
    assert RETRIEVAL.targets(items, 0).tolist() == [0, 1, 0, 2]
    assert RETRIEVAL.relevance(items).int().tolist() == [[1, 0, 1, 0], [0, 1, 0, 0], [0, 0, 0, 1]]


def test_a_text_that_two_images_share_is_relevant_to_both() -> None:
    """Else a right answer would be scored as wrong, because it stands in another line."""
    items = [pair("a", "a dog"), pair("b", "a dog"), pair("b", "a cat")]
    assert RETRIEVAL.relevance(items).int().tolist() == [[1, 1, 0], [1, 1, 1]]


def test_retrieval_needs_both_modalities() -> None:
    """An item without text is named."""
    with pytest.raises(DataError, match="item lone has no text"):
        RETRIEVAL.targets([Item("lone", {"image": Media.of_text("a")}, 0)], 0)


def test_retrieval_losses_are_hand_counts() -> None:
    """A text's -log softmax over images, and an image's mean one over its texts; their means are averaged."""

    def surprise(of: int, among: Sequence[float]) -> float:
        return math.log(sum(math.exp(one - among[of]) for one in among))

    by_text = [surprise(0, (2, 1)), surprise(0, (0, 0.5)), surprise(1, (1, 3))]
    by_image = [(surprise(0, (2, 0, 1)) + surprise(1, (2, 0, 1))) / 2, surprise(2, (1, 0.5, 3))]
    losses = RETRIEVAL.losses(SCORES, RELEVANT)
    assert losses.shape == (3,)
    assert losses.mean().item() == pytest.approx((sum(by_text) / 3 + sum(by_image) / 2) / 2)


@given(seeds)
def test_with_one_text_an_image_the_loss_is_clips(seed: int) -> None:
    """The mean of the cross-entropies of rows and of columns against the diagonal."""
    logits, diagonal = 3 * gaussian(7, 7, seed=seed), torch.arange(7)
    rows, columns = (torch.nn.functional.cross_entropy(one, diagonal) for one in (logits, logits.T))
    torch.testing.assert_close(RETRIEVAL.losses(logits, torch.eye(7, dtype=torch.bool)).mean(), (rows + columns) / 2)


def test_retrieval_metrics_are_hand_counts() -> None:
    """Text 1 finds its image second (0 < 0.5), the others first; both images have a text of theirs first."""
    found = RETRIEVAL.metrics(SCORES, RELEVANT)
    assert found["t2i_r1"] == pytest.approx(2 / 3)
    assert [found["t2i_r5"], found["i2t_r1"], found["i2t_r10"]] == [1, 1, 1]
    assert (found["t2i_median_rank"], found["i2t_median_rank"]) == (1, 1)
    assert found["mean_recall"] == pytest.approx((2 / 3 + 5) / 6)


def test_ranks_are_those_of_the_best_relevant_candidate() -> None:
    """Of six texts the image's own stand third and last: rank 3, within five and not within one."""
    scores = torch.tensor([[4.0, 6, 5, 3, 2, 1]])
    relevant = torch.tensor([[True, False, False, False, False, True]])
    found = RETRIEVAL.metrics(scores, relevant)
    assert (found["i2t_r1"], found["i2t_r5"], found["i2t_median_rank"]) == (0, 1, 3)


@pytest.mark.parametrize(("value", "rank"), [(0.0, 10.5), (math.nan, 20)])
def test_equal_scores_earn_nothing(value: float, rank: float) -> None:
    """With 20 pairs all alike every rank is the mean of all, of NaN the last."""
    found = RETRIEVAL.metrics(torch.full((20, 20), value), torch.eye(20, dtype=torch.bool))
    assert (found["mean_recall"], found["t2i_median_rank"], found["i2t_max_mean_rank"]) == (0, rank, rank)


@given(seeds)
def test_ranks_are_means_over_all_orders_of_ties(seed: int) -> None:
    """By enumeration: the first relevant candidate's place in every order that the scores allow."""
    scores = torch.randint(3, (1, 6), generator=drawn(seed)).double()
    relevant = torch.rand(1, 6, generator=drawn(seed + 1)) < 0.4
    relevant[0, seed % 6] = True
    rows = list(zip(scores[0].tolist(), relevant[0].tolist(), strict=True))
    sorted_ = [order for order in permutations(rows) if all(a[0] >= b[0] for a, b in pairwise(order))]
    places = [next(place for place, (_, right) in enumerate(order, 1) if right) for order in sorted_]
    assert mean_ranks(scores, relevant).item() == pytest.approx(sum(places) / len(places))


def test_texts_are_found_in_two_forms_under_two_names() -> None:
    """Three clips with 2, 1, 3 captions. Clip 0: a caption of clip 2 is above its own, and two of clip 2 are above clip
    1's own: the rank among captions is 2 and 3, among clips by their best caption 2 and 2; clip 2 finds itself."""
    relevant = torch.tensor([[1, 1, 0, 0, 0, 0], [0, 0, 1, 0, 0, 0], [0, 0, 0, 1, 1, 1]]).bool()
    scores = torch.tensor([[5.0, 1, 2, 6, 3, 0], [1, 0, 5, 7, 6, 4], [0, 0, 0, 9, 1, 2]])
    found = RETRIEVAL.metrics(scores, relevant)
    assert found["i2t_mean_rank"] == pytest.approx((2 + 3 + 1) / 3)
    assert found["i2t_max_mean_rank"] == pytest.approx((2 + 2 + 1) / 3)
    assert (found["i2t_r1"], found["i2t_max_r1"]) == pytest.approx((1 / 3, 1 / 3))
    assert (found["i2t_median_rank"], found["i2t_max_median_rank"]) == (2, 2)


def test_by_the_published_count_a_caption_of_two_clips_has_one_that_is_right() -> None:
    """``own``: the clip of the item alone, and the tie of the two is a mean rank of 1.5, no hit at 1."""
    own = Retrieval(RetrievalSpec(relevant="own"))
    items = [pair("a", "a dog"), pair("b", "a dog"), pair("b", "a cat")]
    assert own.relevance(items).int().tolist() == [[1, 0, 0], [0, 1, 1]]
    scores = torch.tensor([[3.0, 3, 0], [3, 3, 5]])
    assert own.metrics(scores, own.relevance(items))["t2i_r1"] == pytest.approx(1 / 3)
    assert RETRIEVAL.metrics(scores, RETRIEVAL.relevance(items))["t2i_r1"] == 1


def test_a_clip_is_known_by_its_frames() -> None:
    """Items of the same frames are one row, in the order of the frames."""

    def shown(*frames: str) -> Item:
        return Item("clip", {"text": Media.of_text("t")}, 0, tuple({"image": Media.of_text(one)} for one in frames))

    assert RETRIEVAL.targets([shown("a", "b"), shown("b", "a"), shown("a", "b")], 0).tolist() == [0, 1, 0]


@given(seeds, st.integers(2, 12), st.integers(0, 30))
def test_recalls_are_torchmetrics_hit_rates(seed: int, images: int, more: int) -> None:
    """Both ways, at 1, 5 and 10."""
    texts = images + more
    relevant, logits = relevance(images, texts, seed), gaussian(images, texts, seed=seed + 1)
    found = RETRIEVAL.metrics(logits, relevant)
    for way, scores, right in (("i2t", logits, relevant), ("t2i", logits.T, relevant.T)):
        query = torch.arange(len(scores))[:, None].expand_as(scores)
        for k in (1, 5, 10):
            peer = RetrievalHitRate(top_k=k)(scores.flatten(), right.flatten(), indexes=query.flatten())
            assert found[f"{way}_r{k}"] == pytest.approx(float(peer))


def test_random_retrieval_is_near_chance() -> None:
    """Of 200 pairs, k in 200 are expected among the first k, and a median rank of 100.5."""
    found = RETRIEVAL.metrics(gaussian(200, 200), torch.eye(200, dtype=torch.bool))
    assert found["t2i_r10"] == pytest.approx(0.05, abs=0.05)
    assert found["i2t_median_rank"] == pytest.approx(100.5, abs=20)


@pytest.mark.parametrize(
    ("field", "said"),
    [({"head": {"type": "linear"}}, "has no head"), ({"blend": 0.5}, "no classes")],
)
def test_a_head_for_retrieval_is_refused(field: dict[str, object], said: str) -> None:
    """The user learns where it stands and to remove it."""
    spec = {
        "dataset": {"type": "digits"},
        "encoder": {"type": "open_clip", "model": "pocket"},
        "adapter": {"type": "none"},
        "task": {"type": "retrieval", **field},
    }
    with pytest.raises(SpecError, match=rf"\$\.task\.{next(iter(field))}: .*{said}"):
        spec_from_dict(spec)


# -- any of them -------------------------------------------------------------------------------------------------------


def case(task: Task, seed: int) -> tuple[Tensor, Tensor]:
    """Random logits with targets of that task."""
    if task is VQA:
        return gaussian(20, 5, seed=seed), torch.rand(20, 5, generator=drawn(seed))
    if task is NLVR2:
        texts = torch.randint(6, (20,), generator=drawn(seed)).tolist()
        items = [statement(str(one), number % 2) for number, one in enumerate(texts)]
        return gaussian(20, 2, seed=seed), NLVR2.targets(items, 2)
    return gaussian(20, 4, 3, seed=seed), torch.randint(-1, 3, (20, 4), generator=drawn(seed))


def perfect(task: Task, targets: Tensor) -> Tensor:
    """Logits that give the best answer everywhere."""
    if task is VQA:
        return 50 * targets
    right = targets[:, 0] if task is NLVR2 else targets.clamp(min=0)
    return 50.0 * torch.nn.functional.one_hot(right, 2 if task is NLVR2 else 3)


@pytest.mark.parametrize("task", [VQA, NLVR2, EVENTS])
@given(seed=seeds)
def test_the_order_of_items_never_matters(task: Task, seed: int) -> None:
    """Metrics are the same, losses are permuted."""
    logits, targets = case(task, seed)
    order = torch.randperm(20, generator=drawn(seed + 1))
    torch.testing.assert_close(task.losses(logits[order], targets[order]), task.losses(logits, targets)[order])
    assert task.metrics(logits[order], targets[order]) == pytest.approx(task.metrics(logits, targets))


@given(seeds)
def test_the_order_of_images_and_texts_never_matters(seed: int) -> None:
    """Retrieval: rows and columns may be permuted, each for itself."""
    logits, relevant = gaussian(8, 15, seed=seed), relevance(8, 15, seed)
    rows, columns = torch.randperm(8, generator=drawn(seed)), torch.randperm(15, generator=drawn(seed))
    moved = RETRIEVAL.metrics(logits[rows][:, columns], relevant[rows][:, columns])
    assert moved == pytest.approx(RETRIEVAL.metrics(logits, relevant))


@pytest.mark.parametrize("task", [VQA, NLVR2, EVENTS])
@given(seed=seeds)
def test_the_best_answer_everywhere_has_full_marks(task: Task, seed: int) -> None:
    """The primary metric is 1, or for soft scores the mean of the best ones."""
    _, targets = case(task, seed)
    found = task.metrics(perfect(task, targets), targets)
    best = float(targets.max(dim=1).values.double().mean()) if task is VQA else 1.0
    assert found[task.primary] == pytest.approx(best)
    assert all(value == 1 for name, value in found.items() if name in ("accuracy", "macro_accuracy", "consistency"))


@given(seeds)
def test_perfect_retrieval_has_full_marks(seed: int) -> None:
    """Relevant pairs above all others: every recall 1, every rank 1."""
    relevant = relevance(8, 15, seed)
    found = RETRIEVAL.metrics(relevant.double(), relevant)
    assert {value for name, value in found.items() if name != "loss"} == {1.0}


@pytest.mark.parametrize(("task", "chance"), [(NLVR2, 1 / 2), (EVENTS, 1 / 3)])
def test_random_answers_are_near_chance(task: Task, chance: float) -> None:
    """Over 100 draws of 20 items."""
    found = [task.metrics(*case(task, seed))["accuracy"] for seed in range(100)]
    assert sum(found) / len(found) == pytest.approx(chance, abs=0.04)


# -- audio-visual questions --------------------------------------------------------------------------------------------


def test_accuracy_of_questions_is_pooled_over_them_and_over_those_of_a_type_and_a_scenario() -> None:
    """Three of four are right; both of Audio, one of two of Visual: no mean of means."""
    task = AudioVisualQa(AudioVisualQaSpec())
    kinds = (("Audio", "Counting"), ("Audio", "Comparative"), ("Visual", "Counting"), ("Visual", "Counting"))
    items = [Item(str(n), {}, n % 2, groups={"type": " ".join(one), "scenario": one[0]}) for n, one in enumerate(kinds)]
    logits, targets = torch.tensor([[1.0, 0], [0, 1], [1, 0], [1, 0]]), task.targets(items, 2)
    assert task.metrics(logits, targets)["accuracy"] == 0.75
    assert task.losses(logits, targets)[0] == pytest.approx(math.log(1 + math.exp(-1)))
    assert figures_by(task, items, task.scores(logits, targets)) == {
        "accuracy by scenario: Audio": 1,
        "accuracy by scenario: Visual": 0.5,
        "accuracy by type: Audio Comparative": 1,
        "accuracy by type: Audio Counting": 1,
        "accuracy by type: Visual Counting": 0.5,
    }


# -- groups ------------------------------------------------------------------------------------------------------------


def test_a_sentence_is_counted_by_its_group_where_the_data_set_has_one() -> None:
    """Two sentences of equal words are two; one sentence of two pairs is one."""
    passes = statement("", 1).passes
    items = [Item(str(n), {"text": Media.of_text("same")}, 1, passes, {"sentence": one}) for n, one in enumerate("aab")]
    logits = torch.tensor([[0.0, 1], [1, 0], [0, 1]])
    assert NLVR2.metrics(logits, NLVR2.targets(items, 2))["consistency"] == 0.5


def test_figures_are_told_apart_by_the_groups_that_a_task_names() -> None:
    """Means over the items of each type; other groups, and items without one, are in none."""
    groups = [
        {"answer_type": "number", "question_type": "how many"},
        {"answer_type": "number"},
        {"answer_type": "other"},
    ]
    items = [Item(str(n), {}, {0: 1.0}, groups=one) for n, one in enumerate([*groups, {}])]
    found = figures_by(VQA, items, torch.tensor([1.0, 0.3, 0.6, 0.0], dtype=torch.float64))
    assert found == pytest.approx({"vqa_score by answer_type: number": 0.65, "vqa_score by answer_type: other": 0.6})
    assert figures_by(NLVR2, items, torch.zeros(4)) == {}


def test_groups_are_part_of_what_a_data_set_is_known_by() -> None:
    """Figures depend on them; a data set without any keeps the fingerprint that it had."""
    items = [Item("1", {"text": Media.of_text("a")}, 0, groups=one) for one in ({}, {"type": "x"}, {"type": "y"})]
    prints = {DatasetContent({"train": (item,)}, ("a",), "split").fingerprint() for item in items}
    assert len(prints) == 3
