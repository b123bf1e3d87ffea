"""What a training computes again and again, recorded once and replayed: one launch instead of hundreds."""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from .checkpoints.attributes import Attributes

#: Tensors, numbers, and ``None`` where a parameter has no gradient.
Found: TypeAlias = Sequence[Tensor | float | None]
Compute: TypeAlias = Callable[[], Found]
#: From a computation to one that does the same without Python: into the same tensors each time.
Record: TypeAlias = Callable[[Compute], Compute]

#: Times that it is computed as ever before it is recorded: what is made on first use is there then.
WARM_UP = 3
#: Times that it has to be wanted to be recorded: that takes as long as some tens of replays.
WORTH = 20
#: How far a replay may be from what it replays, of the largest number: sums of other orders.
NEAR = 1e-4


def _cuda_graph(compute: Compute) -> Compute:
    graph = torch.cuda.CUDAGraph()
    try:
        with torch.cuda.graph(graph, capture_error_mode="thread_local"):  # other threads may use the card
            found = compute()
    except Exception:
        with torch.cuda.graph(torch.cuda.CUDAGraph()):  # the generator hears of an end only where a capture succeeds
            torch.zeros((), device="cuda")
        raise

    def replay() -> Found:
        graph.replay()
        return found

    return replay


#: By kind of device; there is none for a CPU, which has nothing to launch.
RECORDERS: dict[str, Record] = {"cuda": _cuda_graph}


def recorder(device: torch.device, times: int) -> Record | None:
    """What records for that device something wanted so often; ``None`` where it does not pay, or is not wanted
    (``GRAFTWORK_REPLAY=0``)."""
    if times < WORTH or os.environ.get("GRAFTWORK_REPLAY") == "0":
        return None
    return RECORDERS.get(device.type)


class Replayed:
    """A computation without arguments, whose operators and shapes are the same each time.

    Computed as ever at first. Then it is recorded, and replayed once from where it was computed last: where that gives
    other numbers, where the model keeps something beside parameters and buffers (a count of calls), where the host
    draws (whether a layer is left out), or where it cannot be recorded (it reads a number), it is computed as ever from
    then on. Ours.
    """

    def __init__(self, compute: Compute, model: nn.Module, record: Record, form: Compute | None = None) -> None:
        """``form``: the same in a form that can be recorded, where ``compute`` is none."""
        self._compute, self._form, self._model = compute, form or compute, model
        self._device = next(model.parameters()).device
        self._record: Record | None = record
        self._done = 0

    def __call__(self) -> Found:
        """What it gives; tensors of a replay are written over by the next."""
        self._done += 1
        if self._record is None or self._done <= WARM_UP:
            return self._compute()
        found, self._compute = self._recorded(self._record)
        self._record = None
        return found

    def _recorded(self, record: Record) -> tuple[Found, Compute]:
        """What is computed, and what computes it from now on."""
        attributes, state = Attributes(self._model), self._model.state_dict(keep_vars=True)
        buffers = [one for one in state.values() if not isinstance(one, nn.Parameter)]  # others are attributes
        before, chance = self._kept(buffers), self._chance()
        with _Watch(self._device) as watch:
            found = self._compute()
        tensors = [one for one in found if isinstance(one, Tensor)]
        waits = watch.waits or not tensors or any(isinstance(one, float) for one in found)
        if waits or attributes.changed() or self._chance() != chance:
            return found, self._compute
        after, found = self._kept(buffers), [one.clone() if isinstance(one, Tensor) else one for one in found]
        self._put_back(buffers, before)
        try:
            replay = record(self._form)
            again = replay()
        except Exception:  # noqa: BLE001  (of any component; what is wrong of itself is so when it is computed, too)
            self._put_back(buffers, after)
            return found, self._compute
        seen = self._kept(buffers)
        self._put_back(buffers, after)
        same = _same([*found, *after[0]], [*again, *seen[0]])
        return found, replay if same and not attributes.changed() else self._compute

    def _kept(self, buffers: Sequence[Tensor]) -> tuple[list[Tensor], Tensor]:
        """Copies of buffers, and where what is drawn is."""
        drawn = torch.cuda.get_rng_state(self._device) if self._device.type == "cuda" else torch.get_rng_state()
        return [one.clone() for one in buffers], drawn

    def _chance(self) -> list[object]:
        """Where what the host draws is; of a CPU, torch's is what a replay draws from."""
        numpy = sys.modules.get("numpy")
        drawn: list[object] = [random.getstate(), str(numpy.random.get_state()) if numpy else None]
        return drawn if self._device.type == "cpu" else [*drawn, torch.get_rng_state().tolist()]

    def _put_back(self, buffers: Sequence[Tensor], kept: tuple[list[Tensor], Tensor]) -> None:
        with torch.no_grad():
            for one, value in zip(buffers, kept[0], strict=True):
                one.copy_(value)
        if self._device.type == "cuda":
            torch.cuda.set_rng_state(kept[1], self._device)
        else:
            torch.set_rng_state(kept[1])


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


def _same(found: Found, again: Found) -> bool:
    pairs = list(zip(found, again, strict=True))
    both = [(a, b) for a, b in pairs if isinstance(a, Tensor) and isinstance(b, Tensor)]
    alike = all(isinstance(a, Tensor) == isinstance(b, Tensor) for a, b in pairs)
    return alike and all(a.shape == b.shape and (not a.numel() or _near(a, b)) for a, b in both)


def _near(a: Tensor, b: Tensor) -> bool:
    """Numbers that are not finite are near none."""
    if not a.is_floating_point():
        return torch.equal(a, b)
    return bool(((a - b).abs() <= NEAR * a.abs().amax()).all())
