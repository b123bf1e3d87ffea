"""Finished runs of a second each, of every form that a support set has, an adapter that was saved out of towers, and
what to ask them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from graftwork import load
from graftwork.core.graft import GraftedTowers, Tower, builder, load_adapter, save_pretrained
from graftwork.core.storage.manifest import seal
from graftwork.core.training.predictor import Predictor
from graftwork.plugins.adapters.hmmoe import HMMoESpec

from ..models.tower_models import hidden, inputs, model
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
#: Every form; ``grafted`` is no run, but what ``save_pretrained`` writes and ``load_adapter`` reads.
NAMES = (*SMALL, "layers", "grafted")


def adapter_of(name: str, folder: Path) -> Path:
    """The adapter folder of a run of that form, trained into ``folder``; through towers, one that was kept."""
    if name == "layers":
        kept = Path(shutil.copytree(LAYERS, folder / "adapter"))
        seal(kept)
        return kept
    if name == "grafted":
        grafted = _towers()
        grafted.add_adapter("first", HMMoESpec.model_validate({"rank": 4}), builder())
        torch.manual_seed(0)
        for key, parameter in grafted.named_parameters():
            if key.endswith("up.weight"):
                torch.nn.init.normal_(parameter, std=0.2)
        saved = save_pretrained(grafted, folder / "adapter")
        grafted.delete_adapter("first")
        return saved
    run = pipeline(**SMALL[name], trainer__epochs=1).run(out=folder / "run", store=folder / "store")
    return run.folder / "adapter"


@cache
def _towers() -> GraftedTowers:
    """A vision and a text tower, frozen and without an adapter."""
    towers = [Tower.of("image", model("CLIPVision", 2)), Tower.of("text", model("Bert", 2, width=24))]
    return GraftedTowers(towers).eval()


def _outputs(folder: Path) -> list[Any]:
    """What the towers give with the adapter of a folder in them."""
    grafted = load_adapter(_towers(), folder)
    try:
        with torch.no_grad():
            found = grafted({"image": inputs("CLIPVision", 2), "text": inputs("Bert", 2)}).outputs
        return [hidden(one).tolist() for one in found.values()]
    finally:
        grafted.delete_adapter(str(grafted.active))


def asked(name: str) -> Callable[[Path], Any]:
    """Load a folder and put two pictures to it; through towers with what is said of each."""
    if name == "grafted":
        return _outputs
    pictures = [Image.new("RGB", (16, 16), (40, 90, 200)), Image.new("RGB", (16, 16), "white")]
    if name == "layers":
        return lambda folder: loaded(folder).predict(pictures, ["a blue thing", "a white thing"])
    return lambda folder: loaded(folder).predict(pictures)


def loaded(folder: Path) -> Predictor:
    """By the small pipeline's catalogue."""
    return load(folder, device="cpu", catalogue=catalogue())
