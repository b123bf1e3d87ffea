"""Make the pocket towers: ``python -m graftwork.plugins.pocket.towers.train [ast|scene_clip|vilt ...]``."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, TypeVar

import click
import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from torch import nn

from .. import AST_FOLDER
from ..clip.train import replaced_folder
from ..world.captions import WORDS
from . import scene_clip_tower, vilt_tower
from .ast_objective import HearingObjective
from .audio_tower import build_ast, build_extractor
from .card import Effort, write_tower_card
from .folder import save_tower
from .loop import LossWatcher, train_tower
from .measure import Figures, measure_ast, measure_scene_clip, measure_vilt
from .picture_lessons import Lessons, said_by
from .recipes import AstRecipe, SceneClipRecipe, TowerRecipe, ViltRecipe
from .scene_clip_tower import SceneClipObjective, build_image_processor, build_scene_clip
from .sound_lessons import draw_sounds, labels, log_mels
from .vilt_tower import ViltObjective, build_processor, build_vilt
from .word_tokenizer import build_tokenizer

#: Any of the three objectives.
Objective = TypeVar("Objective", bound=nn.Module)


def make_ast(recipe: AstRecipe, folder: Path, watch: LossWatcher) -> None:
    """Train the audio tower by ``recipe`` and write it into ``folder``."""
    from transformers import ASTFeatureExtractor

    sounds, waves = draw_sounds(recipe.sounds, Random(f"pocket towers, ast, {recipe.seed}"))
    raw = log_mels(ASTFeatureExtractor(**{**build_extractor(0.0, 0.5).to_dict(), "do_normalize": False}), waves)
    extractor = build_extractor(round(raw.mean().item(), 3), round(raw.std().item(), 3))
    values, heard = (raw - extractor.mean) / (2 * extractor.std), labels(sounds)
    generator = torch.Generator().manual_seed(recipe.seed)
    size = recipe.size
    objective = _seeded(recipe, lambda: HearingObjective(build_ast(size.width, size.depth, size.heads, size.inner)))

    def draw() -> tuple[torch.Tensor, ...]:
        chosen = torch.randint(len(values), (recipe.schedule.batch,), generator=generator)
        return values[chosen], heard[chosen]

    train_tower(objective, draw, recipe.schedule, watch)
    save_tower(objective.tower, extractor, folder)


def make_scene_clip(recipe: SceneClipRecipe, folder: Path, watch: LossWatcher) -> None:
    """Train the scene CLIP by ``recipe`` and write it into ``folder``."""
    from transformers import CLIPProcessor

    tokenizer = build_tokenizer(WORDS)
    lessons = Lessons(f"pocket towers, scene_clip, {recipe.seed}", tokenizer)
    objective = _seeded(
        recipe,
        lambda: SceneClipObjective(build_scene_clip(recipe, len(tokenizer)), tokenizer, recipe.dense_weight),
    )
    looking = scene_clip_tower.LookingObjective(objective.tower, objective.patches)
    train_tower(looking, lambda: lessons.pictures(recipe.looking.batch), recipe.looking, watch)
    train_tower(objective, lambda: (lessons.batch(recipe.schedule.batch),), recipe.schedule, watch)
    save_tower(objective.tower, CLIPProcessor(build_image_processor(), tokenizer), folder)


def make_vilt(recipe: ViltRecipe, folder: Path, watch: LossWatcher) -> None:
    """Train the single-stream model by ``recipe`` and write it into ``folder``."""
    tokenizer = build_tokenizer(WORDS)
    lessons = Lessons(f"pocket towers, vilt, {recipe.seed}", tokenizer, recipe.described)
    generator = torch.Generator().manual_seed(recipe.seed)
    said = said_by(tokenizer)
    objective = _seeded(recipe, lambda: ViltObjective(build_vilt(recipe.size, len(tokenizer)), said, recipe, generator))
    looking = vilt_tower.LookingObjective(objective.tower, objective.patches, recipe.seen_by)
    train_tower(looking, lambda: lessons.pictures(recipe.looking.batch), recipe.looking, watch)
    train_tower(objective, lambda: (lessons.batch(recipe.schedule.batch),), recipe.schedule, watch)
    save_tower(objective.tower, build_processor(tokenizer), folder)


def _seeded(recipe: TowerRecipe, build: Callable[[], Objective]) -> Objective:
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(recipe.seed)
        return build()


@dataclass(frozen=True)
class Tower:
    """One of them: its recipe, how it is made and how it is measured."""

    recipe: TowerRecipe
    make: Callable[[Any, Path, LossWatcher], None]
    measure: Callable[[Path], Figures]


TOWERS: dict[str, Tower] = {
    "ast": Tower(AstRecipe(), make_ast, measure_ast),
    "scene_clip": Tower(SceneClipRecipe(), make_scene_clip, measure_scene_clip),
    "vilt": Tower(ViltRecipe(), make_vilt, measure_vilt),
}


def make_tower(name: str, recipe: TowerRecipe, folder: Path, console: Console) -> Figures:
    """Training, measuring, card; ``folder`` is replaced once all of it is there."""
    tower = TOWERS[name]
    with replaced_folder(folder) as fresh:
        wall, cpu = time.perf_counter(), time.process_time()
        with _progress(console) as progress:
            tower.make(recipe, fresh, _watcher(progress, name, recipe))
        effort = Effort(time.perf_counter() - wall, time.process_time() - cpu)
        with console.status(f"measuring {name}"):
            figures = tower.measure(fresh)
        write_tower_card(fresh, name, recipe, figures, effort)
    return figures


def _watcher(progress: Progress, name: str, recipe: TowerRecipe) -> LossWatcher:
    task = progress.add_task(name, total=sum(stage.steps for stage in recipe.stages.values()), loss=float("nan"))
    return lambda step, loss: progress.update(task, advance=1, loss=loss)


def _progress(console: Console) -> Progress:
    percent, loss = TextColumn("{task.percentage:>3.0f}%"), TextColumn("loss {task.fields[loss]:.3f}")
    return Progress(
        "{task.description}", BarColumn(), percent, TimeElapsedColumn(), TimeRemainingColumn(), loss, console=console
    )


@click.command(context_settings={"show_default": True})
@click.argument("names", nargs=-1, type=click.Choice(list(TOWERS)))
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=AST_FOLDER.parent,
    help="Where the folders lie that are replaced.",
)
@click.option("--seed", type=int, default=TowerRecipe.seed, help="Seed of everything.")
@click.option(
    "--share",
    type=click.FloatRange(0, 1, min_open=True),
    default=1.0,
    help="Take this share of the steps: a quick try.",
)
def main(names: tuple[str, ...], out: Path, seed: int, share: float) -> None:
    """Train the pocket towers NAMES (all by default) from scratch, measure them, and write them with their cards."""
    for name in names or TOWERS:
        recipe = dataclasses.replace(TOWERS[name].recipe, seed=seed).shortened(share)
        for what, figure in make_tower(name, recipe, out / name, Console(stderr=True)).items():
            click.echo(f"{figure:.3f}  {name}: {what}")


if __name__ == "__main__":
    main()
