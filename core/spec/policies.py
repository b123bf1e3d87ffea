"""Inductive policies in words: how an item that training did not label meets the graph. Light: no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .pipeline_spec import Policy

if TYPE_CHECKING:
    from .pipeline_spec import PipelineSpec


def policy_of(spec: PipelineSpec) -> Policy:
    """The policy that has an effect: where no message passes between items, every item stands alone (``attach``)."""
    between_items = spec.adapter.needs_graph and spec.graph is not None and spec.graph.nodes != "tokens"
    return spec.evaluation.inductive if between_items else "attach"


def splits_in_the_graph(spec: PipelineSpec) -> tuple[str, ...]:
    """The splits that are nodes of the training graph beside ``train``: with ``transductive`` those to be scored."""
    if policy_of(spec) != "transductive":
        return ()
    return spec.evaluation.held_out


def policy_in_words(spec: PipelineSpec) -> str:
    """What the policy of a pipeline means for its figures: one sentence for results and model cards."""
    if not spec.adapter.needs_graph or spec.graph is None:
        return "no messages are passed: every item stands alone, whatever the policy"
    if spec.graph.nodes == "tokens":
        return "items share no edges: every item stands alone, whatever the policy"
    policy = policy_of(spec)
    if policy == "attach":
        return "each item sees the support set alone, whose degrees stay as in training; it depends on no other item"
    if policy == "rewire":
        return (
            "one item at a time joins the support's graph, which hears it and whose degrees change; "
            "it depends on no other item"
        )
    if policy == "batch":
        return (
            f"each item sees the support set, and the others of its batch of {spec.evaluation.inductive_batch}: "
            "what it gets depends on its batch"
        )
    splits = " and ".join(splits_in_the_graph(spec))
    return (
        f"the items of {splits} are nodes of the training graph, without their labels: training sees the "
        "distribution that it is tested on (a leak), and the figures do not hold for items that come later"
    )
