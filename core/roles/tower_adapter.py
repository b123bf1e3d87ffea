"""The adapter role inside towers, where towers do not meet: modules of theirs are exchanged while they run."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from torch import nn

from ..towers.errors import TowerError
from .contract import broken, form
from .tower_specs import TowerAdapterSpec

if TYPE_CHECKING:
    from ..towers.tower import Tower


class TowerAdapter(nn.Module, ABC):
    """Built as ``build(spec, towers)``, ``towers`` a sequence of ``Tower``; initial weights follow torch's global seed.

    For specs that are a ``TowerAdapterSpec`` and no ``LayerAdapterSpec``. At the start it changes nothing. Parameters
    are named by tower first. Its ``forward`` is never called.
    """

    #: The spec, a budget turned into sizes.
    spec: TowerAdapterSpec

    def first_block(self, tower: Tower) -> int:
        """Of the first block that it changes: what those before it give of an item may be kept. 0: nothing is."""
        return 0

    def sites(self) -> Sequence[str]:
        """Where it sits, ``tower.path`` each; empty: it does not say."""
        return ()

    def merge(self) -> None:
        """Add what it does to the frozen weights, for good. Raises ``TowerError`` where weights cannot hold it."""
        raise TowerError(f"adapter `{self.spec.type}` cannot be merged into the frozen weights")

    def peft_names(self, tower: str) -> Mapping[str, str]:
        """What PEFT calls the tensors of a tower's part: name in the state dict to ``BLOCK.PATH.lora_A.weight``.

        Raises ``TowerError`` where PEFT has no such adapter.
        """
        raise TowerError(f"adapter `{self.spec.type}` is none of PEFT's, and is saved by save_pretrained alone")

    @abstractmethod
    def installed(self) -> AbstractContextManager[None]:
        """While it lasts, the towers' modules are the adapted ones; before and after they are the frozen ones."""


def spec_of(adapter: TowerAdapter) -> TowerAdapterSpec:
    """Its ``spec``. Raises ``ContractError`` where it sets none."""
    spec = getattr(adapter, "spec", None)
    if not isinstance(spec, TowerAdapterSpec):
        raise broken("tower adapter", adapter, "sets no spec; set it in __init__, a budget turned into sizes")
    return spec


def installed_of(adapter: TowerAdapter) -> AbstractContextManager[None]:
    """Its modules in the towers. Raises ``ContractError`` where ``installed`` cannot be entered."""
    given = adapter.installed()
    if not isinstance(given, AbstractContextManager):
        asked = "`installed` gives a context manager (write @contextmanager above it)"
        raise broken("tower adapter", adapter, f"gave {form(given)}; {asked}")
    return given
