"""Vocabulary, conversations and the training of the pocket LLaVA, each at a size that takes seconds."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from graftwork.plugins.pocket.clip.measure import as_image
from graftwork.plugins.pocket.llava.conversations import IGNORED, Conversations, conversation
from graftwork.plugins.pocket.llava.measure import LlavaReader, named_digits, stated_shares
from graftwork.plugins.pocket.llava.model import IMAGE, build_llava, build_processor, configuration, learn_tokenizer
from graftwork.plugins.pocket.llava.objective import DescribingObjective, as_pixels
from graftwork.plugins.pocket.llava.recipe import LlavaRecipe, LlavaSize, Round, Stage
from graftwork.plugins.pocket.llava.train import Report, main, make_llava
from graftwork.plugins.pocket.scenes.compose import Composer
from graftwork.plugins.pocket.scenes.describe import PROMPTS, described, sentence, vocabulary
from graftwork.plugins.pocket.scenes.render import render
from graftwork.plugins.pocket.scenes.stencils import StencilBank, build_bank

TINY = LlavaRecipe(
    size=LlavaSize(stem=64, tower=32, tower_depth=1, width=32, inner=48, depth=1, heads=2),
    rounds=(Round(96, Stage(12, 2e-3), Stage(20, 5e-3)), Round(48, Stage(8, 1e-3), Stage(4, 1e-3))),
    batch=16,
    warmup_steps=4,
    average=0.5,
)


@pytest.fixture(scope="module")
def bank() -> StencilBank:
    return build_bank((), seed=0, digit_variants=4, letter_variants=1)


@pytest.fixture(scope="module")
def processor():
    return build_processor()


class Losses(Report):
    """Keeps what the training tells."""

    def __init__(self, recipe: LlavaRecipe) -> None:
        super().__init__(recipe)
        self.pictures, self.steps = [], []

    def rendered(self, pictures: int) -> None:
        self.pictures.append(pictures)

    def stepped(self, loss: float) -> None:
        self.steps.append(loss)


def train(bank: StencilBank, folder: Path, recipe: LlavaRecipe = TINY) -> Losses:
    folder.mkdir(exist_ok=True)
    told = Losses(recipe)
    make_llava(recipe, bank, folder, told)
    return told


def test_every_word_of_the_descriptions_is_one_token_that_decodes_to_itself(processor) -> None:
    tokenizer = processor.tokenizer
    for word in vocabulary():
        text = word if word == "." else f" {word}"
        tokens = tokenizer.encode(text)
        assert len(tokens) == 1
        assert tokenizer.decode(tokens) == text


def test_descriptions_survive_the_vocabulary_word_by_word(bank: StencilBank, processor) -> None:
    tokenizer = processor.tokenizer
    for scene in Composer(bank, 2).scenes(400):
        text = f" {sentence(described(scene))}"
        tokens = tokenizer.encode(text)
        assert tokenizer.decode(tokens) == text
        assert len(tokens) == len(text.replace(".", " .").split())


def test_a_prompt_of_any_wording_can_be_spelled(processor) -> None:
    for prompt in ("Beschreibe das Bild bitte für mich.", "这是什么?", "?!\t\n"):
        tokens = processor.tokenizer.encode(prompt)
        assert processor.tokenizer.decode(tokens) == prompt


def test_the_vocabulary_is_the_same_every_time() -> None:
    words = [" red", " ring", " circle", "Describe", "."]
    first, again = (learn_tokenizer(order).backend_tokenizer.to_str() for order in (words, words[::-1]))
    assert first == again


@pytest.mark.parametrize("prompt", PROMPTS)
def test_training_asks_in_the_very_tokens_that_generation_does(processor, prompt: str) -> None:
    conversations = Conversations(processor, np.random.default_rng(0), strange=0.0)
    picture = as_image(torch.zeros(3, 8, 8))
    text = processor.apply_chat_template(conversation(prompt), add_generation_prompt=True)
    asked = processor(images=[picture], text=[text], return_tensors="pt")["input_ids"][0].tolist()
    spelled = processor.tokenizer.encode(prompt, add_special_tokens=False)
    assert conversations.question(spelled) == asked


def test_only_the_answers_are_learned(processor) -> None:
    tokenizer = processor.tokenizer
    conversations = Conversations(processor, np.random.default_rng(0), strange=0.5)
    descriptions = ["a plain red background.", "three small red rings on a plain white background."]
    ids, labels = conversations.batch(descriptions)
    for row, description in enumerate(descriptions):
        learned = labels[row] != IGNORED
        assert tokenizer.decode(labels[row][learned]) == f" {description}{tokenizer.eos_token}"
        assert torch.equal(ids[row][learned], labels[row][learned])


def test_strange_prompts_hold_no_special_tokens(processor) -> None:
    conversations = Conversations(processor, np.random.default_rng(0), strange=1.0)
    ids, labels = conversations.batch(["a plain red background."] * 64)
    special = torch.tensor(processor.tokenizer.all_special_ids)
    image = processor.tokenizer.convert_tokens_to_ids(IMAGE)
    for question in (row[labels[number] == IGNORED] for number, row in enumerate(ids)):
        asked = question[question != processor.tokenizer.pad_token_id]
        assert (asked == image).sum() == torch.isin(asked, special).sum() == 4


def test_training_sees_pictures_as_the_processor_hands_them_over(bank: StencilBank, processor) -> None:
    pictures = render(Composer(bank, 4).scenes(6), bank, torch.Generator().manual_seed(0))
    handed = processor.image_processor([as_image(picture) for picture in pictures], return_tensors="pt")
    seen = as_pixels((pictures * 255).round().byte())
    # The processor rounds and clamps to 8 bits in between, after each axis; a level of grey is 2 / 255.
    apart = (seen - handed["pixel_values"]).abs()
    assert apart.mean() < 1 / 255
    assert apart.max() < 0.1


def test_the_loss_of_the_answers_is_that_of_the_whole_conversations(processor) -> None:
    """Only the answers' logits are computed; transformers' own loss over everything is the reference."""
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(0)
        llava = build_llava(configuration(TINY.size, processor.tokenizer))
        pixels = torch.randn(3, 3, 64, 64)
    conversations = Conversations(processor, np.random.default_rng(0), strange=0.5)
    texts = [
        "a plain red background.",
        "a red ring above a blue star on a plain white background.",
        "a plain blue background.",
    ]
    ids, labels = conversations.batch(texts)
    llava.eval()
    features = llava.model.vision_tower(pixels).last_hidden_state
    describing = DescribingObjective(llava)(features, torch.stack([ids, labels]))
    mask = (ids != processor.tokenizer.pad_token_id).long()
    whole = llava(input_ids=ids, attention_mask=mask, pixel_values=pixels, labels=labels).loss
    assert describing.item() == pytest.approx(whole.item(), rel=1e-5)


def test_a_few_seconds_of_training_lower_both_losses_and_write_a_loadable_folder(
    bank: StencilBank, tmp_path: Path
) -> None:
    told = train(bank, tmp_path / "llava")
    looking, describing = (np.array(losses) for losses in (told.steps[:12], told.steps[12:32]))
    assert sum(told.pictures) == 96 + 48
    assert looking[-4:].mean() < looking[:4].mean() - 0.3
    assert describing[-4:].mean() < describing[:4].mean() - 1
    reader = LlavaReader(tmp_path / "llava")
    assert reader.model.dtype == torch.float32
    pictures = [as_image(torch.rand(3, 8, 8)) for _ in range(3)]
    assert len(reader.describe(pictures, batch=2)) == 3


def test_training_is_reproducible_and_follows_its_seed(bank: StencilBank, tmp_path: Path) -> None:
    from safetensors.torch import load_file

    recipe = TINY.shortened(0.2)
    runs = []
    for name, seed in (("first", 0), ("again", 0), ("other", 1)):
        train(bank, tmp_path / name, dataclasses.replace(recipe, seed=seed))
        runs.append(load_file(tmp_path / name / "model.safetensors"))
    first, again, other = runs
    assert all(torch.equal(first[name], again[name]) for name in first)
    name = "model.vision_tower.patch_embeddings.embedding_layer_1.convolution.weight"
    assert not torch.equal(first[name], other[name])


def test_a_fact_counts_only_where_it_is_stated_of_its_own_group() -> None:
    known = [
        {"texture": "plain", "ground": "white", "count": "one", "kind": "shape", "what": "ring", "colour": "red"},
        {"texture": "plain", "ground": "white", "count": "one", "kind": "shape", "what": "star", "colour": "blue"},
    ]
    known[0]["relation"] = "above"
    right = "a red ring above a blue star on a plain white background."
    swapped = "a blue ring above a red star on a plain white background."
    alone = "a red ring on a plain white background."
    shares = stated_shares([known] * 3, [right, swapped, alone])
    assert shares["what"] == pytest.approx(2 / 3)
    assert shares["colour"] == pytest.approx(1 / 3)


def test_the_digit_named_is_the_one_said() -> None:
    texts = [
        "a large white handwritten digit 3 in the center on a plain black background.",
        "a large white handwritten lowercase letter b on a plain black background.",
        "nonsense",
    ]
    assert named_digits(texts) == [3, -1, -1]


def test_the_command_explains_itself() -> None:
    result = CliRunner().invoke(main, ["--help"])
    assert result.exit_code == 0
    assert all(option in result.output for option in ("--out", "--seed", "--share"))
