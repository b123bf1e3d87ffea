"""What must agree between sections of a spec, checked after each section is valid by itself."""

from __future__ import annotations

from collections.abc import Iterator

from ...registry.errors import Problem
from ..roles.specs import PairTaskSpec
from .node_kinds import modalities_of
from .pipeline_spec import PipelineSpec, SearchRange
from .search_values import trial_count
from .sequence_coherence import of_sequence

#: A search tries at most so many combinations, by itself or proposed, and a run trains at most so many times.
MAX_COMBINATIONS = 10_000
MAX_TRAININGS = 100_000


def incoherences(spec: PipelineSpec) -> Iterator[Problem]:
    """Every contradiction between sections."""
    adapter = getattr(spec.adapter, "type", "")
    if spec.adapter.needs_graph and spec.graph is None:
        yield Problem(
            f"adapter `{adapter}` passes messages over a graph, and the pipeline has none",
            ("adapter", "type"),
            hint='add "graph": {"type": "similarity", "threshold": 0.8}, or take adapter `bottleneck`',
        )
    if spec.level == "layers":
        yield from _between_towers(spec)
    else:
        yield from _incomparable(spec)
        yield from _unconnectable(spec)
    yield from _twice(spec)
    yield from of_sequence(spec)
    for key in spec.search:
        if key.split(".")[0] in ("search", "trials", "evaluation", "seed"):
            yield Problem(
                f"a search cannot try values of `{key}`", ("search", key), "it says how results are found and measured"
            )
        if key.endswith(("+", "-")):
            yield Problem("a search sets values; it neither appends nor removes", ("search", key))
        if isinstance(spec.search[key], SearchRange) and spec.trials is None:
            yield Problem("a range needs a number of trials", ("search", key), 'add "trials": 30, or list the values')
    if spec.trials is None and trial_count(spec) > MAX_COMBINATIONS:
        hint = 'add "trials": 30, and Optuna proposes that many'
        yield Problem(f"more than {MAX_COMBINATIONS} combinations to try", ("search",), hint)
    if spec.trials is not None and spec.trials > MAX_COMBINATIONS:
        yield Problem(f"more than {MAX_COMBINATIONS} combinations to try", ("trials",), "30 are usual")
    elif trial_count(spec) * len(spec.seeds) > MAX_TRAININGS:
        yield Problem(
            f"more than {MAX_TRAININGS} trainings: {trial_count(spec)} combinations of {len(spec.seeds)} seeds each",
            ("evaluation", "seeds"),
            "name fewer seeds, or fewer values",
        )
    if spec.trials is not None and not spec.search:
        yield Problem("there is nothing to search", ("trials",), "name values under `search`, or leave `trials` out")
    if spec.search and spec.evaluation.select_on == "none":
        yield Problem('a search needs a split to choose on, and "select_on" is "none"', ("search",))
    if spec.evaluation.select_on == "labelled":
        yield from _not_left_out(spec)
    if spec.evaluation.test_on == "train" or spec.evaluation.test_on == spec.evaluation.select_on:
        yield Problem(
            f"the numbers would come from `{spec.evaluation.test_on}`, which trains or selects",
            ("evaluation", "test_on"),
            hint="name a split that neither trains nor selects",
        )
    if len(set(spec.seeds)) != len(spec.seeds):
        yield Problem("a seed stands here twice", ("evaluation", "seeds"))


def _twice(spec: PipelineSpec) -> Iterator[Problem]:
    """What a regularizer keeps for the next run stands under its type: a second one would write over it."""
    types = [getattr(one, "type", "") for one in spec.regularizers]
    for index, type_ in enumerate(types):
        if type_ in types[:index]:
            reason = f"regularizer `{type_}` stands here twice, and would write over what the first one keeps"
            yield Problem(reason, ("regularizers", index), "leave one of them")


def _not_left_out(spec: PipelineSpec) -> Iterator[Problem]:
    """What leave-one-out on the labelled items cannot judge: it looks at the head as it is fitted, before training."""
    where, head = ("evaluation", "select_on"), spec.task.head
    if spec.level == "layers":
        yield Problem("leave-one-out fits heads on encoded vectors, and here the towers run", where, 'take "val"')
    elif head is None or not head.solves:
        yield Problem(
            f"leave-one-out asks a head that is solved from labelled items, and `{getattr(head, 'type', None)}` is not",
            where,
            'take head `prototype` or `logistic_regression` (either may be trained from there), or "val"',
        )
    if spec.dataset.shots == 1:
        hint = "raise dataset.shots, or name the values without `search`"
        yield Problem("leave-one-out leaves no item of a class that has one, and `shots` is 1", where, hint)
    for key in spec.search:
        if key.startswith(("trainer.", "regularizers")):
            reason = f"leave-one-out is asked before training, where `{key}` has no effect yet"
            yield Problem(reason, ("search", key), 'name one value, or set "select_on": "val"')


def _between_towers(spec: PipelineSpec) -> Iterator[Problem]:
    """What stands for vectors that are encoded once has no place where the towers run."""
    inside = spec.adapter.level == "layers"
    why = f"adapter `{spec.adapter.type}` sits inside towers" if inside else f"task `{spec.task.type}` runs towers"
    if inside and not spec.encoder.has_towers:
        lacks = f"{why}, and encoder `{getattr(spec.encoder, 'type', '')}` has none"
        yield Problem(lacks, ("encoder",), "take `transformers`, `open_clip` or `timm`, or an adapter on features")
    if spec.graph is not None:
        yield Problem(f"{why}, where no graph is built", ("graph",), "remove it")
    if isinstance(spec.task, PairTaskSpec):
        for number, one in enumerate(spec.regularizers):
            if one.reads_logits:
                reason = f"`{one.type}` looks at each item's own logits, and a task of pairs scores images with texts"
                yield Problem(reason, ("regularizers", number), "take one that looks at parameters alone, or none")
    if spec.task.blend_share > 0:
        yield Problem(f"{why}, and zero-shot logits are blended in on features alone", ("task", "blend"), "remove it")


def _incomparable(spec: PipelineSpec) -> Iterator[Problem]:
    """Vectors that the encoder cannot give, or that would be compared although they lie in different spaces."""
    head, graph = spec.task.head, spec.graph
    if spec.encoder.takes_together():
        reason = "a single-stream model reads image and text together: it has no vector of one of them"
        hint = "take an adapter inside its tower (`hmmoe`), or a model with a tower for each modality"
        yield Problem(f"{reason}, and adapter `{getattr(spec.adapter, 'type', '')}` needs one", ("encoder",), hint)
        return
    compares = f"head `{getattr(head, 'type', '')}`" if head and head.uses_prompts() else "the blend"
    uses_prompts = spec.task.uses_prompts()
    nodes, can = modalities_of(spec), spec.encoder.modalities()
    needed = {kind: f"the nodes are made of {kind}" for kind in nodes}
    if spec.task.blend_share > 0 and spec.task.blend_by == "text" and "text" not in nodes:
        reason = f"the blend asks of the text of the items, and the nodes are made of {' and '.join(nodes)} alone"
        yield Problem(reason, ("task", "blend", "by"), 'take "nodes": "fused" or "text" in `graph`')
    if uses_prompts:
        needed.setdefault("text", f"{compares} compares with class prompts")
    lacking = {kind: why for kind, why in needed.items() if can is not None and spec.encoder.seen(kind) not in can}
    for kind, why in lacking.items():
        hint = 'take a model that has one, or {"type": "dual", "image": {...}, "text": {...}}'
        if kind in nodes and (heard := [one for one in ("audio", "video") if one in (can or ())]):
            hint = f'for {"sounds" if heard[0] == "audio" else "clips"} set "nodes": "{heard[0]}" in `graph`'
            if graph is None:
                hint += f'; without edges: {{"type": "similarity", "nodes": "{heard[0]}", "threshold": 1.0}}'
        yield Problem(f"the encoder has no {kind} tower, and {why}", ("encoder",), hint)
    if lacking or spec.encoder.shares_space() is not False:
        return
    several = dict.fromkeys([*nodes, *(["text"] if uses_prompts else [])])
    apart = f"the encoder's {' and '.join(several)} vectors lie in different spaces, whatever their widths"
    yield from _across_spaces(spec, apart)
    if graph is not None and graph.nodes in ("pair", "tokens"):
        hint = '"nodes": "fused" with "fusion": "concat" or "cross_attention" need no common space'
        yield Problem(f"{apart}: an edge between an image and a text would mean nothing", ("graph", "nodes"), hint)
    if graph is not None and graph.nodes == "fused" and graph.fusion == "mean":
        yield Problem(f"{apart}: they have no mean", ("graph",), 'set "fusion": "concat"')


def _across_spaces(spec: PipelineSpec, apart: str) -> Iterator[Problem]:
    """Nodes that are compared with class prompts, by the head or for the blend, in another space than theirs."""
    head, nodes = spec.task.head, modalities_of(spec)
    if nodes == ("text",):
        return
    reason = f"{apart}: {' and '.join(nodes)} nodes cannot be compared with prompts"
    if head is not None and head.uses_prompts():
        hint = 'take head {"type": "linear"}, or "nodes": "text" in `graph`, or image and text towers of one model'
        yield Problem(reason, ("task", "head"), f"{hint}, or encoder `conse`")
    if spec.task.blend_share > 0 and spec.task.blend_by == "nodes":
        by_text = f'{{"value": {spec.task.blend_share:g}, "by": "text"}}, the text half of the nodes'
        hint = f"take {by_text}" if "text" in nodes else "remove it, or take nodes with a text half, or encoder `conse`"
        yield Problem(reason, ("task", "blend"), hint)


def _unconnectable(spec: PipelineSpec) -> Iterator[Problem]:
    """Image and text nodes that no edge can join, or that the graph does not know how to join."""
    if spec.graph is None or spec.graph.nodes not in ("pair", "tokens"):
        return
    if not spec.graph.several_nodes and spec.adapter.needs_graph:
        reason = f"graph `{spec.graph.type}` connects one node an item, and nodes are `{spec.graph.nodes}`"
        yield Problem(reason, ("graph", "nodes"), "take graph `similarity`, or one node an item")
    width_of = spec.encoder.width if spec.graph.nodes == "pair" else spec.encoder.token_width
    image, text = width_of("image"), width_of("text")
    if image is not None and text is not None and image != text:
        hint = '"nodes": "fused" with "fusion": "concat" or "cross_attention" take any widths'
        reason = f"nodes `{spec.graph.nodes}` need one width, and images have {image}, texts {text}"
        yield Problem(reason, ("graph", "nodes"), hint)
