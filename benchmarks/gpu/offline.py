"""Compile kernels for a card that is not there: what they take of it, read from the machine code.

Triton brings NVIDIA's assembler and disassembler, so registers, stack and instructions are known without a GPU; speed
is not. The calls that launch a kernel are made as on a GPU, on small tensors of the CPU; instead of a launch there is a
compilation, so that types, alignments and constants are those of the call.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
import triton
from triton.backends.compiler import GPUTarget
from triton.runtime.driver import driver
from triton.runtime.jit import JITFunction

from ...triton_kernels import configurations

TARGETS = {80: 166912, 90: 232448, 100: 232448}
"""Compute capability times ten to the bytes of shared memory that a block may have: A100, H100, B200."""
MATRIX = ("HMMA", "IMMA", "HGMMA", "IGMMA", "UTCHMMA", "UTCIMMA")
"""Instructions of the tensor cores."""
LOCAL = ("LDL", "STL")
"""Instructions that read and write what did not fit into registers."""


@dataclass(frozen=True)
class Compiled:
    """One kernel, compiled for one target."""

    name: str
    target: int
    registers: int
    """A thread's."""
    stack: int
    """Bytes a thread has outside of its registers; 0: nothing is spilled."""
    shared: int
    """Bytes a block has of shared memory."""
    instructions: Counter[str]

    @property
    def spills(self) -> bool:
        """Whether anything is kept outside of the registers."""
        return self.stack > 0 or any(self.instructions[name] for name in LOCAL)

    @property
    def fits(self) -> bool:
        """Whether a block's shared memory is there."""
        return self.shared <= TARGETS[self.target]


class _Absent:
    """Triton's driver of a card that is not there; its device number is its target."""

    launcher_cls = staticmethod(lambda *source: lambda *launch: None)

    def __init__(self, target: int) -> None:
        self._target = target
        properties = {"max_shared_mem": TARGETS[target], "multiprocessor_count": 132}
        self.utils = SimpleNamespace(get_device_properties=lambda device: properties)

    def get_current_target(self) -> GPUTarget:
        return GPUTarget("cuda", self._target, 32)

    def get_current_device(self) -> int:
        return self._target

    def get_current_stream(self, device: int | None = None) -> int:
        return 0

    def get_active_torch_device(self) -> torch.device:
        return torch.device("cpu")

    def set_current_device(self, device: int) -> None:
        pass

    def get_device_interface(self) -> Any:
        return torch.cuda


@contextmanager
def compiling(target: int) -> Iterator[list[Any]]:
    """Inside, a launch compiles for the target and does nothing; gives the list that the compiled kernels go to.
    Kernels are cut as `configurations.json` says for that card and this Triton.

    Needs a process that is not interpreted (`TRITON_INTERPRET`). Not for threads.
    """
    made: list[Any] = []
    run, before = JITFunction.run, driver._active  # asking for the active one fails where there is none

    def compile_instead(self: Any, *given: Any, grid: Any, warmup: bool, **options: Any) -> None:
        made.append(run(self, *given, grid=grid, warmup=True, **options))

    JITFunction.run, chosen = compile_instead, configurations._chosen
    card = configurations.card_name(target, triton.__version__)
    configurations._chosen = lambda kernel, key, device: configurations.chosen_for(card, kernel, key)  # type: ignore[assignment]
    driver.set_active(_Absent(target))
    try:
        yield made
    finally:
        JITFunction.run, configurations._chosen = run, chosen
        driver._active = before


def compiled(name: str, call: Callable[[], object], target: int) -> list[Compiled]:
    """Every kernel that the call launches, compiled for the target. What Triton raises passes through."""
    with compiling(target) as made:
        call()
    return [_read(f"{name}: {one.metadata.name.strip('_')}", one, target) for one in made]


def _read(name: str, kernel: Any, target: int) -> Compiled:
    tools = Path(triton.__file__).parent / "backends" / "nvidia" / "bin"
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(kernel.asm["cubin"])
        file.flush()
        usage = _output(tools / "cuobjdump", "-res-usage", file.name)
        code = _output(tools / "nvdisasm", "-c", file.name)
    found = re.search(r"REG:(\d+) STACK:(\d+)", usage)
    if found is None:
        raise RuntimeError(f"cuobjdump names no registers for {name}: {usage[-300:]}")
    instructions = Counter(re.findall(r"^\s*/\*[0-9a-f]+\*/\s+(?:@!?U?P\w+\s+)?([A-Z][A-Z0-9]*)", code, re.MULTILINE))
    return Compiled(name, target, int(found[1]), int(found[2]), kernel.metadata.shared, instructions)


def _output(*command: object) -> str:
    return subprocess.run([str(word) for word in command], capture_output=True, text=True, check=True).stdout
