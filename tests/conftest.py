"""What every test shares: how hypothesis draws, a cache of its own, and a small real CLIP on disk."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from .support.warm import Warm

# Before torch: on tensors this small, threads that wait for each other (or for the other worker's) are 5 times slower.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# What tests start in folders of their own need not find out again what letters there are.
os.environ.setdefault("HYPOTHESIS_STORAGE_DIRECTORY", str(Path(__file__).parents[1] / ".hypothesis"))
# No deadline and no look at the clock: torch sets itself up inside the first example, in half a second.
settings.register_profile("search", deadline=None, suppress_health_check=[HealthCheck.too_slow])
# The same examples in every run of the suite, which so says of a change what it does; `search` draws others each time.
settings.register_profile("graftwork", settings.get_profile("search"), derandomize=True)
settings.load_profile("graftwork")

#: A real open_clip architecture, as small as it can be: 1.6 million parameters, nearly all in the token embedding.
TINY = {
    "model_cfg": {
        "embed_dim": 32,
        "vision_cfg": {"image_size": 32, "layers": 2, "width": 32, "head_width": 16, "patch_size": 8},
        "text_cfg": {"context_length": 32, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1},
    },
    "preprocess_cfg": {
        "mean": [0.5, 0.5, 0.5],
        "std": [0.5, 0.5, 0.5],
        "interpolation": "bicubic",
        "resize_mode": "squash",
        "size": [32, 32],
    },
}


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that ``GRAFTWORK_CACHE`` names; no test sees the vectors of another, or the user's."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("GRAFTWORK_CACHE", str(folder))
    return folder


@pytest.fixture(scope="session")
def shared_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of one worker: what a page has encoded, as all digits by the pocket CLIP, the next one finds."""
    return tmp_path_factory.mktemp("shared_store")


@pytest.fixture
def encoded_once(cache: Path, shared_store: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """``GRAFTWORK_CACHE`` names ``shared_store``: for tests that say nothing of what is encoded, and when."""
    monkeypatch.setenv("GRAFTWORK_CACHE", str(shared_store))
    return shared_store


@pytest.fixture(scope="session")
def tiny_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that ``local-dir:FOLDER`` opens: a real open_clip CLIP with random weights, the same every time."""
    return save_tiny_clip(tmp_path_factory.mktemp("tiny_clip"), seed=0)


@pytest.fixture(scope="session")
def tiny_llava(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a real LLaVA of random weights, the same every time."""
    from .support.models.tiny_vlms import save_llava

    return save_llava(tmp_path_factory.mktemp("tiny_llava"))


@pytest.fixture(scope="session")
def warm() -> Iterator[Warm]:
    """Processes that begin with torch imported; the first one of a worker takes some seconds."""
    server = Warm()
    yield server
    server.close()


def save_tiny_clip(folder: Path, seed: int) -> Path:
    """Write configuration and seeded random weights of ``TINY`` into ``folder``."""
    import open_clip
    import torch
    from safetensors.torch import save_file

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = open_clip.CLIP(**TINY["model_cfg"])
    (folder / "open_clip_config.json").write_text(json.dumps(TINY))
    save_file(model.state_dict(), folder / "open_clip_model.safetensors")
    return folder
