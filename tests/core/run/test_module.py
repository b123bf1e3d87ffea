"""A run as a torch module: what it is given, that it says what the predictor says, and that it trains."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from graftwork import Pipeline, load
from graftwork.core.data.items import DataError

from ...support import small_layers, small_pipeline

#: Graph, policy and nodes of runs on features.
RUNS: dict[str, dict[str, Any]] = {
    "ga_net": {},
    "bottleneck": {"graph": None, "adapter": {"type": "bottleneck", "bottleneck": 8}},
    "rewire": {"evaluation__inductive": "rewire"},
    "blended": {"task__head": {"type": "cosine"}, "task__blend": 0.5},
}


def drawn(count: int = 5) -> list[Any]:
    return list(np.random.default_rng(3).integers(0, 255, (count, 8, 8), dtype=np.uint8))


@pytest.mark.parametrize("name", RUNS)
def test_on_features_it_says_what_the_predictor_says(name: str, tmp_path: Path) -> None:
    """Vectors in, the same logits out; they train adapter and head, and the predictor answers by these."""
    done = small_pipeline.pipeline(**RUNS[name]).run(out=tmp_path / "run", store=tmp_path / "store")
    predictor = load(done.folder, catalogue=small_pipeline.catalogue())
    pictures, module = drawn(), predictor.module
    before, features = predictor.logits(images=pictures), predictor.features(images=pictures)
    assert {key: tuple(one.shape) for key, one in features.items()} == {"image": (5, small_pipeline.WIDTH)}
    assert module.takes == ("image",)
    assert not module.training
    torch.testing.assert_close(module(**features), before)
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    module.train()
    torch.nn.functional.cross_entropy(module(**features), torch.tensor([0, 1, 2, 3, 4])).backward()
    assert all(one.grad is not None for one in module.model.adapter.parameters())
    optimizer.step()
    after = predictor.module.eval()(**features)
    assert not torch.allclose(after, before)
    torch.testing.assert_close(predictor.logits(images=pictures), after.detach())


def test_what_it_is_not_given_is_said(tmp_path: Path) -> None:
    done = small_pipeline.pipeline().run(out=tmp_path / "run", store=tmp_path / "store")
    module = load(done.folder, catalogue=small_pipeline.catalogue()).module
    with pytest.raises(TypeError, match="this run takes image, and was given text"):
        module(text=torch.zeros(1, 64))
    with pytest.raises(TypeError, match="this run takes image, and was given nothing"):
        module()


def test_through_towers_it_takes_what_the_towers_take(tmp_path: Path) -> None:
    """The same logits; gradients reach adapter and head; a step changes what the predictor says."""
    encoder = {"type": "open_clip", "model": "pocket"}
    adapter = {"type": "hmmoe", "rank": 2, "experts": [{"type": "unimodal"}]}
    spec = small_layers.pipeline("vqa", "vqa", encoder, adapter)
    done = Pipeline.from_dict(spec, catalogue=small_layers.with_little_data()).run(
        out=tmp_path / "run", store=tmp_path / "store"
    )
    predictor = load(done.folder, catalogue=small_layers.with_little_data())
    given = {"images": [one.repeat(8, 0).repeat(8, 1) for one in drawn(3)], "texts": ["what is it?"] * 3}
    before, features = predictor.logits(**given), predictor.features(**given)
    module = predictor.module
    assert features.keys() == set(module.takes) == {"image", "text"}
    torch.testing.assert_close(module(**features), before)
    out = module.read_outs(**features)
    loss = torch.nn.functional.cross_entropy(module.logits(out), torch.tensor([0, 1, 0])) + out.auxiliary
    loss.backward()
    assert any(one.grad is not None for one in module.model.adapter.parameters())
    torch.optim.SGD(module.parameters(), lr=1.0).step()
    assert not torch.allclose(predictor.logits(**given), before)
    with pytest.raises(TypeError, match="this run takes image, text, and was given image"):
        module(image=features["image"])


def test_a_task_of_pairs_has_read_outs_alone(tmp_path: Path) -> None:
    encoder = {"type": "open_clip", "model": "pocket"}
    adapter = {"type": "hmmoe", "rank": 2, "experts": [{"type": "unimodal"}]}
    done = Pipeline.from_dict(
        small_layers.pipeline("retrieval", "pairs", encoder, adapter), catalogue=small_layers.with_little_data()
    ).run(out=tmp_path / "run", store=tmp_path / "store")
    module = load(done.folder, catalogue=small_layers.with_little_data()).module
    with pytest.raises(DataError, match="a task of pairs has no logits; `read_outs` gives the vectors"):
        module()
