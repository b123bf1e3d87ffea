"""What ``support.safetensors`` holds: all that a new item needs of the training items, and no more.

targets                                    int64 [items], -1 for an unlabelled one
x, graph.rowptr, graph.col, graph.weight   the nodes and their graph, where messages come from them
layout.offsets, layout.kinds               whose the nodes are, where an item has several
fused                                      what the trained fusion made of them
centre.image, centre.text, centre.audio    what vectors of each modality are moved by, where they are centred
class_vectors, zero_shot.class_vectors     for the head, in the items' space; for the blend
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from ...triton_kernels import SparseGraph
from ..data.layout import Layout
from ..roles.head import ClassPrompts
from ..spec.pipeline_spec import PipelineSpec
from .centre import Centre
from .make_nodes import prompt_nodes
from .nodes import Nodes
from .queries import NodeModel
from .support import Support

CENTRE = "centre."


def support_tensors(
    spec: PipelineSpec, support: Support, prompts: ClassPrompts | None, model: NodeModel
) -> dict[str, Tensor]:
    """What a later query needs of the support: nothing but its targets where it hears none of it."""
    tensors = {"targets": support.targets} | {CENTRE + kind: mean for kind, mean in support.centre.items()}
    if support.graph is not None and spec.graph is not None and spec.graph.nodes != "tokens":
        tensors |= _graph_tensors(support.nodes, support.graph, model)
    if prompts is not None and spec.task.head is not None and spec.task.head.uses_prompts():
        tensors["class_vectors"] = prompt_nodes(prompts, spec.graph).vectors
    if prompts is not None and spec.task.blend_share > 0:
        tensors["zero_shot.class_vectors"] = prompts.vectors.clone()  # a file holds no tensor twice
    return tensors


def _graph_tensors(nodes: Nodes, graph: SparseGraph, model: NodeModel) -> dict[str, Tensor]:
    tensors = {"x": nodes.x, "graph.rowptr": graph.rowptr, "graph.col": graph.col}
    if graph.weight is not None:
        tensors["graph.weight"] = graph.weight
    if nodes.layout is not None:
        tensors |= {"layout.offsets": nodes.layout.offsets, "layout.kinds": nodes.layout.kinds}
    if nodes.inputs:
        with torch.no_grad():  # the words and patches themselves are needed no more
            tensors["fused"] = torch.cat([model.fused(one) for one in nodes.inputs])
    return tensors


def class_prompts_in(tensors: dict[str, Tensor], name: str, logit_scale: float | None) -> ClassPrompts | None:
    """Class vectors of that name, where they were saved."""
    return ClassPrompts(tensors[name], logit_scale) if name in tensors else None


def centre_in(tensors: Mapping[str, Tensor]) -> Centre:
    """What the nodes were centred by, ``check_support``ed; empty where they were not."""
    return {name.removeprefix(CENTRE): mean for name, mean in tensors.items() if name.startswith(CENTRE)}


def nodes_in(tensors: dict[str, Tensor], width: int) -> Nodes:
    """The support's nodes with their graph, ``check_support``ed; no node where queries hear nothing of it."""
    if "graph.rowptr" not in tensors:
        return Nodes(torch.empty(0, width))
    count = len(tensors["x"])
    graph = SparseGraph(tensors["graph.rowptr"], tensors["graph.col"], tensors.get("graph.weight"), count, count)
    layout = Layout(tensors["layout.offsets"], tensors["layout.kinds"]) if "layout.offsets" in tensors else None
    return Nodes(tensors["x"], graph, layout, (tensors["fused"],) if "fused" in tensors else ())
