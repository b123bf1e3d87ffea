"""What the kernels and the pipeline cost, measured against their limits and their peers: `graftwork bench`.

This module imports nothing heavy; each benchmark is a module beside it with `tables(setting, progress)`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import cast

Progress = Callable[[str], None]
"""Takes a line that says what is going on."""

#: Name (a module of this package) to what it measures, in the order in which all of them run.
BENCHMARKS = {
    "similarity_graph": "all pairs above a threshold as a graph, against a triangle of the product, dense torch, faiss",
    "propagate": "message passing, forward and both ways, against torch CSR, scipy and PyG",
    "gcn_bottleneck": "the whole adapter, against the same without messages and PyG's style",
    "growth": "graph time a pair and propagation time an edge, from 8,000 nodes to 100,000",
    "encoding": "the encoder stage against a bare loop over the same model, and its peak memory",
    "lockstep": "two frozen towers advancing together, against one after the other",
    "fisher": "squared gradients item by item, against a loop over the items, and how near to it",
    "pipeline": "a first and a second encoding, and GA-Net's adapter against a plain one",
}


@dataclass(frozen=True)
class Setting:
    """How much is measured, and on what."""

    quick: bool = False
    """Small sizes, few rounds, no memory: seconds instead of minutes. Says that all runs, and little of speed."""
    device: str = "cpu"
    """"cpu" or "cuda"."""
    only: str = ""
    """What the title of a case holds, in either case, where not all of them are measured."""

    def wants(self, title: str, progress: Progress) -> bool:
        """Whether a case is measured; one that is not is named."""
        wanted = self.only.casefold() in title.casefold()
        if not wanted:
            progress(f"passed over: {title}")
        return wanted


def tables(name: str, setting: Setting, progress: Progress) -> Iterator[str]:
    """The Markdown tables of one benchmark, each as soon as it is measured; raises KeyError for an unknown name."""
    if name not in BENCHMARKS:
        raise KeyError(name)
    module = import_module(f".{name}", __name__)
    yield from cast(Iterator[str], module.tables(setting, progress))
