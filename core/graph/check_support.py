"""Whether ``support.safetensors`` holds what its run's pipeline and config say, before anything is computed of it.

A file of a stranger may hold anything: what is not checked here would be read out of bounds, or stop a prediction
in the midst of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from torch import Tensor

from ...triton_kernels import SparseGraph
from ..data.layout import Layout
from ..roles.graph import GraphBuilder, settled_of
from ..roles.specs import GraphSpec
from ..spec.node_kinds import MODALITIES
from ..spec.pipeline_spec import PipelineSpec
from ..storage.adapter_config import FeatureAdapter, LayerAdapter, Trained, unfit
from ..storage.run_folder import RunFolderError
from .centre import Centre
from .nodes import Nodes

#: The file, beside the adapter's.
SUPPORT = "support.safetensors"


def check_support(folder: Path, spec: PipelineSpec, about: FeatureAdapter, tensors: Mapping[str, Tensor]) -> None:
    """Raises ``RunFolderError`` that names the file, and the tensor or key, that is not as the others say."""
    _require(folder, tensors, ["targets", *_centres(spec), *_expected(spec)])
    if about.text_width is not None and not (spec.graph and spec.graph.fuses):
        raise unfit(folder, f"`graftwork.text_width` is {about.text_width}, and no fusion reads words")
    _check_classes(folder, about, tensors)
    _check_targets(folder, about, tensors["targets"])
    for name in _centres(spec):
        _check_form(folder, name, tensors[name], torch.float32, 1)
    if (graph := _graph_of(spec)) is not None:
        _check_nodes(folder, graph, about, tensors)


def check_layer_support(folder: Path, spec: PipelineSpec, about: LayerAdapter, tensors: Mapping[str, Tensor]) -> None:
    """The same of a run through towers."""
    if not about.modalities:
        raise unfit(folder, "`graftwork.modalities` is empty")
    _require(folder, tensors, _class_vectors(spec))
    _check_classes(folder, about, tensors)


def same_width(x: Tensor, new: Tensor) -> None:
    """Raises ``RunFolderError`` where new nodes [n, d] cannot be compared with those of the support."""
    if len(x) and x.shape[1] != new.shape[1]:
        raise RunFolderError(f"{SUPPORT}: `x` has {x.shape[1]} numbers a node, and new items have {new.shape[1]}")


def same_centre(centre: Centre, vectors: Mapping[str, Tensor]) -> None:
    """Raises ``RunFolderError`` where vectors [n, d] cannot be moved by the mean [d] of their modality."""
    for kind, mean in centre.items():
        if (width := vectors[kind].shape[1]) != len(mean):
            raise RunFolderError(f"{SUPPORT}: `centre.{kind}` has {len(mean)} numbers, and new vectors have {width}")


def same_graph(folder: Path, found: GraphSpec, of_pipeline: GraphSpec | None) -> None:
    """Raises ``RunFolderError`` where a graph as a run settled it has other nodes than its pipeline's."""
    for name in ("type", *GraphSpec.model_fields):
        here, there = getattr(found, name), getattr(of_pipeline, name, None)
        if here != there:
            raise unfit(folder, f"`graftwork.graph.{name}` is {here!r}, and {there!r} in pipeline.json")


def require_settled(folder: Path, builder: GraphBuilder, nodes: Nodes, spec: GraphSpec | None) -> None:
    """Raises ``RunFolderError`` where the graph of a pipeline has relative settings: the config holds their numbers."""
    x, layout = nodes.x, nodes.layout
    if spec is not None and spec.nodes == "tokens":  # which no support holds
        x, layout = torch.eye(2, max(2, x.shape[1]), device=x.device), Layout.pairs(1, x.device)
    if settled_of(builder, x, layout) is not None:
        raise unfit(folder, "`graftwork.graph` is null, and the graph in pipeline.json has settings to be settled")


def _graph_of(spec: PipelineSpec) -> GraphSpec | None:
    """Where messages come from the support."""
    return spec.graph if spec.adapter.needs_graph and spec.graph and spec.graph.nodes != "tokens" else None


def _centres(spec: PipelineSpec) -> list[str]:
    graph = spec.graph
    return [f"centre.{kind}" for kind in MODALITIES[graph.nodes]] if graph and graph.centre != "none" else []


def _expected(spec: PipelineSpec) -> list[str]:
    names = [*_class_vectors(spec), *(["zero_shot.class_vectors"] if spec.task.blend_share > 0 else [])]
    if (graph := _graph_of(spec)) is not None:
        names += ["x", "graph.rowptr", "graph.col"]
        names += ["layout.offsets", "layout.kinds"] if graph.nodes == "pair" else []
        names += ["fused"] if graph.fuses else []
    return names


def _class_vectors(spec: PipelineSpec) -> list[str]:
    return ["class_vectors"] if spec.task.head is not None and spec.task.head.uses_prompts() else []


def _require(folder: Path, tensors: Mapping[str, Tensor], names: Iterable[str]) -> None:
    if lacking := [name for name in names if name not in tensors]:
        raise wrong(folder, f"lacks `{lacking[0]}`, which this pipeline needs")


def _check_classes(folder: Path, about: Trained, tensors: Mapping[str, Tensor]) -> None:
    about.require_sound(folder)
    names = about.class_names
    for name in ("class_vectors", "zero_shot.class_vectors"):
        if name in tensors:
            _check_form(folder, name, tensors[name], torch.float32, 2)
            if len(tensors[name]) != len(names):
                count = len(tensors[name])
                raise at_odds(folder, f"`graftwork.class_names` has {len(names)} entries, and `{name}` {count}")


def _check_targets(folder: Path, about: FeatureAdapter, targets: Tensor) -> None:
    items, classes = len(about.support_ids), len(about.class_names)
    _check_form(folder, "targets", targets, torch.int64, 1)
    if len(targets) != items:
        raise at_odds(folder, f"`graftwork.support_ids` has {items} entries, and `targets` {len(targets)}")
    if (highest := max(targets.tolist(), default=-1)) >= classes:
        raise at_odds(folder, f"`graftwork.class_names` has {classes} entries, and `targets` a class {highest}")
    if (lowest := min(targets.tolist(), default=-1)) < -1:
        raise wrong(folder, f"`targets` has {lowest}; classes count from 0, and -1 is none")


def _check_nodes(folder: Path, graph: GraphSpec, about: FeatureAdapter, tensors: Mapping[str, Tensor]) -> None:
    x, items = tensors["x"], len(about.support_ids)
    nodes = 2 * items if graph.nodes == "pair" else items
    for name in ("x", "fused"):
        if name in tensors:
            _check_form(folder, name, tensors[name], torch.float32, 2)
            if len(tensors[name]) != nodes:
                raise wrong(folder, f"`{name}` has {len(tensors[name])} rows for {nodes} nodes")
    given = tensors["fused"] if graph.fuses else x  # what the adapter gets
    if given.shape[1] != about.node_width:
        name = "fused" if graph.fuses else "x"
        width = given.shape[1]
        raise at_odds(folder, f"`graftwork.node_width` is {about.node_width}, and `{name}` has {width} numbers a node")
    if about.weighted is not None and about.weighted != ("graph.weight" in tensors):
        has = "no `graph.weight`" if about.weighted else "`graph.weight`"
        raise at_odds(folder, f"`graftwork.weighted` is {str(about.weighted).lower()}, and there is {has}")
    _check_graph(folder, nodes, tensors)
    if graph.nodes == "pair":
        _check_pairs(folder, Layout.pairs(items, x.device), tensors)


def _check_graph(folder: Path, nodes: int, tensors: Mapping[str, Tensor]) -> None:
    try:
        SparseGraph(tensors["graph.rowptr"], tensors["graph.col"], tensors.get("graph.weight"), nodes, nodes).validate()
    except ValueError as error:
        raise wrong(folder, f"`graph`: {error}") from None


def _check_pairs(folder: Path, layout: Layout, tensors: Mapping[str, Tensor]) -> None:
    for name, right in (("layout.offsets", layout.offsets), ("layout.kinds", layout.kinds)):
        if tensors[name].dtype != right.dtype or not torch.equal(tensors[name], right):
            raise wrong(folder, f"`{name}` is not that of an image and a text an item")


def _check_form(folder: Path, name: str, tensor: Tensor, dtype: torch.dtype, dimensions: int) -> None:
    if tensor.dtype != dtype or tensor.ndim != dimensions:
        form = f"{tensor.dtype} {list(tensor.shape)}"
        raise wrong(folder, f"`{name}` is {form}, and should be {dtype} of {dimensions} dimensions")


def at_odds(folder: Path, problem: str) -> RunFolderError:
    """What to raise where the config and ``support.safetensors`` disagree: either may be wrong."""
    return unfit(folder, f"{problem} in {SUPPORT}")


def wrong(folder: Path, problem: str) -> RunFolderError:
    """What to raise where ``support.safetensors`` itself cannot be right."""
    return RunFolderError(f"{folder / SUPPORT}: {problem}; run its pipeline again")
