"""Lessons, objectives and training of the pocket towers, each at a size that takes seconds."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from random import Random

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import load_file

from graftwork.plugins.pocket.towers.fact_heads import TokenHeads
from graftwork.plugins.pocket.towers.loop import Schedule, train_tower
from graftwork.plugins.pocket.towers.picture_lessons import (
    ATTRIBUTES,
    NOTHING,
    SAID,
    Batch,
    Lessons,
    WordFacts,
    as_pixels,
    changed,
    counting,
    patch_facts,
    said_by,
)
from graftwork.plugins.pocket.towers.recipes import AstRecipe, SceneClipRecipe, TowerRecipe, TowerSize, ViltRecipe
from graftwork.plugins.pocket.towers.scene_clip_tower import contrastive_loss
from graftwork.plugins.pocket.towers.train import TOWERS, main
from graftwork.plugins.pocket.towers.vilt_tower import (
    LookingObjective,
    ViltObjective,
    build_vilt,
    claims_of,
    read_pictures,
    spoken_of,
)
from graftwork.plugins.pocket.towers.word_tokenizer import END, MOST_TOKENS, START, UNKNOWN_ID, build_tokenizer
from graftwork.plugins.pocket.world.captions import WORDS, plural
from graftwork.plugins.pocket.world.picture import CELL, paint
from graftwork.plugins.pocket.world.scene import WORLD_SHAPES, draw_scene

SMALL = TowerSize(16, depth=2, heads=2, inner=32)
SHORT = Schedule(6, batch=8, warmup_steps=2, average=0.5)
TINY: dict[str, TowerRecipe] = {
    "ast": AstRecipe(schedule=SHORT, size=SMALL, sounds=24),
    "scene_clip": SceneClipRecipe(schedule=SHORT, looking=SHORT, vision=SMALL, text=SMALL, projection=8),
    "vilt": ViltRecipe(schedule=SHORT, looking=SHORT, size=SMALL, seen_by=1, judged_by=2),
}


@pytest.fixture(scope="module")
def tokenizer():
    return build_tokenizer(WORDS)


def batches(tokenizer, count: int, described: tuple[int, ...] = ()) -> list[Batch]:
    lessons = Lessons("test", tokenizer, described)
    return [lessons.batch(32) for _ in range(count)]


def make(name: str, folder: Path, recipe: TowerRecipe | None = None) -> list[float]:
    """Losses of the steps of a tiny training."""
    folder.mkdir()
    losses: list[float] = []
    TOWERS[name].make(recipe or TINY[name], folder, lambda _, loss: losses.append(loss))
    return losses


def test_every_word_of_the_world_is_one_token_and_any_other_is_unknown(tokenizer) -> None:
    """Upper case and punctuation do not matter."""
    ids = tokenizer(" ".join(WORDS), add_special_tokens=False, truncation=False)["input_ids"]
    assert len(ids) == len(WORDS)
    assert UNKNOWN_ID not in ids
    assert tokenizer("Zebra?", add_special_tokens=False)["input_ids"] == [UNKNOWN_ID] * 2
    assert tokenizer("A Red CIRCLE")["input_ids"] == tokenizer("a red circle")["input_ids"]


def test_captions_are_encoded_as_the_tokenizer_does_and_fit_its_window(tokenizer) -> None:
    """Lessons look words up themselves."""
    for batch in batches(tokenizer, 12):
        texts = tokenizer.batch_decode(batch.tokens, skip_special_tokens=True)
        assert torch.equal(tokenizer(texts, padding=True, return_tensors="pt")["input_ids"], batch.tokens)
        assert batch.tokens.shape[1] <= MOST_TOKENS


def test_neighbours_differ_in_one_attribute_of_their_first_object() -> None:
    random = Random(0)
    for _ in range(200):
        scene = draw_scene(random)
        other = changed(scene, random)
        assert scene.objects[1:] == other.objects[1:]
        first, second = scene.objects[0], other.objects[0]
        assert sum(getattr(first, name) != getattr(second, name) for name in ATTRIBUTES) == 1
        assert first.place == second.place


def test_captions_of_neighbours_differ_unless_they_are_said_to_be_alike(tokenizer) -> None:
    seen = set()
    for batch in batches(tokenizer, 8, described=(1, 2)):
        texts = tokenizer.batch_decode(batch.tokens, skip_special_tokens=True)
        for number, alike in enumerate(batch.alike.tolist()):
            assert alike == (texts[number] == texts[number ^ 1])
            seen.add(alike)
    assert seen == {True, False}


def test_words_speak_of_the_object_whose_attributes_they_name(tokenizer) -> None:
    words = {word: (row, value) for row, values in enumerate(ATTRIBUTES.values()) for value, word in enumerate(values)}
    named = 0
    for batch in batches(tokenizer, 8):
        for tokens, about, objects in zip(batch.tokens, batch.about, batch.objects, strict=True):
            for word, which in zip(tokenizer.convert_ids_to_tokens(tokens), about.tolist(), strict=True):
                if which >= 0 and word in words:
                    row, value = words[word]
                    assert objects[which, row] == value
                    named += 1
    assert named > 500


def test_of_a_neighbours_caption_the_picture_tells_what_is_true(tokenizer) -> None:
    """A stranger's caption speaks of nothing that is there."""
    batch = batches(tokenizer, 1, described=(1,))[0]
    own = torch.arange(32)
    spoken = batch.about >= 0
    assert spoken.any()
    assert torch.equal(
        spoken_of(batch, own)[spoken], batch.objects[own, 0][:, None].expand(-1, spoken.shape[1], -1)[spoken]
    )
    facts = spoken_of(batch, own ^ 1)
    there = batch.about[own ^ 1] >= 0
    assert torch.equal(facts[there], batch.objects[own, 0][:, None].expand(-1, there.shape[1], -1)[there])
    assert (spoken_of(batch, (own + 2) % 32) == NOTHING).all()


def test_a_word_is_judged_by_its_object_and_counted_in_the_picture(tokenizer) -> None:
    """Of a neighbour's caption one word is wrong, of one's own none; a stranger's words are counted alone.

    "Plain" goes without saying: a caption that is shorter than the picture's own leaves a texture out.
    """
    said, own, named = said_by(tokenizer), torch.arange(32), set(sum(ATTRIBUTES.values(), ()))
    for batch in batches(tokenizer, 6, described=(2,)):
        claims = {told: claims_of(batch, whose, said) for told, whose in (("own", own), ("other", own ^ 1))}
        assert not (claims["own"][..., 0] == 0).any()
        speaks = ~batch.alike & (batch.about >= 0).any(dim=1)
        length = batch.mask.sum(dim=1)
        wrong = (claims["other"][..., 0] == 0).sum(dim=1)
        assert torch.equal(wrong[speaks], (length[own ^ 1] >= length).long()[speaks])
        strange = claims_of(batch, (own + 2) % 32, said)
        assert (strange[..., 0] == NOTHING).all()
        for number, tokens in enumerate(batch.tokens[(own + 2) % 32]):
            for word, count in zip(
                tokenizer.convert_ids_to_tokens(tokens), strange[number, :, 1].tolist(), strict=True
            ):
                if word in named:
                    row, values = next(one for one in enumerate(ATTRIBUTES.values()) if word in one[1])
                    assert count == (batch.objects[number, :, row] == values.index(word)).sum()
                else:
                    assert (count == NOTHING) or word in map(plural, WORLD_SHAPES)


def test_patches_are_taught_before_words_and_words_before_the_last_block(tokenizer) -> None:
    """Looking alone moves the blocks up to the one that it stands behind, and none after it."""
    recipe, said = ViltRecipe(size=SMALL, seen_by=1, judged_by=2), said_by(tokenizer)
    objective = ViltObjective(build_vilt(SMALL, len(tokenizer)), said, recipe, torch.Generator().manual_seed(0))
    pixels, facts = Lessons("test", tokenizer).pictures(4)
    LookingObjective(objective.tower, objective.patches, recipe.seen_by)(pixels, facts).backward()
    first, second = (list(block.parameters()) for block in objective.tower.encoder.layer)
    assert all(parameter.grad is not None for parameter in first)
    assert all(parameter.grad is None for parameter in second)
    objective(batches(tokenizer, 1)[0]).backward()
    assert all(parameter.grad is not None for parameter in objective.tower.parameters())


def test_what_lies_under_a_patch_is_what_is_painted_in_its_cell() -> None:
    """Where facts say that nothing is, the picture shows ground and grain alone."""
    scenes = [draw_scene(Random(number)) for number in range(50)]
    shown = patch_facts(scenes)[..., 0].reshape(50, 3, 2, 3, 2)
    assert (shown == shown[:, :, :1, :, :1]).all()
    cells = paint(scenes).reshape(50, 3, CELL, 3, CELL, 3).transpose(0, 1, 3, 2, 4, 5)
    spread = cells.reshape(50, 3, 3, -1).astype(float).std(-1)
    assert ((spread > 10) == (shown[:, :, 0, :, 0] != NOTHING).numpy()).all()


def test_a_counting_caption_counts() -> None:
    random, numbers = Random(1), ("one", "two", "three", "four", "five")
    for _ in range(100):
        scene = draw_scene(random)
        ((text, which),) = counting(scene, random)
        assert which == -1
        told = 0
        for group in text.split(" and "):
            number, value = group.split()[:2]
            count = numbers.index(number) + 1
            is_shape = value in WORLD_SHAPES or value in map(plural, WORLD_SHAPES)
            there = [thing.shape if is_shape else thing.colour for thing in scene.objects]
            assert count == sum(value in (one, plural(one) if is_shape else one) for one in there)
            told += count
        assert told == len(scene.objects)


def test_a_word_tells_what_its_phrase_has_said_so_far(tokenizer) -> None:
    text = "a large red circle in the top left and two stars"
    tokens = tokenizer([text], return_tensors="pt")["input_ids"]
    facts = WordFacts(tokenizer)(tokens)[0]
    rows = list(SAID)
    at = [START, *text.split(), END]
    said = {row: facts[:, number].tolist() for number, row in enumerate(rows)}
    assert said["colour"][at.index("large")] == 0
    assert said["colour"][at.index("circle")] == said["colour"][at.index("left")] == 1
    assert said["row"][at.index("left")] == said["column"][at.index("left")] == 1
    assert said["colour"][at.index("two")] == 0
    assert said["shape"][at.index("stars")] == WORLD_SHAPES.index("star") + 1
    assert (facts[[0, -1]] == NOTHING).all()


@pytest.mark.parametrize("name", ["scene_clip", "vilt"])
def test_training_sees_pictures_as_the_processors_hand_them_over(name: str, tmp_path: Path) -> None:
    from graftwork.plugins.pocket.towers.measure import as_images, open_folder

    make(name, tmp_path / name)
    _, processor = open_folder(tmp_path / name)
    scenes = [draw_scene(Random(number)) for number in range(4)]
    handed = processor.image_processor(as_images(scenes), return_tensors="pt")["pixel_values"]
    assert torch.allclose(handed, as_pixels(paint(scenes)), atol=1e-5)


def test_facts_that_are_nowhere_cost_nothing_and_teach_nothing() -> None:
    heads = TokenHeads(4, [3, 2])
    states = torch.randn(5, 4, generator=torch.Generator().manual_seed(0), requires_grad=True)
    loss = heads(states, torch.full((5, 2), NOTHING))
    loss.backward()
    assert loss.item() == 0
    assert states.grad is not None
    assert states.grad.count_nonzero() == 0


def test_neighbours_with_one_caption_do_not_compete() -> None:
    """Two pictures that look alike under one caption cost nothing, under different captions they do."""
    same = torch.nn.functional.one_hot(torch.tensor([0, 0, 1, 1]), 3).float()
    scale = torch.tensor(50.0)
    spared = contrastive_loss(same, same, scale, torch.ones(4, dtype=torch.bool))
    assert spared.item() == pytest.approx(0, abs=1e-5)
    assert contrastive_loss(same, same, scale, torch.zeros(4, dtype=torch.bool)).item() == pytest.approx(
        np.log(2), abs=1e-5
    )


def test_patches_in_reading_order_mean_the_same_to_the_model(tokenizer) -> None:
    """ViltModel shuffles patches itself: its pooled vector and the states of the text are the same up to rounding."""
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(0)
        model = build_vilt(SMALL, len(tokenizer)).eval()
        torch.nn.init.normal_(model.embeddings.position_embeddings)
        batch = batches(tokenizer, 1)[0]
        with torch.no_grad():
            ours = read_pictures(model, batch.pixels, batch.tokens, batch.mask)
            theirs = model(input_ids=batch.tokens, attention_mask=batch.mask, pixel_values=batch.pixels)
    length = batch.tokens.shape[1]
    assert torch.allclose(ours.pooler_output, theirs.pooler_output, atol=1e-5)
    assert torch.allclose(ours.last_hidden_state[:, : length + 1], theirs.last_hidden_state[:, : length + 1], atol=1e-4)
    assert torch.allclose(ours.last_hidden_state.sort(1).values, theirs.last_hidden_state.sort(1).values, atol=1e-4)


def test_only_words_of_true_captions_are_hidden(tokenizer) -> None:
    recipe = ViltRecipe(masked=1.0, size=SMALL)
    said, generator = said_by(tokenizer), torch.Generator().manual_seed(0)
    objective = ViltObjective(build_vilt(SMALL, len(tokenizer)), said, recipe, generator)
    batch = batches(tokenizer, 1)[0]
    true = torch.arange(32) % 2
    hidden, wanted = objective._hide(batch.tokens, true)
    masked = hidden == tokenizer.mask_token_id
    special = torch.isin(batch.tokens, torch.tensor(tokenizer.all_special_ids))
    assert masked.any()
    assert not masked[true == 0].any()
    assert not (masked & special).any()
    assert torch.equal(wanted != NOTHING, masked)
    assert torch.equal(wanted[masked], batch.tokens[masked])


@pytest.mark.parametrize("name", list(TOWERS))
def test_training_is_reproducible_and_follows_its_seed(name: str, tmp_path: Path) -> None:
    """A few steps of every stage: equal in every bit, and other with another seed."""
    for folder, seed in (("first", 0), ("again", 0), ("other", 1)):
        make(name, tmp_path / folder, dataclasses.replace(TINY[name], seed=seed))
    first, again, other = (load_file(tmp_path / run / "model.safetensors") for run in ("first", "again", "other"))
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert any(not torch.equal(first[key], other[key]) for key in first)


@pytest.mark.parametrize("name", list(TOWERS))
def test_a_few_seconds_of_training_lower_every_stages_loss(name: str, tmp_path: Path) -> None:
    longer = dataclasses.replace(SHORT, steps=40, batch=16, learning_rate=3e-3)
    recipe = dataclasses.replace(TINY[name], **dict.fromkeys(TINY[name].stages, longer))
    losses = np.array(make(name, tmp_path / name, recipe)).reshape(-1, 40)
    assert len(losses) == len(recipe.stages)
    assert (losses[:, -8:].mean(1) < losses[:, :5].mean(1) - 0.05).all()


def test_what_is_kept_is_the_average_of_the_weights() -> None:
    """With a decay of nought it is the last step's; with more it lags behind."""

    def trained(average: float) -> torch.Tensor:
        model = torch.nn.Linear(1, 1, bias=False)
        torch.nn.init.zeros_(model.weight)

        class Pull(torch.nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.inner = model

            def forward(self, wanted: torch.Tensor) -> torch.Tensor:
                return (self.inner.weight - wanted).square().sum()

        schedule = Schedule(20, learning_rate=0.1, warmup_steps=1, average=average)
        train_tower(Pull(), lambda: (torch.tensor(10.0),), schedule, lambda *_: None)
        return model.weight.detach()

    assert 0 < trained(0.9).item() < trained(0.0).item()


def test_the_command_explains_itself() -> None:
    result = CliRunner().invoke(main, ["--help"])
    assert result.exit_code == 0
    assert all(option in result.output for option in ("--out", "--seed", "--share", "scene_clip"))
