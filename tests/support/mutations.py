"""Faults put into the real source of a kernel, one at a time, for as long as a block lasts."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from graftwork.triton_kernels.testing import PropertyFailed, check_kernel

from .kernel_cases import CASES

PACKAGE = "graftwork.triton_kernels"


@dataclass(frozen=True)
class Mutation:
    """`right` becomes `wrong` in a module; the check of a case fails at `property`."""

    module: str
    right: str
    wrong: str
    case: str
    property: str


CPU = {
    "> for >= at the threshold": Mutation(
        "similarity.tile_search",
        "return cosine >= threshold", "return cosine > threshold", "similarity_graph", "values"
    ),
    "the pairs of a tile that lie under the diagonal": Mutation(
        "similarity.tile_search", "upper = row < col", "upper = row <= col", "similarity_graph", "values"
    ),
    "the last, partial tile": Mutation(
        "similarity.tile_search", "for i in range(0, n, tile)", "for i in range(0, n - tile + 1, tile)",
        "similarity_graph", "values",
    ),
    "a tail bound that is too small": Mutation(
        "similarity.screens", "norms * share**0.5", "norms * 0.9", "similarity_graph", "values"
    ),
    "no slack for bfloat16's rounding": Mutation(
        "similarity.screens", "return 3.05 * 2.0**-8", "return 0 * 2.0**-8", "similarity_graph_ties", "values"
    ),
    "no margin for float32's rounding": Mutation(
        "similarity.cosines", "return (width + 16) * 2.0**-24", "return 0.0", "similarity_graph", "values"
    ),
    "a bound compared as a bit pattern though negative": Mutation(
        "similarity.tile_search", "torch.bfloat16 and bound > 0", "torch.bfloat16", "similarity_graph", "values"
    ),
    "ties of the cap to the higher column": Mutation(
        "sparse.degree_cap", "order = weight.argsort(descending=True, stable=True)",
        "order = weight.flip(0).argsort(descending=True, stable=True).sub(len(weight) - 1).neg()",
        "similarity_graph", "values",
    ),
    "one edge more than the cap": Mutation(
        "sparse.degree_cap", "keep = _rank(graph, weight) < k", "keep = _rank(graph, weight) <= k",
        "similarity_graph", "values",
    ),
    "columns left unsorted": Mutation(
        "sparse.sparse_graph", "order = (row * num_cols + col).argsort()", "order = row.argsort(stable=True)",
        "similarity_graph", "values",
    ),
    "the transpose's weights in this graph's order": Mutation(
        "similarity.edge_cosines", "gradient[structure.order], u)", "gradient, u)", "similarity_graph", "gradients"
    ),
    "no tangent: the normalisation's Jacobian left out": Mutation(
        "similarity.edge_cosines",
        "tangent = gradient - unit", "tangent = gradient - 0 * unit", "similarity_graph", "gradients"
    ),
    "NaN let through": Mutation(
        "similarity.vectors",
        "(unit.sum(1) if sums is None else sums).isnan()", "(unit.sum(1) if sums is None else sums[:0]).isnan()",
        "similarity_graph", "non_finite",
    ),
    "a worker's threads left as they were set": Mutation(
        "similarity.workers",
        "torch.set_num_threads(threads)", "torch.set_num_threads(threads + 1)", "similarity_graph",
        "settings_kept",
    ),
    "a forward CSR for the backward pass of a graph that is not symmetric": Mutation(
        "message_passing.normalise",
        "transposed = transposed and not (graph.symmetric and norm != \"row\")", "transposed = False",
        "propagate", "gradients",
    ),
    "norm='row' taken for symmetric": Mutation(
        "message_passing.normalise",
        "not (graph.symmetric and norm != \"row\")", "not graph.symmetric", "propagate", "gradients"
    ),
    "a degree's derivative left out": Mutation(
        "message_passing.normalise", "degree = spmm(structure, wide, ", "degree = spmm(structure, wide.detach(), ",
        "propagate_learned", "gradients",
    ),
    "a division by a degree of zero": Mutation(
        "message_passing.normalise",
        "return torch.where(x == 0, 0.0, 1 / x.where(x != 0, 1))", "return 1 / x", "propagate", "values"
    ),
    "a state written over in place": Mutation(
        "message_passing.propagate", "return library.spmm(*fixed, h.contiguous())",
        "return library.spmm(*fixed, h.contiguous().mul_(1))", "propagate", "inputs_kept",
    ),
    "the activation's derivative at the wrong place": Mutation(
        "bottleneck.gcn_bottleneck", "_times(scale, w_up.T)), state)",
        "_times(scale, w_up.T)), activate(activation, state))",
        "gcn_bottleneck", "gradients",
    ),
    "queries placed one edge early": Mutation(
        "sparse.attach", "queries.rowptr[1:] + support.num_edges", "queries.rowptr[1:]", "attach", "values"
    ),
}  # fmt: skip

#: Of what only a graph meets that is small enough for room for all of its pairs: a row's loop, kept.
SMALL = Mutation("similarity.triton_verify", "keep & (j != row)", "keep & (j >= 0)", "similarity_graph", "values")
TRITON = {
    "the last column": Mutation(
        "similarity.triton_screen", "_below(m - place * 32)", "_below(m - 1 - place * 32)",
        "similarity_graph_bipartite", "values",
    ),
    "a symmetric graph's diagonal": Mutation(
        "similarity.triton_screen", "_below((row0 + rows + 1)[:, None]", "_below((row0 + rows)[:, None]",
        "similarity_graph", "values",
    ),
    "> for >= at the threshold": Mutation(
        "similarity.triton_verify", "(value >= threshold)", "(value > threshold)", "similarity_graph", "values"
    ),
    "no slack for float16's rounding": Mutation(
        "similarity.triton_screen", "return 2.0**-10 +", "return -(2.0**-10) +", "similarity_graph", "values"
    ),
    "an edge below 1e-12 that is not 0": Mutation(
        "similarity.triton_verify", "tl.abs(product) >= TINY, product, 0.0", "tl.abs(product) >= TINY, product, -1.0",
        "similarity_graph", "values",
    ),
    "mirrored edges in the order of the sort alone": Mutation(
        "similarity.triton_verify", "order = to.sort(stable=True)", "order = to.sort(stable=True, descending=True)",
        "similarity_graph", "values",
    ),
    "NaN let through": Mutation(
        "similarity.triton_rows", "bad = here & (", "bad = (row < 0) & (", "similarity_graph", "non_finite"
    ),
    "the fused adapter's residual": Mutation(
        "bottleneck.triton_bottleneck", "residual.to(tl.float32) + scale * change", "scale * change",
        "gcn_bottleneck_float32", "values",
    ),
    "a column of ones that is not scaled": Mutation(
        "bottleneck.triton_bottleneck", "scale * _activated(s, ACTIVATION), scale)",
        "scale * _activated(s, ACTIVATION), 1.0)", "gcn_bottleneck_float32", "gradients",
    ),
    "the last, partial chunk of a row's edges": Mutation(
        "message_passing.triton_propagate", "while done < longest:", "while done + EDGES <= longest:", "propagate",
        "values",
    ),
    "features beyond the last unmasked": Mutation(
        "message_passing.triton_propagate", "mask=inside[:, :, None] & (feature < r)[None, None, :]",
        "mask=inside[:, :, None] & (feature < 2)[None, None, :]", "propagate", "values",
    ),
    "the last segment of a heavy row": Mutation(
        "message_passing.triton_propagate", "segment, end = tl.load(first + which), tl.load(first + which + 1)",
        "segment, end = tl.load(first + which), tl.load(first + which + 1) - 1", "propagate_heavy", "values",
    ),
    "a row of exactly the limit left to no segment": Mutation(
        "message_passing.triton_propagate", "end - start > LIMIT", "end - start >= LIMIT", "propagate_heavy", "values"
    ),
    "a segment that begins one edge late": Mutation(
        "message_passing.segments", "row[heavy]] + within * limit", "row[heavy]] + within * limit + 1",
        "propagate_heavy", "values",
    ),
    "the scale of an edge's sender left out": Mutation(
        "message_passing.triton_normalise", "scale *= tl.load(right", "scale *= 0 * tl.load(right", "propagate",
        "values",
    ),
}  # fmt: skip


@contextmanager
def mutated(mutation: Mutation) -> Iterator[dict[int, Any]]:
    """Every name that another module of the package took from this one means the faulty one, inside the block.

    Gives the faulty functions by the id of those they replace.
    """
    module = importlib.import_module(f"{PACKAGE}.{mutation.module}")
    module = sys.modules[module.__name__] if isinstance(module, ModuleType) else module
    faulty = _loaded(module, mutation)
    places = list(_uses(module, faulty))
    try:
        for holder, name, _, new in places:
            setattr(holder, name, new)
        yield {id(old): new for _, _, old, new in places}
    finally:
        for holder, name, old, _ in places:
            setattr(holder, name, old)


def failing_property(mutation: Mutation, examples: int = 3000) -> str | None:
    """Which property of the case does not hold with the mutation; None: it survived."""
    case = CASES[mutation.case]
    with mutated(mutation) as faulty:
        try:
            check_kernel(
                faulty.get(id(case.op), case.op), case.reference, case.strategy, devices=["cpu"],
                properties=[case.named()[mutation.property]], tolerances=case.tolerances, examples=examples,
                shrink=False,
            )  # fmt: skip
        except PropertyFailed as failure:
            return failure.property
    return None


def _loaded(module: ModuleType, mutation: Mutation) -> ModuleType:
    """From a file, as triton reads a kernel's source again."""
    assert module.__file__ is not None
    source = Path(module.__file__).read_text("utf-8")
    assert source.count(mutation.right) == 1, f"{mutation.right!r} stands {source.count(mutation.right)} times"
    folder = Path(tempfile.mkdtemp())
    (folder / "faulty.py").write_text(source.replace(mutation.right, mutation.wrong), "utf-8")
    spec = importlib.util.spec_from_file_location(f"{module.__name__}_faulty", folder / "faulty.py")
    assert spec is not None
    assert spec.loader is not None
    faulty = importlib.util.module_from_spec(spec)
    sys.modules[faulty.__name__] = faulty  # dataclasses look their module up
    try:
        spec.loader.exec_module(faulty)
    finally:
        del sys.modules[faulty.__name__]
    return faulty


def _uses(module: ModuleType, faulty: ModuleType) -> Iterator[tuple[ModuleType, str, Any, Any]]:
    own = {
        id(value): name for name, value in vars(module).items() if getattr(value, "__module__", "") == module.__name__
    }
    for holder in [one for name, one in sys.modules.items() if name.startswith(PACKAGE)]:
        for name, value in list(vars(holder).items()):
            if id(value) in own:
                yield holder, name, value, getattr(faulty, own[id(value)])
