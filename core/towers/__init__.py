"""Frozen towers of any architecture, met at chosen blocks without a copy of their forward."""

from .blocks import TowerError, find_blocks
from .grafted import GraftedOutput, GraftedTowers
from .layer_map import LayerMap, pair_blocks
from .lockstep import Exchange, lockstep
from .saving import builder, load_adapter, save_pretrained
from .stop import Place, Placement, Stop, find_stop
from .tower import Tower

__all__ = [
    "Exchange",
    "GraftedOutput",
    "GraftedTowers",
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
    "save_pretrained",
]
