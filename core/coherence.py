"""What must agree between sections of a spec, checked after each section is valid by itself."""

from __future__ import annotations

from collections.abc import Iterator

from ..registry.errors import Problem
from .pipeline_spec import PipelineSpec, SearchRange


def incoherences(spec: PipelineSpec) -> Iterator[Problem]:
    """Every contradiction between sections."""
    adapter = getattr(spec.adapter, "type", "")
    if spec.adapter.needs_graph and spec.graph is None:
        yield Problem(
            f"adapter `{adapter}` passes messages over a graph, and the pipeline has none",
            ("adapter", "type"),
            hint='add "graph": {"type": "similarity", "threshold": 0.8}, or take adapter `bottleneck`',
        )
    for key in spec.search:
        if key.split(".")[0] in ("search", "trials", "evaluation", "seed"):
            yield Problem(
                f"a search cannot try values of `{key}`", ("search", key), "it says how results are found and measured"
            )
        if isinstance(spec.search[key], SearchRange) and spec.trials is None:
            yield Problem("a range needs a number of trials", ("search", key), 'add "trials": 30, or list the values')
    if spec.trials is not None and not spec.search:
        yield Problem("there is nothing to search", ("trials",), "name values under `search`, or leave `trials` out")
    if spec.search and spec.evaluation.select_on == "none":
        yield Problem('a search needs a split to choose on, and "select_on" is "none"', ("search",))
    if spec.evaluation.test_on == "train" or spec.evaluation.test_on == spec.evaluation.select_on:
        yield Problem(
            f"the numbers would come from `{spec.evaluation.test_on}`, which trains or selects",
            ("evaluation", "test_on"),
            hint="name a split that neither trains nor selects",
        )
    if len(set(spec.seeds)) != len(spec.seeds):
        yield Problem("a seed stands here twice", ("evaluation", "seeds"))
