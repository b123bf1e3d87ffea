"""What a training computes again and again, recorded once and replayed: one launch instead of hundreds."""

from __future__ import annotations

import random
import sys
from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from threading import get_ident
from typing import Any, NamedTuple, TypeAlias

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import TreeSpec, tree_flatten, tree_leaves, tree_unflatten

from .checkpoints.attributes import Traces
from .recorders import WORTH, Compute, Found, Record

#: Of a tree of dictionaries, tuples, lists, tensors and plain values.
ComputeOf: TypeAlias = Callable[[Any], Found]
#: What a tree has to have in common with another to be computed by the same operators.
Form: TypeAlias = Hashable

#: Times that a form is computed as ever before it is recorded: what is made on first use is there then.
WARM_UP = 3
#: Times that a replay is tried beside what is computed as ever, from the second on of other tensors.
TRIALS = 2
#: Forms that are recorded at most: those that come often are so often first.
MOST = 4
#: How far a replay may be from what it replays, of the largest number: sums of other orders; in bfloat16, roundings.
NEAR, NEAR_BF16 = 1e-4, 1e-2


class Watched(NamedTuple):
    """Where a computation may keep something from one time to the next."""

    #: What is trained.
    model: nn.Module
    #: Modules that it calls and objects that it asks.
    others: Sequence[object] = ()


class Replayed:
    """A computation of a tree of tensors, the same operators for all trees of a form.

    Computed as ever at first. A form that comes often is recorded, its tensors copied into memory of the recording from
    then on, and replayed beside two that are computed as ever, each from the same generators and buffers: where that
    gives other numbers, where the model keeps something beside parameters and buffers (a count of calls), where the
    host draws (whether a layer is left out), or where it cannot be recorded (it reads a number), the form is computed
    as ever from then on. Ours.
    """

    def __init__(
        self,
        compute: ComputeOf,
        watched: Watched,
        record: Record,
        times: int,
        form: ComputeOf | None = None,
        near: float = NEAR,
    ) -> None:
        """``times``: that something is wanted; ``form``: the same as ``compute`` in a form that can be recorded, where
        that is none."""
        self.compute, self.watched, self.record, self.form = compute, watched, record, form or compute
        self.device, self.near = next(watched.model.parameters()).device, near
        self._times, self._calls, self._seen = times, 0, Counter[Form]()
        self._recorded: dict[Form, _OfForm] = {}

    def __call__(self, given: Any = ()) -> Found:
        """What it gives; tensors of a replay are written over by the next."""
        leaves, spec = tree_flatten(given)
        form = (str(spec), *map(_form_of, leaves))
        self._calls, self._seen[form] = self._calls + 1, self._seen[form] + 1
        if form not in self._recorded and self._pays(self._seen[form]):
            self._recorded[form] = _OfForm(self, leaves, spec)
        one = self._recorded.get(form)
        return self.compute(given) if one is None else one(given, leaves)

    def _pays(self, seen: int) -> bool:
        often = seen * self._times >= WORTH * self._calls
        return seen > WARM_UP and often and len(self._recorded) < MOST


class _OfForm:
    """What is replayed of one form."""

    def __init__(self, of: Replayed, leaves: Sequence[Any], spec: TreeSpec) -> None:
        self._of, self._spec = of, spec
        self._places = [one.clone() if isinstance(one, Tensor) else one for one in leaves]
        self._replay: Compute | None = None
        self._trials, self._over = 0, False
        state = of.watched.model.state_dict(keep_vars=True)
        self._buffers = [one for one in state.values() if not isinstance(one, nn.Parameter)]  # others are attributes

    def __call__(self, given: Any, leaves: Sequence[Any]) -> Found:
        if self._over:
            return self._of.compute(given)
        for place, leaf in zip(self._places, leaves, strict=True):
            if isinstance(place, Tensor):
                place.copy_(leaf)
        if self._replay is not None and self._trials == TRIALS:
            return self._replay()
        found, same = self._tried(given)
        self._trials += 1
        if not same:
            self._over, self._replay = True, None
            self._places.clear()
        return found

    def _tried(self, given: Any) -> tuple[Found, bool]:
        """What is computed as ever, and whether a replay is the same."""
        traces, chance, before = Traces(*self._of.watched), _chance(self._of.device), self._kept()
        found: Found = self._of.compute(given)
        told = any(isinstance(one, Tensor) for one in found) and not any(isinstance(one, float) for one in found)
        if not told or traces.changed() or _chance(self._of.device) != chance:
            return found, False
        found, after = [one.clone() if isinstance(one, Tensor) else one for one in found], self._kept()
        self._put_back(before)
        try:
            again = self._again(before)
        except Exception:  # noqa: BLE001  (of any component; what is wrong of itself is so when it is computed, too)
            again = None
        seen = self._kept()
        self._put_back(after)
        same = again is not None and _same([*found, *after[0]], [*again, *seen[0]], self._of.near)
        return found, same and not traces.changed()

    def _again(self, before: _State) -> Found | None:
        """What a replay gives; ``None`` where there can be none."""
        if self._replay is None:
            with _as_if_captured(), _Watch(self._of.device) as watch:
                self._form()
            if watch.waits:
                return None
            self._put_back(before)
            self._replay = self._of.record(self._form)
            self._put_back(before)
        return self._replay()

    def _form(self) -> Found:
        return self._of.form(tree_unflatten(self._places, self._spec))

    def _kept(self) -> _State:
        device = self._of.device
        drawn = torch.cuda.get_rng_state(device) if device.type == "cuda" else torch.get_rng_state()
        return [one.clone() for one in self._buffers], drawn

    def _put_back(self, kept: _State) -> None:
        with torch.no_grad():
            for one, value in zip(self._buffers, kept[0], strict=True):
                one.copy_(value)
        if self._of.device.type == "cuda":
            torch.cuda.set_rng_state(kept[1], self._of.device)
        else:
            torch.set_rng_state(kept[1])


#: Copies of buffers, and where what is drawn is.
_State: TypeAlias = tuple[list[Tensor], Tensor]


def _form_of(leaf: Any) -> Form:
    return (leaf.shape, leaf.dtype, leaf.device) if isinstance(leaf, Tensor) else (type(leaf), leaf)


def _chance(device: torch.device) -> list[object]:
    """Where what the host draws is; of a CPU, torch's is what a replay draws from."""
    numpy = sys.modules.get("numpy")
    drawn: list[object] = [random.getstate(), str(numpy.random.get_state()) if numpy else None]
    return drawn if device.type == "cpu" else [*drawn, torch.get_rng_state().tolist()]


@contextmanager
def _as_if_captured() -> Iterator[None]:
    """Whoever asks in this thread whether it is captured hears yes: a model may read no number then that it reads
    else."""
    here, before = get_ident(), torch.cuda.is_current_stream_capturing
    torch.cuda.is_current_stream_capturing = lambda: get_ident() == here or before()
    try:
        yield
    finally:
        torch.cuda.is_current_stream_capturing = before


class _Watch(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Whether the host waits for a number, or hands on or takes what is elsewhere."""

    def __init__(self, device: torch.device) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._device, self.waits = device, False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        found = func(*args, **(kwargs or {}))
        waits = func.overloadpacket.__name__ in _WAITS
        tensors = [one for one in tree_leaves((args, kwargs, found)) if isinstance(one, Tensor)]
        self.waits |= waits or any(one.device != self._device and one.ndim > 0 for one in tensors)
        return found


#: Operators whose result, or the shape of it, the host looks at.
_WAITS = frozenset({"_local_scalar_dense", "equal", "nonzero", "masked_select", "_unique2", "unique_dim"})


def _same(found: Found, again: Found, near: float) -> bool:
    if len(found) != len(again):
        return False
    pairs = list(zip(found, again, strict=True))
    both = [(a, b) for a, b in pairs if isinstance(a, Tensor) and isinstance(b, Tensor)]
    alike = all(isinstance(a, Tensor) == isinstance(b, Tensor) for a, b in pairs)
    return alike and all(a.shape == b.shape and (not a.numel() or _near(a, b, near)) for a, b in both)


def _near(a: Tensor, b: Tensor, near: float) -> bool:
    """Numbers that are not finite are near none."""
    if not a.is_floating_point():
        return torch.equal(a, b)
    return bool(((a - b).abs() <= near * a.abs().amax()).all())
