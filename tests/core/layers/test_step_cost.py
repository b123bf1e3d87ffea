"""What a training step of HMMoE inside towers dispatches beside the frozen towers alone: counts, never seconds."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch

from graftwork import Pipeline
from graftwork.core.training.steps import Steps
from graftwork.triton_kernels.testing import Counts, counted

from ...support.paths import ROOT

BATCH = 32
EARLIER = {
    "experts": [{"type": "unimodal"}, {"type": "cross_attention", "heads": 4}, {"type": "channel_attention"}],
    "router": {"hidden": 4, "gates": "softmax"},
}
"""What the example was before: dearer."""


def counts_of(folder: Path, monkeypatch: pytest.MonkeyPatch, **adapter: Any) -> tuple[Counts, Counts]:
    """Of the third step of examples/pocket_vqa.json, and of the frozen towers' forward on the same batch."""
    spec = json.loads((ROOT / "examples" / "pocket_vqa.json").read_text())
    spec["dataset"] |= {"train": BATCH, "val": 4, "test": 4}
    spec["trainer"] |= {"epochs": 3, "keep": "last"}
    spec |= {"evaluation": {"seeds": [0]}, "reporters": [], "adapter": spec["adapter"] | adapter}
    found: list[tuple[Counts, Counts]] = []
    epoch = Steps._train_epoch

    def measured(self: Any, *rest: Any) -> Any:
        """One step: the whole epoch."""
        towers, passes = self.learner.model.towers.frozen, self.learner._labelled.passes
        inputs = passes.batch(range(BATCH)).inputs
        with torch.no_grad(), counted() as frozen:
            for tower in towers:
                tower.tower.model(**inputs[tower.tower.name])
        with counted() as step:
            losses = epoch(self, *rest)
        found.append((step, frozen))
        return losses

    with monkeypatch.context() as patched:
        patched.setattr(Steps, "_train_epoch", measured)
        Pipeline(spec).run(folder)
    return found[2]


@pytest.mark.parametrize("adapter", [{}, EARLIER], ids=["as it stands", "softmax and channel attention"])
def test_a_step_dispatches_at_most_four_times_the_frozen_towers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, adapter: dict[str, Any]
) -> None:
    """Forward, losses, backward and optimizer; and no number is read but those that the towers read themselves."""
    step, frozen = counts_of(tmp_path / "run", monkeypatch, **adapter)
    assert step.operators.total() <= 4 * frozen.operators.total(), (step.operators.total(), frozen.operators.total())
    # Which rows a batch has, is never on a device.
    assert step.reads - frozen.reads == Counter({"tolist": 1})
