"""Contents of one split that nearly stand in another, by the vectors that are stored: what ``plan --leaks`` says.

Torch is imported where vectors are compared: a plan without it stays light.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...registry.errors import UserError
from ..data.items import MAX_NAMED, DatasetContent, Item, Media, Splits
from ..spec.pipeline_spec import PipelineSpec
from .context import RunContext
from .encode import EncoderStage

if TYPE_CHECKING:
    from torch import Tensor

#: The cosine from which two contents are near-duplicates where nobody says otherwise (docs/datasets.md).
ABOVE = 0.99
#: Contents that are compared with a whole split at a time: all their pairs may be near.
ROWS = 1024


@dataclass(frozen=True, slots=True)
class NearPair:
    """Two contents of two splits."""

    #: Where each comes from: its path, where it is a file.
    first: str
    second: str
    cosine: float


@dataclass(frozen=True, slots=True)
class SharedBetween:
    """What two splits nearly share. Contents that are equal byte for byte are counted elsewhere, and not here."""

    modality: str
    first: str
    second: str
    #: Pairs of different contents, and the contents of ``second`` in such a pair.
    pairs: int
    contents: int
    #: Different contents of ``second`` that have a vector.
    compared: int
    #: The nearest pairs; where no pair counts, the nearest of those that do not.
    nearest: tuple[NearPair, ...]


@dataclass(frozen=True, slots=True)
class NearDuplicates:
    """Of a data set, as far as its vectors are stored."""

    #: The cosine from which a pair counts.
    above: float
    between: tuple[SharedBetween, ...]
    #: What could not be compared, and what to do.
    notes: tuple[str, ...]


def near_duplicates(
    spec: PipelineSpec, context: RunContext, content: DatasetContent, above: float = ABOVE
) -> NearDuplicates:
    """Pairs of splits whose pictures and sounds, or texts where there is nothing else, have a cosine of ``above``.

    Loads no model: vectors are those that the pipeline's encoder has stored. Raises ``UserError`` where ``above`` lies
    outside of (0, 1].
    """
    if not 0 < above <= 1:  # nor is NaN
        raise UserError(f"near-duplicates have a cosine in (0, 1], and {above:g} is none; leave --leaks-above out")
    stage, found, notes = context.encoder(spec), list[SharedBetween](), list[str]()
    for modality in _modalities(content.splits):
        media = {name: _contents(items, modality) for name, items in content.splits.items()}
        every = [one for some in media.values() for one in some.values()]
        missing = {one.digest for one in stage.missing(modality, every)}
        known = {name: [one for one in some.values() if one.digest not in missing] for name, some in media.items()}
        if lacking := _lacking(modality, len(missing), len({one.digest for one in every}), spec):
            notes.append(lacking)
        found += [
            _shared(stage, modality, (first, known[first]), (second, known[second]), above)
            for first, second in itertools.combinations(known, 2)
            if known[first] and known[second]
        ]
    return NearDuplicates(above, tuple(found), tuple(notes))


def _modalities(splits: Splits) -> list[str]:
    kinds = {kind for items in splits.values() for item in items for view in item.views() for kind in view}
    return sorted(kinds - {"text"}) or sorted(kinds)


def _contents(items: Sequence[Item], modality: str) -> dict[str, Media]:
    """Each content once."""
    views = (view for item in items for view in item.views() if modality in view)
    return {view[modality].digest: view[modality] for view in views}


def _lacking(modality: str, missing: int, total: int, spec: PipelineSpec) -> str | None:
    if not missing:
        return None
    none = "no vector is stored" if missing == total else f"{missing} of {total} contents have no stored vector"
    if spec.level == "layers":
        remedy = "a pipeline through towers stores none: ask the plan of one on features with the same encoder"
    else:
        remedy = "`graftwork run` of this pipeline stores those of the splits, and of the modalities, that it uses"
    return f"{modality}: {none}, so nothing is known of {'any' if missing == total else 'these'}; {remedy}"


def _shared(
    stage: EncoderStage, modality: str, one: tuple[str, list[Media]], other: tuple[str, list[Media]], above: float
) -> SharedBetween:
    import torch
    from torch.nn.functional import normalize

    (first, support), (second, media) = one, other
    x, y = (normalize(torch.from_numpy(stage.vectors(modality, some)), dim=-1) for some in (media, support))
    by_digest = {one.digest: place for place, one in enumerate([*media, *support])}
    number = [torch.tensor([by_digest[one.digest] for one in some]) for some in (media, support)]
    pairs, contents, nearest = 0, 0, list[tuple[float, int, int]]()
    for row, col, cosines in _near(x, y, above):
        apart = number[0][row] != number[1][col]
        row, col, cosines = row[apart], col[apart], cosines[apart]
        pairs, contents = pairs + len(row), contents + len(set(row.tolist()))
        nearest += zip(cosines.tolist(), row.tolist(), col.tolist(), strict=True)
        nearest = sorted(nearest, key=lambda pair: (-pair[0], *pair[1:]))[:MAX_NAMED]
    nearest = nearest or _nearest(x, y, *number)
    named = [NearPair(support[b].source, media[a].source, round(cosine, 6)) for cosine, a, b in nearest]
    return SharedBetween(modality, first, second, pairs, contents, len(media), tuple(named))


def _nearest(x: Tensor, y: Tensor, numbers: Tensor, others: Tensor) -> list[tuple[float, int, int]]:
    """Cosine, row of ``x`` and row of ``y`` of the nearest pair of different contents, a block of both at a time."""
    found: list[tuple[float, int, int]] = []
    for a, b in itertools.product(range(0, len(x), ROWS), range(0, len(y), ROWS)):
        cosines = x[a : a + ROWS] @ y[b : b + ROWS].T
        cosines[numbers[a : a + ROWS, None] == others[None, b : b + ROWS]] = -2
        best = int(cosines.argmax())
        row, col = divmod(best, cosines.shape[1])
        found.append((float(cosines[row, col]), a + row, b + col))
    return [one for one in [max(found, key=lambda pair: pair[0])] if one[0] > -2]


def _near(x: Tensor, y: Tensor, above: float) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Row of ``x``, row of ``y`` and cosine of each pair, ``ROWS`` rows of ``x`` at a time."""
    from ...triton_kernels import similarity_graph

    for start in range(0, len(x), ROWS):
        graph = similarity_graph(x[start : start + ROWS], above, y=y)
        assert graph.weight is not None
        yield graph.row + start, graph.col, graph.weight
