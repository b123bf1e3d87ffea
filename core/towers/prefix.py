"""The first blocks of a frozen tower, which no adapter enters: run alone, or passed over with what they gave."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from .forwards import forward_instead
from .tower import Tower


@dataclass(frozen=True, slots=True)
class Prefix:
    """What the first blocks of a tower gave of a batch."""

    #: Of the last of them, [B, N, d].
    state: Tensor
    #: Of each: how long the tuple is that it gives, its state and nothing besides; 0 where it gives the state bare.
    forms: tuple[int, ...]


def run_prefix(tower: Tower, count: int, inputs: Mapping[str, Any]) -> Prefix | None:
    """Run a tower to the end of its first ``count`` blocks and no further.

    ``None`` where they do not run once each, in their order, or give something besides their state.
    """
    outputs: list[tuple[int, Any]] = []

    def instead(index: int, forward: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any, **kwargs: Any) -> Any:
            outputs.append((index, forward(*args, **kwargs)))
            if index == count - 1:
                raise _Enough
            return outputs[-1][1]

        return run

    with torch.no_grad(), _forwards(tower, count, instead), suppress(_Enough):
        tower.model(**inputs)
    forms = tuple(form for _, output in outputs if (form := _form(output)) is not None)
    if [index for index, _ in outputs] != list(range(count)) or len(forms) < count:
        return None
    last = outputs[-1][1]
    return Prefix(tower.batch_major(last[0] if forms[-1] else last), forms)


@contextmanager
def passed_over(tower: Tower, prefix: Prefix) -> Iterator[None]:
    """While it lasts, a tower's first blocks do not run in this thread; the last of them gives ``prefix.state``."""
    last = len(prefix.forms) - 1

    def instead(index: int, forward: Callable[..., Any]) -> Callable[..., Any]:
        form = prefix.forms[index]

        def give(*args: Any, **kwargs: Any) -> Any:
            state = tower.batch_major(prefix.state) if index == last else _first(args, kwargs)
            return (state, *(None,) * (form - 1)) if form else state

        return give

    with _forwards(tower, len(prefix.forms), instead):
        yield


class _Enough(BaseException):
    """Ends a forward; no handler of a model's own takes it for a failure."""


@contextmanager
def _forwards(
    tower: Tower, count: int, instead: Callable[[int, Callable[..., Any]], Callable[..., Any]]
) -> Iterator[None]:
    """Others than this thread find the blocks as they are."""
    with ExitStack() as stack:
        for index, block in enumerate(tower.blocks[:count]):
            stack.enter_context(forward_instead(block, instead(index, block.forward)))
        yield


def _form(output: Any) -> int | None:
    if isinstance(output, Tensor):
        return 0
    bare = isinstance(output, tuple) and isinstance(output[0], Tensor) and all(one is None for one in output[1:])
    return len(output) if bare else None


def _first(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Tensor:
    return next(one for one in (*args, *kwargs.values()) if isinstance(one, Tensor) and one.is_floating_point())
