"""Finished runs of a second each, of every form that a support set has, and pictures to ask them about."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from graftwork import load
from graftwork.core.data.prediction import Predictions
from graftwork.core.storage.manifest import seal
from graftwork.core.training.predictor import Predictor

from ..paths import ROOT
from ..small_pipeline import catalogue, pipeline

COSINE = {"type": "cosine"}
PAIR = {"type": "similarity", "nodes": "pair", "threshold": 0.5}
FUSED = {"type": "similarity", "nodes": "fused", "fusion": "cross_attention", "fusion_rank": 4, "threshold": 0.5}
BRIGHTNESS = {"type": "brightness"}
SMALL = {
    "graph": {},
    "pair": {"graph": PAIR, "captioner": BRIGHTNESS, "task__head": COSINE, "task__blend": 0.5},
    "fused": {"graph": FUSED, "captioner": BRIGHTNESS, "task__head": COSINE},
    "tip": {"graph": None, "adapter": {"type": "none"}, "task__head": {"type": "tip_adapter"}},
}
LAYERS = ROOT / "tests" / "fixtures" / "before_house" / "run_layers" / "adapter"
#: Every form.
NAMES = (*SMALL, "layers")


def adapter_of(name: str, folder: Path) -> Path:
    """The adapter folder of a run of that form, trained into ``folder``; through towers, one that was kept."""
    if name == "layers":
        kept = Path(shutil.copytree(LAYERS, folder / "adapter"))
        seal(kept)
        return kept
    run = pipeline(**SMALL[name], trainer__epochs=1).run(out=folder / "run", store=folder / "store")
    return run.folder / "adapter"


def asked(name: str) -> Callable[[Predictor], Predictions]:
    """Two pictures to a predictor; through towers with what is said of each."""
    pictures = [Image.new("RGB", (16, 16), (40, 90, 200)), Image.new("RGB", (16, 16), "white")]
    if name == "layers":
        return lambda predictor: predictor.predict(pictures, ["a blue thing", "a white thing"])
    return lambda predictor: predictor.predict(pictures)


def loaded(folder: Path) -> Predictor:
    """By the small pipeline's catalogue."""
    return load(folder, device="cpu", catalogue=catalogue())
