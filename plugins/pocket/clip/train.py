"""Make the pocket CLIP: ``python -m graftwork.plugins.pocket.clip.train`` (or ``make pocket``)."""

from __future__ import annotations

import dataclasses
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import numpy as np
import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from .. import CLIP_FOLDER
from ..scenes.captions import caption
from ..scenes.compose import Composer
from ..scenes.fonts import MissingFontsError, find_fonts
from ..scenes.stencils import StencilBank, build_bank
from .architecture import CONTEXT_LENGTH, VISION_TOWERS, build_clip, channels_last, configuration, save_clip
from .card import Effort, write_card
from .loop import Clock, TrainingRun, Watcher, train
from .measure import Measurements, measure
from .objective import PocketObjective
from .recipe import Recipe
from .vocabulary import learn_merges, load_tokenizer, write_merges

#: Weights larger than this as float32 are stored as float16.
MOST_BYTES = 8 * 1000 * 1000
#: The seed of the pictures that measure, apart from the training's.
MEASURING_SEED = 20_000


def make_clip(recipe: Recipe, bank: StencilBank, folder: Path, clock: Clock, watch: Watcher) -> TrainingRun:
    """Train by ``recipe`` and write vocabulary, configuration and weights into ``folder``."""
    composer, words = Composer(bank, recipe.seed, recipe.mix), np.random.default_rng(recipe.seed)
    texts = [caption(scene, words).text for scene in composer.scenes(recipe.vocabulary_captions)]
    write_merges(learn_merges(texts), folder)
    tokenizer = load_tokenizer(folder, CONTEXT_LENGTH)
    config = configuration(recipe.vision, tokenizer.vocab_size)
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(recipe.seed)
        model = PocketObjective(build_clip(config), recipe.heads_weight)
    if recipe.vision.startswith("resnet"):
        channels_last(model.clip)
    run = train(model, bank, tokenizer, recipe, clock, watch)
    size = sum(4 * tensor.numel() for tensor in run.weights.values())
    save_clip(run.weights, config, folder, torch.float32 if size < MOST_BYTES else torch.float16)
    return run


@contextmanager
def replaced_folder(folder: Path) -> Iterator[Path]:
    """A fresh folder beside ``folder`` that takes its place on success, and is removed on failure."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        fresh.chmod(0o755)
        yield fresh
        if folder.exists():
            old = Path(tempfile.mkdtemp(prefix=f".{folder.name}-old-", dir=folder.parent))
            os.replace(folder, old)
            os.replace(fresh, folder)
            shutil.rmtree(old)
        else:
            os.replace(fresh, folder)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def make_pocket(recipe: Recipe, folder: Path, minutes: float | None, console: Console) -> Measurements:
    """Fonts, stencils, training, measuring, card; ``folder`` is replaced once all of it is there."""
    wall, cpu = time.perf_counter(), time.process_time()
    fonts = find_fonts()
    with console.status(f"drawing stencils from {len(fonts)} fonts"):
        bank = build_bank(fonts, recipe.seed, recipe.digit_variants, recipe.letter_variants)
    with replaced_folder(folder) as fresh:
        with _progress(console) as progress:
            clock, watch = _schedule(recipe, minutes, progress)
            run = make_clip(recipe, bank, fresh, clock, watch)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        with console.status("measuring"):
            measured = measure(fresh, bank, MEASURING_SEED)
        write_card(fresh, recipe, measured, _effort(fresh, recipe, run, wall, cpu))
    return measured


def _schedule(recipe: Recipe, minutes: float | None, progress: Progress) -> tuple[Clock, Watcher]:
    """By steps, which is reproducible; by the clock only when asked for."""
    begun, task = time.perf_counter(), progress.add_task("training", total=1.0, contrast=0.0, heads=0.0)

    def clock(step: int) -> float:
        return step / recipe.steps if minutes is None else (time.perf_counter() - begun) / (60 * minutes)

    def watch(step: int, contrast: float, heads: float) -> bool:
        progress.update(task, completed=min(1.0, clock(step)), contrast=contrast, heads=heads)
        return False

    return clock, watch


def _progress(console: Console) -> Progress:
    losses = TextColumn("contrast {task.fields[contrast]:.2f} heads {task.fields[heads]:.2f}")
    percent = TextColumn("{task.percentage:>3.0f}%")
    return Progress(
        "{task.description}", BarColumn(), percent, TimeElapsedColumn(), TimeRemainingColumn(), losses, console=console
    )


def _effort(folder: Path, recipe: Recipe, run: TrainingRun, wall: float, cpu: float) -> Effort:
    import open_clip

    return Effort(
        steps=len(run.contrast),
        pictures=len(run.contrast) * recipe.batch * recipe.replicas,
        wall_seconds=wall,
        cpu_seconds=cpu,
        parameters=sum(tensor.numel() for tensor in run.weights.values() if tensor.is_floating_point()),
        weight_bytes=(folder / "open_clip_model.safetensors").stat().st_size,
        torch=torch.__version__,
        open_clip=open_clip.__version__,
    )


@click.command(context_settings={"show_default": True})
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), default=CLIP_FOLDER, help="Folder to replace.")
@click.option("--steps", type=click.IntRange(1), default=Recipe.steps, help="Optimiser steps.")
@click.option(
    "--minutes",
    type=click.FloatRange(0, min_open=True),
    default=None,
    help="Train this long instead; not reproducible.",
)
@click.option("--seed", type=int, default=Recipe.seed, help="Seed of everything.")
@click.option("--vision", type=click.Choice(list(VISION_TOWERS)), default=Recipe.vision, help="Image tower.")
def main(out: Path, steps: int, minutes: float | None, seed: int, vision: str) -> None:
    """Train the pocket CLIP from scratch on rendered pictures, measure it, and write it with its model card."""
    recipe = dataclasses.replace(Recipe(), steps=steps, seed=seed, vision=vision)
    try:
        measured = make_pocket(recipe, out, minutes, Console(stderr=True))
    except MissingFontsError as error:
        raise click.ClickException(str(error)) from error
    for name, accuracy in {**measured.zero_shot, **measured.questions}.items():
        click.echo(f"{accuracy:.3f}  {name}")


if __name__ == "__main__":
    main()
