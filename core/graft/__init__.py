"""Adapters placed in frozen towers of any architecture: PEFT's verbs on any number of models.

The towers' own names stand here too, so that one import brings all that a graft needs; each is imported on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..towers.blocks import find_blocks
    from ..towers.errors import TowerError
    from ..towers.layer_map import LayerMap, pair_blocks
    from ..towers.lockstep import Exchange, lockstep
    from ..towers.stop import Place, Placement, Stop, find_stop
    from ..towers.tower import Tower
    from .grafted import GraftedTowers
    from .grafted_model import GraftedModel, graft
    from .hub import HubError
    from .peft_folder import load_peft, save_peft
    from .placed import GraftedOutput, builder
    from .saving import load_adapter, push_to_hub, save_pretrained

#: Module to the names that are imported from it on first use (PEP 562): planning a graft needs no torch.
_LAZY = {
    "..towers.blocks": ("find_blocks",),
    "..towers.errors": ("TowerError",),
    "..towers.layer_map": ("LayerMap", "pair_blocks"),
    "..towers.lockstep": ("Exchange", "lockstep"),
    "..towers.stop": ("Place", "Placement", "Stop", "find_stop"),
    "..towers.tower": ("Tower",),
    ".grafted": ("GraftedTowers",),
    ".grafted_model": ("GraftedModel", "graft"),
    ".hub": ("HubError",),
    ".peft_folder": ("load_peft", "save_peft"),
    ".placed": ("GraftedOutput", "builder"),
    ".saving": ("load_adapter", "push_to_hub", "save_pretrained"),
}
_HOMES = {name: module for module, names in _LAZY.items() for name in names}

__all__ = [
    "Exchange",
    "GraftedModel",
    "GraftedOutput",
    "GraftedTowers",
    "HubError",
    "LayerMap",
    "Place",
    "Placement",
    "Stop",
    "Tower",
    "TowerError",
    "builder",
    "find_blocks",
    "find_stop",
    "graft",
    "load_adapter",
    "load_peft",
    "lockstep",
    "pair_blocks",
    "push_to_hub",
    "save_peft",
    "save_pretrained",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name], __name__), name)


def __dir__() -> list[str]:
    return __all__
