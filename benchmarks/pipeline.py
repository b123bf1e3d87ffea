"""What the main job costs: a first and a second encoding, and GA-Net's adapter against the same without messages."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from torch import Tensor

from ..core.pipeline import Pipeline
from ..plugins.adapters.bottleneck import Bottleneck
from ..plugins.adapters.ga_net import GANet
from ..plugins.adapters.specs import BottleneckSpec, GANetSpec
from ..triton_kernels import SparseGraph, similarity_graph
from . import Progress, Setting
from .case import Call, Candidate, Case
from .features import clip_like, threshold_for
from .measure import run_cases

SPEC: dict[str, Any] = {
    "version": 1,
    "name": "bench",
    "dataset": {"type": "digits", "shots": 16},
    "encoder": {"type": "open_clip", "model": "pocket", "templates": ["a photo of the digit {}."]},
    "adapter": {"type": "none"},
    "task": {"type": "classification", "head": {"type": "cosine"}},
    "reporters": [],
}
STORE = "Encoding 1,797 digits with the pocket CLIP, wall seconds"


def tables(setting: Setting, progress: Progress) -> Iterator[str]:
    """The store, then the adapters."""
    if setting.wants(STORE, progress):
        progress("pipeline: encoding 1,797 digits, then again")
        yield _store()
    yield from run_cases("pipeline", cases(setting), setting, progress)


def cases(setting: Setting) -> list[Case]:
    """The adapters as the plugins build them."""
    nodes = 1024 if setting.quick else 8192
    candidates = (
        Candidate("bottleneck (limit)", _bottleneck),
        Candidate("ga_net", _ga_net),
    )
    title = f"Adapters 512 -> 64 -> 512, forward and backward: N = {nodes:,}, degree 32"
    return [Case(title, partial(_inputs, nodes, setting.device), candidates, rounds=7)]


def _inputs(nodes: int, device: str) -> tuple[Tensor, SparseGraph]:
    x = clip_like(nodes).to(device)
    return x, similarity_graph(x, threshold_for(x))


def _bottleneck(given: tuple[Tensor, SparseGraph]) -> Call:
    x, _ = given
    adapter = Bottleneck(BottleneckSpec(), x.shape[1]).to(x.device)
    return lambda: adapter(x).sum().backward()


def _ga_net(given: tuple[Tensor, SparseGraph]) -> Call:
    x, graph = given
    adapter = GANet(GANetSpec(self_message=False), x.shape[1]).to(x.device)
    return lambda: adapter(x, graph).sum().backward()


def _store() -> str:
    with tempfile.TemporaryDirectory() as folder:
        seconds = []
        for number in (1, 2):
            start = time.perf_counter()
            run = Pipeline.from_dict(SPEC).run(out=Path(folder) / f"run{number}", store=Path(folder) / "store")
            seconds.append((run.typed.stages["encode"].seconds, time.perf_counter() - start))
    (first, first_all), (second, second_all) = seconds
    return (
        f"### {STORE}\n\n"
        "| run | encode stage | whole run |\n|---|---|---|\n"
        f"| first | {first:.2f} | {first_all:.2f} |\n| second | {second:.3f} | {second_all:.2f} |\n"
        f"| second / first | {second / first:.3f} | {second_all / first_all:.2f} |\n"
    )
