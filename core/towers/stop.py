"""Where in a block a tower stops, what is read there and what is added to."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from .errors import TowerError
from .maps import Layout

#: ``block``: the whole block. ``attention``, ``feed_forward``: one of its sub-layers.
Place = Literal["block", "attention", "feed_forward"]
#: ``parallel``: adapters read what the place reads. ``sequential``: they read what it gives. Both add to what it gives
#: (He et al., "Towards a Unified View of Parameter-Efficient Transfer Learning", ICLR 2022, table 1).
Placement = Literal["parallel", "sequential"]

_CLASSES = {
    "attention": re.compile(r"attention|attn", re.IGNORECASE),
    "feed_forward": re.compile(r"mlp|ffn|feed_?forward|LayerFF$", re.IGNORECASE),
}


@dataclass(frozen=True, slots=True)
class Stop:
    """One place where a tower hands out its hidden state and waits for an update to it."""

    #: For messages: ``image block 3 attention``.
    name: str
    #: Whose input is read (``parallel``).
    entry: nn.Module
    #: Whose output is read (``sequential``), and added to.
    exit: nn.Module
    placement: Placement
    #: d of the hidden state there.
    width: int


def find_stop(tower: str, index: int, block: nn.Module, place: Place, placement: Placement, width: int) -> Stop:
    """The stop in one block of width d. Raises ``TowerError`` where the block has no such sub-layer."""
    name = f"{tower} block {index}" + ("" if place == "block" else f" {place}")
    if place == "block":
        return Stop(name, block, block, placement, width)
    if place == "feed_forward" and (split := _split_feed_forward(block)):
        return Stop(name, *split, placement, width)
    found = _sublayer(block, _CLASSES[place])
    if found is not None:
        return Stop(name, found, found, placement, width)
    children = ", ".join(f"{child}: {type(module).__name__}" for child, module in block.named_children())
    raise TowerError(f'{name}: {type(block).__name__} has no {place} module ({children}); take "block"')


def _sublayer(block: nn.Module, pattern: re.Pattern[str]) -> nn.Module | None:
    """The outermost module of such a class (or, in open_clip, a Sequential of such a name)."""
    found = [
        (name.count("."), module)
        for name, module in block.named_modules()
        if module is not block and (pattern.search(type(module).__name__) or pattern.search(name.rpartition(".")[2]))
    ]
    return min(found, key=lambda one: one[0])[1] if found else None


def _split_feed_forward(block: nn.Module) -> tuple[nn.Module, nn.Module] | None:
    """BERT's way: an ``…Intermediate`` and an ``…Output`` side by side."""
    by_class = {type(module).__name__: module for module in block.children()}
    first = [module for name, module in by_class.items() if name.endswith("Intermediate")]
    last = [module for name, module in by_class.items() if name.endswith("Output")]
    return (first[0], last[0]) if len(first) == len(last) == 1 else None


def hidden_state_of(args: tuple[Any, ...], kwargs: Mapping[str, Any], stop: Stop) -> Tensor:
    """The hidden state among a module's arguments, as tokens [B, N, d]: the first floating tensor of three axes.

    Without one, the first of four: a map (beside tokens it is a mask).
    """
    given = [value for value in (*args, *kwargs.values()) if _is_hidden_state(value)]
    for state in sorted(given, key=lambda one: one.ndim)[:1]:
        return _layout(state, stop.entry, stop).tokens(state)
    raise TowerError(
        f"{stop.name}: {type(stop.entry).__name__} is called without a hidden state [batch, tokens, width]"
    )


def split_output(output: Any, stop: Stop) -> tuple[Tensor, Callable[[Tensor], Any]]:
    """The hidden state in a module's output, as tokens [B, N, d], and a function that gives the output with an update
    added.
    """
    rest = output[1:] if isinstance(output, tuple) else None
    state = output[0] if isinstance(output, tuple) and output else output
    if not _is_hidden_state(state):
        raise TowerError(
            f"{stop.name}: {type(stop.exit).__name__} gives {type(output).__name__}, not a hidden state "
            '[batch, tokens, width] or a tuple that begins with one; take place "block", or name other blocks'
        )
    layout = _layout(state, stop.exit, stop)
    tokens = layout.tokens(state)

    def add(update: Tensor) -> Any:
        if update.shape != tokens.shape:
            raise TowerError(
                f"{stop.name}: {type(stop.exit).__name__} reads {list(update.shape)} and gives {list(tokens.shape)}: "
                'what is read there cannot be added to what it gives; take placement "sequential", or other blocks'
            )
        added = layout.added(state, update)
        return added if rest is None else (added, *rest)

    return tokens, add


def _layout(state: Tensor, module: nn.Module, stop: Stop) -> Layout:
    if found := Layout.of(state, stop.width, module):
        return found
    raise TowerError(
        f"{stop.name}: {type(module).__name__} has a hidden state {list(state.shape)} where one of width {stop.width} "
        'should be; take placement "sequential", or name other blocks'
    )


def _is_hidden_state(value: object) -> bool:
    return isinstance(value, torch.Tensor) and value.is_floating_point() and value.ndim in (3, 4)
