"""Unit vectors moved by the mean of the pool, so that what all items share is no part of a cosine."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor
from torch.nn.functional import normalize

from ..data.items import DataError
from ..roles.specs import GraphSpec
from ..spec.node_kinds import MODALITIES

#: Modality to the mean [d] of the pool's unit vectors; empty where nothing is centred.
Centre = Mapping[str, Tensor]
#: A mean this near to unit length is that of one vector, repeated: the mean of unit vectors is shorter.
SAME = 1e-6


def centre_of(vectors: Mapping[str, Tensor], graph: GraphSpec | None) -> Centre:
    """The means of a pool's vectors [N, d] that its nodes are moved by. No label is looked at.

    Raises ``DataError`` where a mean would take all of every vector away: one item, or equal ones.
    """
    if graph is None or graph.centre == "none":
        return {}
    return {kind: _mean(vectors[kind], kind) for kind in MODALITIES[graph.nodes]}


def _mean(vectors: Tensor, modality: str) -> Tensor:
    mean = normalize(vectors.double(), dim=-1).mean(dim=0) if len(vectors) else vectors.new_zeros(vectors.shape[1])
    if len(vectors) < 2 or float(mean.norm()) > 1 - SAME:
        what = "all equal" if len(vectors) > 1 else f"{len(vectors)}"
        raise DataError(
            f'graph.centre "pool" takes the mean of the pool from each vector, and its {modality} vectors are {what}: '
            'nothing would be left; set "pool": "train" in `graph`, raise dataset.shots, or set "centre": "none"'
        )
    return mean.to(vectors.dtype)


def unit_vectors(vectors: Tensor, mean: Tensor | None) -> Tensor:
    """Unit rows of [N, d]: x / |x|; with a mean u = x / |x| - mean, then u / |u|. A row that is the mean becomes 0."""
    units = normalize(vectors, dim=-1)
    return units if mean is None else normalize(units - mean.to(units.device), dim=-1)


def centred_prompts(vectors: Tensor) -> Tensor:
    """Class vectors [C, d] moved by their own mean, unit rows. Ours: a class's name is no item of the pool."""
    return normalize(vectors - vectors.mean(dim=0), dim=-1)
