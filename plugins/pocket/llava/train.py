"""Make the pocket LLaVA: ``python -m graftwork.plugins.pocket.llava.train`` (or ``make pocket-llava``)."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator
from pathlib import Path

import click
import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from .. import CLIP_FOLDER, LLAVA_FOLDER
from ..clip.loop import one_thread_each
from ..clip.teacher import Teacher
from ..clip.train import MEASURING_SEED, replaced_folder
from ..scenes.fonts import MissingFontsError, find_fonts
from ..scenes.stencils import StencilBank, build_bank
from .album import Album, render_album
from .card import LlavaEffort, write_llava_card
from .loop import train_llava
from .measure import LlavaMeasurements, measure_llava
from .model import build_llava, build_processor, configuration, save_llava
from .recipe import LlavaRecipe

#: How far apart the seeds of two rounds' pictures are.
ALBUM_SEEDS = 1000


def make_llava(recipe: LlavaRecipe, bank: StencilBank, folder: Path, report: Report) -> None:
    """Train by ``recipe`` and write model and processor into ``folder``."""
    processor = build_processor()
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(recipe.seed)
        llava = build_llava(configuration(recipe.size, processor.tokenizer))
    train_llava(llava, processor, render_albums(recipe, bank, report), recipe, report.stepped)
    save_llava(llava, llava.state_dict(), processor, folder)


def render_albums(recipe: LlavaRecipe, bank: StencilBank, report: Report) -> Iterator[Album]:
    """The pictures of each round in turn, each rendered when it is asked for."""
    teacher = Teacher(CLIP_FOLDER, recipe.half_precision)
    for number, part in enumerate(recipe.rounds):
        with one_thread_each():
            seed = recipe.seed + ALBUM_SEEDS * number
            album = render_album(bank, teacher, recipe.mix, seed, part.pictures, report.rendered)
        yield album


class Report:
    """What a training tells while it runs: nothing, unless a progress bar is given."""

    def __init__(self, recipe: LlavaRecipe, progress: Progress | None = None) -> None:
        self.progress = progress
        steps = sum(part.steps for part in recipe.rounds)
        pictures = sum(part.pictures for part in recipe.rounds)
        if progress is not None:
            self.rendering = progress.add_task("rendering", total=pictures, loss="")
            self.training = progress.add_task("training", total=steps, loss="")

    def rendered(self, pictures: int) -> None:
        """So many more pictures are rendered."""
        if self.progress is not None:
            self.progress.update(self.rendering, advance=pictures)

    def stepped(self, loss: float) -> None:
        """One more step is done."""
        if self.progress is not None:
            self.progress.update(self.training, advance=1, loss=f"loss {loss:.3f}")


def make_pocket_llava(recipe: LlavaRecipe, folder: Path, console: Console) -> LlavaMeasurements:
    """Fonts, stencils, training, measuring, card; ``folder`` is replaced once all of it is there."""
    fonts = find_fonts()
    with console.status(f"drawing stencils from {len(fonts)} fonts"):
        bank = build_bank(fonts, recipe.seed, recipe.digit_variants, recipe.letter_variants)
    with replaced_folder(folder) as fresh:
        wall, cpu = time.perf_counter(), time.process_time()
        with _progress(console) as progress:
            make_llava(recipe, bank, fresh, Report(recipe, progress))
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        with console.status("measuring"):
            measured = measure_llava(fresh, bank, recipe.mix, MEASURING_SEED)
        write_llava_card(fresh, recipe, measured, LlavaEffort(wall, cpu))
    return measured


def _progress(console: Console) -> Progress:
    percent = TextColumn("{task.percentage:>3.0f}%")
    return Progress(
        "{task.description}", BarColumn(), percent, TimeElapsedColumn(), TimeRemainingColumn(), "{task.fields[loss]}",
        console=console,
    )  # fmt: skip


@click.command(context_settings={"show_default": True})
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), default=LLAVA_FOLDER, help="Folder to replace."
)
@click.option("--seed", type=int, default=LlavaRecipe.seed, help="Seed of everything.")
@click.option(
    "--share",
    type=click.FloatRange(0, 1, min_open=True),
    default=1.0,
    help="Take this share of pictures and steps: a quick try.",
)
def main(out: Path, seed: int, share: float) -> None:
    """Train the pocket LLaVA from scratch on rendered pictures, measure it, and write it with its model card."""
    recipe = dataclasses.replace(LlavaRecipe(), seed=seed).shortened(share)
    try:
        measured = make_pocket_llava(recipe, out, Console(stderr=True))
    except MissingFontsError as error:
        raise click.ClickException(str(error)) from error
    for name, accuracy in {**measured.digits, **measured.characters, **measured.facts}.items():
        click.echo(f"{accuracy:.3f}  {name}")


if __name__ == "__main__":
    main()
