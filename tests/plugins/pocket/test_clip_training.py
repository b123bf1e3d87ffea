"""Vocabulary, loss and the training loop of the pocket CLIP, each at a size that takes seconds."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from graftwork.plugins.pocket.clip.architecture import CONTEXT_LENGTH
from graftwork.plugins.pocket.clip.digits_check import OpenClipReader, load_real_digits
from graftwork.plugins.pocket.clip.loop import TrainingRun
from graftwork.plugins.pocket.clip.objective import contrastive_loss
from graftwork.plugins.pocket.clip.recipe import Recipe
from graftwork.plugins.pocket.clip.train import main, make_clip, replaced_folder
from graftwork.plugins.pocket.clip.vocabulary import learn_merges, load_tokenizer, write_merges
from graftwork.plugins.pocket.scenes.captions import caption
from graftwork.plugins.pocket.scenes.compose import Composer
from graftwork.plugins.pocket.scenes.stencils import StencilBank, build_bank

TINY = Recipe(
    vision="resnet-small", steps=24, batch=24, learning_rate=1e-3, warmup_steps=4, vocabulary_captions=300, average=0.5
)


@pytest.fixture(scope="module")
def bank() -> StencilBank:
    return build_bank((), seed=0, digit_variants=6, letter_variants=2)


def tiny_run(bank: StencilBank, folder: Path, recipe: Recipe = TINY) -> TrainingRun:
    return make_clip(recipe, bank, folder, lambda step: step / recipe.steps, lambda *_: False)


def test_words_of_the_captions_become_single_tokens_that_decode_to_themselves(tmp_path: Path) -> None:
    texts = ["a photo of the handwritten digit 3.", "two small red circles", "a photo of two digits"]
    write_merges(learn_merges(texts), tmp_path)
    tokenizer = load_tokenizer(tmp_path, 16)
    for text in texts:
        words = text.replace(".", " .").split()
        assert len(tokenizer.encode(text)) == len(words)
        assert tokenizer.decode(tokenizer.encode(text)).split() == words


def test_the_vocabulary_file_is_the_same_bytes_every_time(tmp_path: Path) -> None:
    texts = ["a red circle", "a blue ring", "a red ring"]
    first = write_merges(learn_merges(texts), tmp_path).read_bytes()
    assert write_merges(learn_merges(reversed(texts)), tmp_path).read_bytes() == first


def test_every_caption_fits_the_context_and_survives_the_shipped_vocabulary(bank: StencilBank) -> None:
    from graftwork.plugins.pocket import CLIP_FOLDER

    tokenizer, words = load_tokenizer(CLIP_FOLDER, CONTEXT_LENGTH), np.random.default_rng(3)
    for scene in Composer(bank, 3).scenes(1500):
        text = caption(scene, words).text
        tokens = tokenizer.encode(text)
        assert len(tokens) + 2 <= CONTEXT_LENGTH
        assert tokenizer.decode(tokens).split() == text.replace(".", " .").split()


def test_the_loss_is_zero_exactly_when_all_true_pairs_and_only_they_agree() -> None:
    images = torch.eye(3)[[0, 0, 1]]
    texts = torch.eye(3)[[0, 1]]
    truth = torch.tensor([[True, True, False], [False, False, True]])
    scale = torch.tensor(100.0)
    assert contrastive_loss(images, texts, scale, truth) == pytest.approx(0, abs=1e-5)
    assert contrastive_loss(images.roll(1, 0), texts, scale, truth) > 10


def test_a_second_picture_of_the_same_thing_is_no_negative() -> None:
    generator = torch.Generator().manual_seed(0)
    images = torch.nn.functional.normalize(torch.randn(4, 8, generator=generator), dim=1).requires_grad_()
    texts = torch.nn.functional.normalize(torch.randn(1, 8, generator=generator), dim=1)
    everything = torch.ones(1, 4, dtype=torch.bool)
    loss = contrastive_loss(images, texts, torch.tensor(5.0), everything)
    (gradient,) = torch.autograd.grad(loss, images)
    pull = -(gradient * texts).sum(1)
    far = (images.detach() @ texts.T)[:, 0].argmin()
    assert pull[far] > 0


def test_a_few_seconds_of_training_lower_both_losses_and_write_a_loadable_folder(
    bank: StencilBank, tmp_path: Path
) -> None:
    recipe = dataclasses.replace(TINY, steps=40)
    run = tiny_run(bank, tmp_path, recipe)
    assert np.mean(run.contrast[-8:]) < np.mean(run.contrast[:5]) - 0.1
    assert np.mean(run.heads[-8:]) < np.mean(run.heads[:5]) - 0.3
    features = OpenClipReader(tmp_path).images(load_real_digits().pictures[:4])
    assert features.shape == (4, 128)
    assert torch.allclose(features.norm(dim=1), torch.ones(4), atol=1e-5)


def test_training_is_reproducible_and_follows_its_seed(bank: StencilBank, tmp_path: Path) -> None:
    recipe = dataclasses.replace(TINY, steps=4)
    first, again, other = (
        tiny_run(bank, tmp_path, dataclasses.replace(recipe, seed=seed)).weights for seed in (0, 0, 1)
    )
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["visual.conv1.weight"], other["visual.conv1.weight"])


def test_a_failed_run_leaves_the_old_folder_and_no_litter(tmp_path: Path) -> None:
    folder = tmp_path / "clip"
    folder.mkdir()
    (folder / "kept").touch()

    def fail_halfway() -> None:
        with replaced_folder(folder) as fresh:
            (fresh / "half").touch()
            raise RuntimeError("power")

    with pytest.raises(RuntimeError, match="power"):
        fail_halfway()
    assert [path.name for path in tmp_path.iterdir()] == ["clip"]
    assert (folder / "kept").exists()


def test_a_finished_run_replaces_the_folder(tmp_path: Path) -> None:
    folder = tmp_path / "clip"
    folder.mkdir()
    (folder / "old").touch()
    with replaced_folder(folder) as fresh:
        (fresh / "new").touch()
    assert [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")] == ["clip", "clip/new"]


def run_command(arguments: Sequence[str]) -> str:
    from click.testing import CliRunner

    result = CliRunner().invoke(main, list(arguments))
    assert result.exit_code == 0
    return result.output


def test_the_command_explains_itself() -> None:
    output = run_command(["--help"])
    assert all(option in output for option in ("--out", "--steps", "--minutes", "--seed"))
