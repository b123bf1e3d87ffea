"""A frozen model as a tower: its blocks, their widths, and how its hidden states lie in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from .blocks import find_blocks, width_of
from .errors import TowerError
from .stop import Place, Placement, Stop, find_stop


@dataclass(frozen=True, slots=True)
class Tower:
    """A model and where its blocks are; made by ``Tower.of``."""

    name: str
    model: nn.Module
    #: In the order they run; none where no adapter can enter.
    blocks: Sequence[nn.Module]
    #: d of the hidden states of each block.
    widths: Sequence[int]
    #: Whether hidden states are [batch, tokens, d]; else [tokens, batch, d], as some releases of open_clip have them.
    batch_first: bool = True
    #: For a single-stream model: its streams, and where each lies among the tokens for given inputs.
    streams: Sequence[str] = ()
    split: Callable[[Mapping[str, Any]], Mapping[str, slice]] | None = None
    #: For inputs, stream to bool [B, N], true where there is a token. Default: ``attention_mask`` where its shape fits.
    masks: Callable[[Mapping[str, Any]], Mapping[str, Tensor | None]] | None = None

    @property
    def width(self) -> int:
        """d of all its blocks; 0 without blocks. Raises ``TowerError`` where it changes from block to block."""
        if len(set(self.widths)) > 1:
            raise TowerError(
                f"{self.name}: its blocks are of widths {min(self.widths)} to {max(self.widths)}; "
                "`widths` has that of each"
            )
        return self.widths[0] if self.widths else 0

    def slices(self, inputs: Mapping[str, Any]) -> Mapping[str, slice]:
        """Stream to its tokens; a tower of one modality is one stream of its own name."""
        return self.split(inputs) if self.split else {self.name: slice(None)}

    @classmethod
    def of(
        cls,
        name: str,
        model: nn.Module,
        blocks: str | None = None,
        streams: Sequence[str] | None = None,
        split: Callable[[Mapping[str, Any]], Mapping[str, slice]] | None = None,
        masks: Callable[[Mapping[str, Any]], Mapping[str, Tensor | None]] | None = None,
    ) -> Tower:
        """The tower of any transformer or convolutional network with blocks, frozen here (``requires_grad`` off,
        ``eval``, for good: no norm's running figures change). ``blocks``: see ``find_blocks``.

        A single-stream model names its ``streams`` and says by ``split`` where each lies among its tokens. Raises
        ``TowerError``.
        """
        found = find_blocks(model, blocks)
        require_no_checkpointing(name, model)
        model.requires_grad_(False).eval()
        first = _batch_first(model, found)
        return cls(name, model, found, _widths(name, found), first, streams or (name,), split, masks)

    @classmethod
    def closed(cls, name: str, model: nn.Module) -> Tower:
        """A model without blocks that could be entered: frozen here, it runs as it is and meets nobody."""
        model.requires_grad_(False).eval()
        return cls(name, model, (), (), streams=(name,))

    def stops(self, indices: Sequence[int], places: Sequence[Place], placement: Placement) -> list[Stop]:
        """Stops in the order the tower passes them: the blocks ``indices`` (rising), in each its ``places``."""
        return [
            find_stop(self.name, index, self.blocks[index], place, placement, self.widths[index])
            for index in indices
            for place in places
        ]

    def batch_major(self, state: Tensor) -> Tensor:
        """A hidden state that a stop read as [batch, tokens, d]; its own inverse."""
        return state if self.batch_first else state.transpose(0, 1)


def require_no_checkpointing(name: str, model: nn.Module) -> None:
    """Raises ``TowerError`` where transformers' gradient checkpointing is on, which may be switched on at any time."""
    if any(getattr(module, "gradient_checkpointing", False) for module in model.modules()):
        raise TowerError(
            f"{name}: gradient checkpointing runs blocks a second time in the backward pass, without the other "
            "towers; switch it off, and take `gradient_checkpointing` of the adapter's spec"
        )


def frozen_parameters(towers: Iterable[Tower]) -> int:
    """Of all towers; a model that is two towers counts once."""
    return sum({id(p): p.numel() for tower in towers for p in tower.model.parameters()}.values())


def _widths(name: str, blocks: Sequence[nn.Module]) -> list[int]:
    widths = [width_of(block) for block in blocks]
    if None in widths:
        block = type(blocks[widths.index(None)]).__name__
        raise TowerError(f"{name}: {block} has no normalisation that tells its width")
    return [width for width in widths if width is not None]


def _batch_first(model: nn.Module, blocks: Sequence[nn.Module]) -> bool:
    """What the module that holds the blocks says of itself (open_clip's Transformer does); else batch first."""
    for module in model.modules():
        if any(child is blocks[0] for children in module.children() for child in children.children()):
            return bool(getattr(module, "batch_first", True))
    return True
