"""What records a computation, so that it is done again without Python: CUDA graphs, which share their memory."""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TypeAlias

import torch
from torch import Tensor
from torch.cuda import memory

#: Tensors, numbers, and ``None`` where a parameter has no gradient.
Found: TypeAlias = Sequence[Tensor | float | None]
Compute: TypeAlias = Callable[[], Found]
#: From a computation to one that does the same without Python: into the same tensors each time.
Record: TypeAlias = Callable[[Compute], Compute]

#: Times that it has to be wanted to be recorded: that takes as long as some tens of replays.
WORTH = 20


class CudaGraphs:
    """Graphs of one training, which run one after the other: each writes all that it reads of the memory that they
    share, and its results stay until it runs again."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._alive: weakref.WeakSet[torch.cuda.CUDAGraph] = weakref.WeakSet()
        self._taken = 0

    def __call__(self, compute: Compute) -> Compute:
        """Raises ``RuntimeError`` for what cannot be recorded, or where what is not recorded would have no room."""
        with torch.cuda.device(self._device):
            return self._recorded(compute)

    def _recorded(self, compute: Compute) -> Compute:
        if not self._alive:  # the memory of graphs that are gone takes no new one
            self._stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
            self._pool, self._taken = torch.cuda.graph_pool_handle(), 0
        self._warm_up(compute)
        torch.cuda.empty_cache()
        graph, before, here = torch.cuda.CUDAGraph(), memory.memory_reserved(), torch.cuda.current_stream()
        try:
            # Other threads may use the card meanwhile.
            with torch.cuda.graph(graph, pool=self._pool, stream=self._stream, capture_error_mode="thread_local"):
                found = compute()
        except BaseException:
            if torch.cuda.current_stream() != here:  # it ended in an error of CUDA, and so did its end
                torch.cuda.set_stream(here)
                self._end()
            raise
        self._taken += memory.memory_reserved() - before
        if memory.mem_get_info()[0] < self._taken:
            raise RuntimeError("what is computed as ever beside it would have no room")
        self._alive.add(graph)

        def replay() -> Found:
            graph.replay()
            return found

        return replay

    def _warm_up(self, compute: Compute) -> None:
        """What a stream has made on first use is there, and not of the memory of graphs."""
        self._stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self._stream):
            compute()
        torch.cuda.current_stream().wait_stream(self._stream)

    def _end(self) -> None:
        """What torch leaves of a capture whose end failed: memory that is still handed out to it, and generators that
        hear of an end only where one succeeds."""
        index = torch.cuda.current_device()
        for name in ("_cuda_endAllocateToPool", "_cuda_releasePool"):
            with suppress(RuntimeError):
                getattr(torch._C, name)(index, self._pool)
        other = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        with torch.cuda.graph(torch.cuda.CUDAGraph(), stream=other):
            torch.zeros((), device="cuda")


#: By kind of device, made once a training; there is none for a CPU, which has nothing to launch.
RECORDERS: dict[str, Callable[[torch.device], Record]] = {"cuda": CudaGraphs}


def recorder(device: torch.device, times: int) -> Record | None:
    """What records for that device something wanted so often; ``None`` where it does not pay, or is not wanted
    (``GRAFTWORK_REPLAY=0``)."""
    if times < WORTH or os.environ.get("GRAFTWORK_REPLAY") == "0" or device.type not in RECORDERS:
        return None
    return RECORDERS[device.type](device)
