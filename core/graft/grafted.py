"""Frozen towers with adapters in them: PEFT's verbs on any number of models."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from pydantic import ValidationError
from torch import Tensor, nn

from ..roles.tower_specs import Meeting, TowerAdapterSpec
from ..towers.errors import TowerError
from ..towers.tower import Tower, frozen_parameters
from .placed import BuildAdapter, GraftedOutput, Placed, builder, calls_of, place


class GraftedTowers(nn.Module):
    """Any towers with named adapters in them, of which one is active (as in PEFT).

    The frozen models are used, not owned: ``state_dict`` and ``parameters`` hold adapters alone, and the models stay
    as they are for everybody else. ``to(device)`` moves them along.
    """

    def __init__(self, towers: Sequence[Tower]) -> None:
        super().__init__()
        if len({tower.name for tower in towers}) != len(towers):
            raise TowerError("two towers have one name")
        _require_own_blocks(towers)
        self._towers = {tower.name: tower for tower in towers}
        self.adapters = nn.ModuleDict()
        self._placed: dict[str, Placed] = {}
        self.active: str | None = None

    @property
    def towers(self) -> Mapping[str, Tower]:
        """By name."""
        return self._towers

    def frozen_parameters(self) -> int:
        """Of all towers; a model that is two towers counts once."""
        return frozen_parameters(self._towers.values())

    def spec(self, name: str) -> TowerAdapterSpec:
        """The spec of an adapter, a budget turned into sizes."""
        return self._placed[name].spec

    def meetings(self, name: str) -> Sequence[Meeting]:
        """Where an adapter's streams meet; empty for one whose towers do not (LoRA)."""
        return self._placed[name].meetings

    def add_adapter(self, name: str, spec: TowerAdapterSpec, build: BuildAdapter | None = None) -> None:
        """Graft an adapter in; it becomes active. ``build`` is by default ``builder()``.

        Raises ``TowerError`` where it does not fit.
        """
        if name in self.adapters:
            raise TowerError(f"there is an adapter `{name}` already; delete_adapter it, or take another name")
        if not name or "." in name or hasattr(self.adapters, name):
            raise TowerError(f"an adapter cannot be called {name!r}, which torch gives no module; take another name")
        placed = place(spec, list(self._towers.values()), build or builder())
        self.adapters[name], self._placed[name], self.active = placed.adapter, placed, name

    def set_adapter(self, name: str) -> None:
        """Make another adapter the active one."""
        self._require(name)
        self.active = name

    def delete_adapter(self, name: str) -> None:
        """Remove an adapter; if it was active, none is."""
        self._require(name)
        del self.adapters[name], self._placed[name]
        self.active = None if self.active == name else self.active

    @contextmanager
    def disable_adapter(self) -> Iterator[None]:
        """Within it the towers run alone, bit for bit as they were."""
        active, self.active = self.active, None
        try:
            yield
        finally:
            self.active = active

    def forward(
        self, inputs: Mapping[str, Mapping[str, Any] | None], masks: Mapping[str, Tensor | None] | None = None
    ) -> GraftedOutput:
        """Run the towers on their keyword arguments; ``None`` or nothing for a tower: that modality is missing.

        ``masks``: stream to bool [B, N], true where there is a token, or [B, 1] for all of a sample, whose number may
        change from stage to stage; default: the tower's ``attention_mask`` where it has the shape of the hidden states.
        Raises ``TowerError``.
        """
        present = {name: given for name, given in inputs.items() if given is not None}
        if unknown := present.keys() - self._towers.keys():
            raise TowerError(f"no tower `{min(unknown)}`; there are: {', '.join(self._towers)}")
        if not present:
            raise TowerError("no tower has inputs")
        if self.active is None:
            return GraftedOutput({name: call() for name, call in calls_of(self._towers, present).items()})
        return self._placed[self.active].run(self._towers, present, masks or {})

    def untouched_blocks(self, tower: str) -> int:
        """How many of a tower's first blocks, and what comes before them, the active adapter does not change."""
        return self._placed[self.active].untouched(self._towers[tower]) if self.active else 0

    def trainable_share(self) -> float:
        """Parameters of the active adapter over those of the frozen towers."""
        trainable = sum(p.numel() for p in self.adapters[self.active].parameters()) if self.active else 0
        return trainable / self.frozen_parameters()

    def gradient_checkpointing_enable(self, gradient_checkpointing_kwargs: Mapping[str, Any] | None = None) -> None:
        """Blocks of the frozen towers keep little and run again in the backward pass, for the active adapter.

        The spec's ``gradient_checkpointing``, under transformers' name; its ``Trainer`` calls this. The keywords mean
        nothing here. Raises ``TowerError`` without an active adapter, or where it sits inside blocks.
        """
        self._checkpoint(True)

    def gradient_checkpointing_disable(self) -> None:
        """The other way round."""
        self._checkpoint(False)

    def _checkpoint(self, on: bool) -> None:
        if self.active is None:
            raise TowerError("no adapter is active, and without one nothing runs again; set_adapter one")
        placed = self._placed[self.active]
        try:
            spec = placed.spec.model_validate(placed.spec.model_dump() | {"gradient_checkpointing": on})
        except ValidationError as error:
            raise TowerError(error.errors(include_url=False)[0]["msg"].removeprefix("Value error, ")) from None
        self._placed[self.active] = placed.with_spec(spec)

    def _require(self, name: str) -> None:
        if name not in list(self.adapters):  # a list of names, as PEFT takes, has no hash
            raise TowerError(f"there is no adapter `{name}`; there are: {', '.join(self.adapters) or 'none'}")

    def _apply(self, fn: Any, recurse: bool = True) -> GraftedTowers:
        for tower in self._towers.values():
            tower.model._apply(fn, recurse)  # type: ignore[no-untyped-call]
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        return self


def _require_own_blocks(towers: Sequence[Tower]) -> None:
    """Raises ``TowerError`` for one model under two names; two towers of one model have blocks of their own."""
    owners: dict[int, str] = {}
    for tower in towers:
        for block in tower.blocks:
            if (other := owners.setdefault(id(block), tower.name)) != tower.name:
                raise TowerError(
                    f"`{other}` and `{tower.name}` are one model, and what is grafted into one would sit in the other; "
                    "give a copy (copy.deepcopy(model)), or call the grafted model twice with one tower"
                )
