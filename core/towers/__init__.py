"""Frozen towers of any architecture, met at chosen blocks without a copy of their forward."""

from ..layer_map import LayerMap, pair_blocks
from .blocks import TowerError, find_blocks
from .grafted import GraftedTowers
from .hub import HubError
from .lockstep import Exchange, lockstep
from .placed import GraftedOutput
from .saving import builder, load_adapter, push_to_hub, save_pretrained
from .stop import Place, Placement, Stop, find_stop
from .tower import Tower

__all__ = [
    "Exchange",
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
    "load_adapter",
    "lockstep",
    "pair_blocks",
    "push_to_hub",
    "save_pretrained",
]
