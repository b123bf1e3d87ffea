"""Where a block's attention projects its queries, and where its heads' results leave: found by structure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from torch import nn

from graftwork.core.graft import Tower, TowerError

_QUERIES = ("q_proj", "query", "q", "query_proj")
_OUTPUTS = ("out_proj", "o_proj", "o")
#: BERT's attention keeps its output projection in a module beside the one that computes.
_BESIDE = "output.dense"


@dataclass(frozen=True, slots=True)
class Attention:
    """Of one block of one tower."""

    tower: str
    #: Index of its block.
    block: int
    #: [B, N, d] to the queries of all heads side by side, [B, N, heads * width].
    query: nn.Linear
    #: What the heads give, side by side, goes in here.
    output: nn.Linear
    #: Width of a head.
    width: int

    @property
    def heads(self) -> int:
        """Number of them."""
        return self.query.out_features // self.width


def find_attentions(towers: Sequence[Tower]) -> list[Attention]:
    """One for each block of every tower that has blocks. Raises ``TowerError`` where a block's is none we know."""
    found = [_attention_of(tower, index) for tower in towers for index in range(len(tower.blocks))]
    if not found:
        raise TowerError("adapter `prefix` sits in blocks, and none of these towers has blocks to enter")
    return found


def _attention_of(tower: Tower, index: int) -> Attention:
    block = tower.blocks[index]
    for query, output, width in _candidates(block):
        if query.out_features == output.in_features and query.out_features % width == 0:
            return Attention(tower.name, index, query, output, width)
    raise TowerError(
        f"adapter `prefix`: {type(block).__name__} of tower `{tower.name}` has no attention with a query projection of "
        "its own (a packed one, as in open_clip and ModernBERT, cannot be entered); take `lora` there"
    )


def _candidates(block: nn.Module) -> Iterator[tuple[nn.Linear, nn.Linear, int]]:
    modules = dict(block.named_modules())
    for path, module in modules.items():
        width = getattr(module, "head_dim", None) or getattr(module, "attention_head_size", None)
        outer = path.rpartition(".")[0]
        places = [*(f"{path}.{name}" for name in _OUTPUTS), f"{outer}.{_BESIDE}" if outer else _BESIDE]
        query = next((q for name in _QUERIES if isinstance(q := getattr(module, name, None), nn.Linear)), None)
        output = next((o for place in places if isinstance(o := modules.get(place), nn.Linear)), None)
        if isinstance(width, int) and query is not None and output is not None:
            yield query, output, width
