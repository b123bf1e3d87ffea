"""Gradient checkpointing of a frozen tower's blocks: memory for a second forward (Chen et al. 2016)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any

from torch.utils.checkpoint import checkpoint

from .forwards import forward_instead
from .tower import Tower


@contextmanager
def checkpointed(tower: Tower, again: Callable[[], AbstractContextManager[None]]) -> Iterator[None]:
    """While it lasts, each block keeps what it is given alone, and runs once more, within ``again()``, in the backward
    pass.

    Towers may wait for each other between blocks, where nothing is run again; not inside one.
    """
    first = _First()
    with ExitStack() as stack:
        for block in tower.blocks:
            stack.enter_context(forward_instead(block, _kept(block.forward, first, again)))
        stack.callback(first.over)
        yield


class _First:
    """Whether the forward is on in which blocks run for the first time."""

    def __init__(self) -> None:
        self.on = True

    def over(self) -> None:
        self.on = False


def _kept(
    forward: Callable[..., Any], first: _First, again: Callable[[], AbstractContextManager[None]]
) -> Callable[..., Any]:
    def run(*args: Any, **kwargs: Any) -> Any:
        if first.on:
            return forward(*args, **kwargs)
        with again():
            return forward(*args, **kwargs)

    def kept(*args: Any, **kwargs: Any) -> Any:
        # A frozen tower drops nothing out, so there is no state of random numbers to bring back.
        return checkpoint(run, *args, use_reentrant=False, preserve_rng_state=False, **kwargs)

    return kept
