"""How each kernel is cut into programs on which card: measured there, or a guess from registers and loads in flight.

`configurations.json` is what `make gpu-day` chose, by card and Triton's minor version: `{"sm_90, Triton 3.6":
{"messages": {"64 4": {...}}}}`, sizes as each kernel names them. A card that is not
in it, and the interpreter, take each kernel's own defaults.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import torch

Settings = Mapping[str, int]
TABLE = Path(__file__).with_name("configurations.json")


def configuration(kernel: str, key: str, defaults: Settings, device: torch.device) -> dict[str, int]:
    """The defaults, and over them what was chosen for this kernel, size and card."""
    return {**defaults, **_chosen(kernel, key, device)}


def cdiv(number: int, size: int) -> int:
    """How many programs of so many: the quotient, rounded up. Triton's own unwraps constants of a kernel first, on the
    host too, and takes as long as an operator."""
    return -(-number // size)


def next_power_of_2(number: int) -> int:
    """The least power of two that is not below a number from 1 up."""
    return 1 << (number - 1).bit_length()


@cache
def _chosen(kernel: str, key: str, device: torch.device) -> Settings:
    return chosen_for(_card(device), kernel, key) if device.type == "cuda" else {}


def chosen_for(card: str, kernel: str, key: str) -> Settings:
    """What the table has for a kernel and size on a card of that name."""
    return _table().get(card, {}).get(kernel, {}).get(key, {})


@cache
def _table() -> Mapping[str, Mapping[str, Mapping[str, Settings]]]:
    table: Mapping[str, Mapping[str, Mapping[str, Settings]]] = json.loads(TABLE.read_text("utf-8"))
    return table


@cache
def _card(device: torch.device) -> str:
    import triton

    major, minor = torch.cuda.get_device_capability(device)
    return card_name(10 * major + minor, triton.__version__)


def card_name(capability: int, triton_version: str) -> str:
    """Its key in the table, "sm_90, Triton 3.6"."""
    return f"sm_{capability}, Triton {'.'.join(triton_version.split('.')[:2])}"
