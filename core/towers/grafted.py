"""Frozen towers with layer adapters in them: PEFT's verbs on any number of models."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from ..layer_adapter import LayerAdapter, Meeting
from ..roles import LayerAdapterSpec
from .blocks import TowerError
from .exchange import MeetingPlace
from .layer_map import pair_blocks
from .lockstep import lockstep
from .stop import Stop
from .tower import Tower

#: ``build(spec, meetings)``.
BuildAdapter = Callable[[LayerAdapterSpec, Sequence[Meeting]], LayerAdapter]


@dataclass(frozen=True, slots=True)
class GraftedOutput:
    """What the towers gave, and what the adapter has to say beside."""

    #: Tower to what its forward returned.
    outputs: Mapping[str, Any]
    #: ``meeting.stream.name`` to a weighted scalar: add them all to the loss.
    losses: Mapping[str, Tensor] = field(default_factory=dict)
    #: ``meeting.stream`` to the mean share [E] of each expert.
    usage: Mapping[str, Tensor] = field(default_factory=dict)

    def auxiliary_loss(self) -> Tensor | float:
        """The sum of ``losses``."""
        return sum(self.losses.values())


@dataclass(frozen=True, slots=True)
class _Placed:
    """A named adapter's spec, and where it sits."""

    spec: LayerAdapterSpec
    stops: Mapping[str, Sequence[Stop]]
    meetings: Sequence[Meeting]


class GraftedTowers(nn.Module):
    """Any towers, in lock-step, with named adapters of which one is active (as in PEFT).

    The frozen models are used, not owned: ``state_dict`` and ``parameters`` hold adapters alone, and the models stay
    as they are for everybody else. ``to(device)`` moves them along.
    """

    def __init__(self, towers: Sequence[Tower]) -> None:
        super().__init__()
        if len({tower.name for tower in towers}) != len(towers):
            raise TowerError("two towers have one name")
        self._towers = {tower.name: tower for tower in towers}
        self.adapters = nn.ModuleDict()
        self._placed: dict[str, _Placed] = {}
        self.active: str | None = None

    @property
    def towers(self) -> Mapping[str, Tower]:
        """By name."""
        return self._towers

    def frozen_parameters(self) -> int:
        """Of all towers; a model that is two towers counts once."""
        return sum({id(p): p.numel() for tower in self._towers.values() for p in tower.model.parameters()}.values())

    def spec(self, name: str) -> LayerAdapterSpec:
        """The spec of an adapter, a budget turned into sizes."""
        return self._placed[name].spec

    def meetings(self, name: str) -> Sequence[Meeting]:
        """Where an adapter's streams meet."""
        return self._placed[name].meetings

    def add_adapter(self, name: str, spec: LayerAdapterSpec, build: BuildAdapter) -> None:
        """Graft an adapter in; it becomes active. Raises ``TowerError`` where it does not fit."""
        if name in self.adapters:
            raise TowerError(f"there is an adapter `{name}` already; delete_adapter it, or take another name")
        stops, meetings = self._meet(spec)
        try:
            sized = spec.within_budget([meeting.widths for meeting in meetings], self.frozen_parameters())
        except ValueError as error:
            raise TowerError(f"adapter.budget: {error}") from None
        self.adapters[name] = build(sized, meetings)
        self._placed[name] = _Placed(sized, stops, meetings)
        self.active = name

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

        ``masks``: stream to bool [B, N], true where there is a token; default: the tower's ``attention_mask`` where it
        has the shape of the hidden states. Raises ``TowerError``.
        """
        present = {name: given for name, given in inputs.items() if given is not None}
        if unknown := present.keys() - self._towers.keys():
            raise TowerError(f"no tower `{min(unknown)}`; there are: {', '.join(self._towers)}")
        if not present:
            raise TowerError("no tower has inputs")
        calls = {name: self._call(name, given) for name, given in present.items()}
        if self.active is None:
            return GraftedOutput({name: call() for name, call in calls.items()})
        stops = self._placed[self.active].stops
        meeting = {name: given for name, given in present.items() if name in stops}
        place = MeetingPlace(self._towers, self.adapters[self.active], meeting, masks or {})  # type: ignore[arg-type]
        outputs = {name: call() for name, call in calls.items() if name not in stops}
        outputs |= lockstep({name: calls[name] for name in meeting}, stops, place.exchange)
        return GraftedOutput({name: outputs[name] for name in calls}, place.losses, place.usage)

    def trainable_share(self) -> float:
        """Parameters of the active adapter over those of the frozen towers."""
        trainable = sum(p.numel() for p in self.adapters[self.active].parameters()) if self.active else 0
        return trainable / self.frozen_parameters()

    def _call(self, name: str, given: Mapping[str, Any]) -> Callable[[], Any]:
        return lambda: self._towers[name].model(**given)

    def _meet(self, spec: LayerAdapterSpec) -> tuple[dict[str, list[Stop]], tuple[Meeting, ...]]:
        towers = [tower for tower in self._towers.values() if tower.blocks]
        if not towers:
            raise TowerError(f"no block of {', '.join(self._towers)} can be entered; take a transformer, such as a ViT")
        pairs = pair_blocks([len(tower.blocks) for tower in towers], spec.layer_map, spec.meetings)
        stops = {
            tower.name: tower.stops([pair[index] for pair in pairs], spec.places, spec.placement)
            for index, tower in enumerate(towers)
        }
        widths = {stream: tower.width for tower in towers for stream in tower.streams}
        meetings = tuple(
            Meeting({s: f"{pair[i]}_{place}" for i, tower in enumerate(towers) for s in tower.streams}, widths)
            for pair in pairs
            for place in spec.places
        )
        return stops, meetings

    def _require(self, name: str) -> None:
        if name not in self.adapters:
            raise TowerError(f"there is no adapter `{name}`; there are: {', '.join(self.adapters) or 'none'}")

    def _apply(self, fn: Any, recurse: bool = True) -> GraftedTowers:
        for tower in self._towers.values():
            tower.model._apply(fn, recurse)  # type: ignore[no-untyped-call]
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        return self
