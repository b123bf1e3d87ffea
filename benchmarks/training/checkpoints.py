"""What checkpoints cost at ViT-B width: of a training's time, and beside a bare write of as many bytes.

python -m graftwork.benchmarks.training.checkpoints [SECONDS]    (from the folder of graftwork; seconds to train)
"""

from __future__ import annotations

import contextlib
import os
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Generator, Tensor

from ...core.graft.grafted_model import GraftedModel, graft
from ...core.roles.regularizer import TrainingView
from ...core.spec.load_spec import spec_from_dict
from ...core.storage.claim import CHECKPOINT_EVERY
from ...core.training.checkpoints.folder import Checkpoints
from ...core.training.checkpoints.tree import Tree
from ...core.training.learner import Learner, OfLogits, Rank, TrainableModel
from ...core.training.loop import train
from ...registry.discovery import default_catalogue

ADAPTERS: Mapping[str, Mapping[str, Any]] = {
    "LoRA, rank 8, in both towers": {"type": "lora", "rank": 8},
    "HMMoE, rank 64, at each of 12 meetings": {"type": "hmmoe", "rank": 64},
}
#: Items of a step, and of an epoch.
BATCH, ITEMS = 2, 400
#: Writes of each kind, in turn. Of both the fastest counts: other work on the machine only adds.
ROUNDS = 21


class _Model(TrainableModel):
    """The adapter alone is its own, as in a run: the towers are used."""

    def __init__(self, grafted: GraftedModel) -> None:
        super().__init__()
        self.head, self._grafted = None, (grafted,)
        self.adapter = grafted.adapters[grafted.active or ""]

    def loss(self, inputs: Mapping[str, Mapping[str, Tensor]]) -> Tensor:
        """Of what the towers give, and the adapter's own."""
        out = self._grafted[0](inputs)
        parts = [one.pooler_output.square().mean() for one in out.outputs.values()]
        loss: Tensor = torch.stack(parts).sum() + out.auxiliary_loss()
        return loss


class _Learner(Learner):
    """Random pictures and words; what is learned does not matter."""

    def __init__(self, grafted: GraftedModel) -> None:
        self.model: _Model = _Model(grafted)
        self.items = ITEMS
        self._inputs = {
            "image": {"pixel_values": torch.randn(BATCH, 3, 224, 224)},
            "text": {"input_ids": torch.randint(0, 1000, (BATCH, 77))},
        }

    def fit(self) -> None:
        """There is no head."""

    def loss(self, rows: Tensor, of_logits: OfLogits | None = None) -> Tensor:
        """Of the same items each time."""
        return self.model.loss(self._inputs)

    def rank(self) -> Rank:
        """So that a best epoch is kept, as is usual."""
        return 0.0, 0.0

    def final_loss(self) -> float:
        """Not of interest."""
        return 0.0

    def view(self, previous: Path | None, generator: Generator) -> TrainingView:
        """There are no regularizers."""
        raise NotImplementedError


class _Timed(Checkpoints):
    """Notes what each took, how many bytes it has, and ends the training when it is time."""

    def __init__(self, folder: Path, until: float) -> None:
        super().__init__(folder, lambda: {"versions": {}}, lambda: None, lambda event: None)
        self.took: list[float] = []
        self.tree: Tree = {}
        self.bytes, self.steps, self._until = 0, 0, until

    def due(self) -> bool:
        self.steps += 1
        if time.perf_counter() > self._until:
            raise TimeoutError
        return super().due()

    def write(self, place: str, tree: Tree) -> None:
        since = time.perf_counter()
        super().write(place, tree)
        self.took.append(time.perf_counter() - since)
        self.tree, newest = tree, self.folder / place
        self.bytes = sum(one.stat().st_size for one in newest.iterdir())


def _bare(path: Path, size: int) -> float:
    """Seconds to write so many bytes, down to the disk."""
    content = os.urandom(size)
    since = time.perf_counter()
    with open(path, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    seconds = time.perf_counter() - since
    path.unlink()
    return seconds


def towers() -> dict[str, Any]:
    """CLIP ViT-B/16's, with random weights."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import transformers

    sizes = {"hidden_size": 768, "intermediate_size": 3072, "num_attention_heads": 12, "num_hidden_layers": 12}
    vision = transformers.CLIPVisionModel(transformers.CLIPVisionConfig(patch_size=16, **sizes))
    text = transformers.CLIPTextModel(transformers.CLIPTextConfig(num_hidden_layers=12))
    return {"image": vision, "text": text}


def measured(adapter: Mapping[str, Any], folder: Path, seconds: float) -> str:
    """A row: one training of so many seconds, with a checkpoint each minute; then both writes in turn."""
    catalogue = default_catalogue()
    spec = spec_from_dict(
        {
            "dataset": {"type": "digits"},
            "encoder": {"type": "open_clip", "model": "pocket"},
            "adapter": {"type": "none"},
            "task": {"type": "classification", "head": {"type": "linear"}},
            "trainer": {"epochs": 10**6, "batch_size": BATCH},
        },
        catalogue=catalogue,
    )
    learner = _Learner(graft(towers(), adapter, catalogue=catalogue))
    since = time.perf_counter()
    checkpoints = _Timed(folder / "checkpoints", since + seconds)
    with contextlib.suppress(TimeoutError):
        train(spec, catalogue, learner, [(0, lambda *epoch: None)], checkpoints)
    trained, in_training = time.perf_counter() - since, list(checkpoints.took)
    ours, bare = [], []
    for number in range(ROUNDS):
        again = time.perf_counter()
        checkpoints.write(f"9-{number:02}", checkpoints.tree)
        ours.append(time.perf_counter() - again)
        bare.append(_bare(folder / "bare", checkpoints.bytes))
    parameters = sum(one.numel() for one in learner.model.parameters())
    return (
        f"| {parameters:,} | {checkpoints.bytes / 1e6:.1f} | {checkpoints.steps} in {trained:.0f} s "
        f"| {len(in_training)} | {statistics.median(in_training):.3f} s | {100 * sum(in_training) / trained:.2f} % "
        f"| {min(ours):.3f} / {min(bare):.3f} s = {min(ours) / min(bare):.2f} |"
    )


def main(seconds: float) -> None:
    """Print the table."""
    print(f"A checkpoint each {CHECKPOINT_EVERY:.0f} s, AdamW, best epoch kept, batch {BATCH}.\n")
    print("| adapter | parameters | MB | steps | checkpoints | each | of the training | fastest / fastest bare write |")
    print("|---|---|---|---|---|---|---|---|")
    for name, adapter in ADAPTERS.items():
        with tempfile.TemporaryDirectory() as folder:
            print(f"| {name} {measured(adapter, Path(folder), seconds)}", flush=True)


if __name__ == "__main__":
    main(float((sys.argv[1:] or ["190"])[0]))
