"""The pocket LLaVA's training: two stages a round, each with replicas in threads and a running average of weights."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from ..clip.loop import RunningAverage, adamw, gather_gradients, one_thread_each, scheduled
from .album import Album
from .conversations import Conversations
from .objective import DescribingObjective, LookingObjective
from .recipe import LlavaRecipe, Stage

if TYPE_CHECKING:
    from transformers import LlavaForConditionalGeneration, LlavaProcessor

#: Called after each step with its loss.
StepWatcher = Callable[[float], None]
#: The loss of a model on some next batch.
Lesson = Callable[[nn.Module], Tensor]
#: The most pictures that the tower looks at at once while nothing is learned.
_AT_ONCE = 256


def looking_lesson(album: Album, batch: int, seed: int) -> Lesson:
    """Batches of an album for a ``LookingObjective``."""
    generator = torch.Generator().manual_seed(seed)

    def lesson(model: nn.Module) -> Tensor:
        rows = torch.randint(len(album), (batch,), generator=generator)
        loss: Tensor = model(album.pictures[rows], album.codes[rows], album.taught[rows])
        return loss

    return lesson


def describing_lesson(album: Album, features: Tensor, talk: Conversations, batch: int, seed: int) -> Lesson:
    """Batches of conversations about an album, whose ``features`` are the tower's, for a ``DescribingObjective``."""
    generator = torch.Generator().manual_seed(seed)

    def lesson(model: nn.Module) -> Tensor:
        rows = torch.randint(len(album), (batch,), generator=generator)
        tokens = talk.batch([album.descriptions[row] for row in rows.tolist()])
        loss: Tensor = model(features[rows].float(), tokens)
        return loss

    return lesson


def train_llava(
    llava: LlavaForConditionalGeneration,
    processor: LlavaProcessor,
    albums: Iterable[Album],
    recipe: LlavaRecipe,
    watch: StepWatcher,
) -> None:
    """Train ``llava`` in place, an album a round: its tower to see, then the rest to describe what the tower sees."""
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(recipe.seed)
        looking = LookingObjective(llava, recipe)
    describing = DescribingObjective(llava)
    for number, (album, part) in enumerate(zip(albums, recipe.rounds, strict=True)):
        glance_seeds, word_seeds, talk_seeds = _seeds(recipe, number)
        looking.tower.requires_grad_(True)
        glances = [looking_lesson(album, recipe.batch, seed) for seed in glance_seeds]
        train_stage(looking, glances, recipe, part.looking, watch)
        looking.tower.requires_grad_(False)
        features = look_at(looking, album)
        talks = [
            describing_lesson(
                album, features, Conversations(processor, words, recipe.strange_prompts), recipe.batch, seed
            )
            for words, seed in zip(map(np.random.default_rng, word_seeds), talk_seeds, strict=True)
        ]
        train_stage(describing, talks, recipe, part.describing, watch)


def _seeds(recipe: LlavaRecipe, number: int) -> Iterator[list[int]]:
    """Seeds of a round's glances, words and talks, one a replica; the next round's begin one place further on."""
    count = recipe.replicas
    drawn = np.random.SeedSequence(recipe.seed).generate_state((number + 3) * count).tolist()
    for place in range(number, number + 3):
        yield drawn[place * count : (place + 1) * count]


@torch.no_grad()
def look_at(looking: LookingObjective, album: Album) -> Tensor:
    """What the trained tower makes of an album: float16 [count, 4, width]."""
    looking.eval()
    return torch.cat([looking.tokens(part).half() for part in torch.split(album.pictures, _AT_ONCE)])


class _Replica:
    """One thread of the data-parallel training: its own batches and activations, everyone's weights."""

    def __init__(self, master: nn.Module, lesson: Lesson) -> None:
        self.model, self.lesson = copy.deepcopy(master).train(), lesson
        for mine, theirs in zip(self.model.parameters(), master.parameters(), strict=True):
            mine.data = theirs.data

    def differentiate(self) -> float:
        # The number of threads belongs to the calling thread: one core a replica, no barriers inside an operation.
        torch.set_num_threads(1)
        self.model.zero_grad(set_to_none=True)
        loss = self.lesson(self.model)
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it unannotated
        return float(loss.detach())


def train_stage(
    model: nn.Module, lessons: Sequence[Lesson], recipe: LlavaRecipe, stage: Stage, watch: StepWatcher
) -> None:
    """Train ``model`` in place on one batch of each lesson a step; it is left with its weights' running average."""
    replicas = [_Replica(model, lesson) for lesson in lessons]
    optimizer = adamw(model, stage.learning_rate, recipe.weight_decay, fused=True)
    # Batch statistics stay with the replicas: the first one's are averaged and kept.
    average = RunningAverage(replicas[0].model, recipe.average)
    with one_thread_each(), ThreadPoolExecutor(len(replicas)) as pool:
        for step in range(stage.steps):
            for group in optimizer.param_groups:
                group["lr"] = scheduled(stage.learning_rate, recipe.warmup_steps, step, step / stage.steps)
            losses = list(pool.map(_Replica.differentiate, replicas))
            gather_gradients(model, [replica.model for replica in replicas])
            torch.nn.utils.clip_grad_norm_(model.parameters(), recipe.clip_norm)
            optimizer.step()
            average.update(replicas[0].model)
            watch(sum(losses) / len(losses))
    model.load_state_dict(average.weights)
