"""A named adapter in its towers: where it sits, and how the towers run with it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor

from ...registry.build import build
from ...registry.catalogue import Catalogue
from ...registry.discovery import default_catalogue
from ...registry.spec import Spec
from ..roles.layer_adapter import LayerAdapter
from ..roles.tower_adapter import TowerAdapter, installed_of, spec_of
from ..roles.tower_specs import LayerAdapterSpec, Meeting, TowerAdapterSpec
from ..towers.checkpointing import checkpointed
from ..towers.lockstep import lockstep
from ..towers.stop import Stop
from ..towers.tower import Tower, frozen_parameters, require_no_checkpointing
from .exchange import MeetingPlace
from .meetings import Enterable, meetings_of, sized

Inputs = Mapping[str, Mapping[str, Any]]
A = TypeVar("A", LayerAdapter, TowerAdapter)


class BuildAdapter(Protocol):
    """Makes the adapter of a spec."""

    def __call__(self, role: type[A], spec: TowerAdapterSpec, where: Sequence[Meeting] | Sequence[Tower], /) -> A:
        """A ``LayerAdapter`` for its meetings, a ``TowerAdapter`` for its towers."""


@dataclass(frozen=True, slots=True)
class GraftedOutput:
    """What the towers gave, and what the adapter has to say beside."""

    #: Tower to what its forward returned.
    outputs: Mapping[str, Any]
    #: ``meeting.stream.name`` to a weighted scalar: add them all to the loss.
    losses: Mapping[str, Tensor] = field(default_factory=dict)
    #: ``meeting.stream`` to the mean share or gate [E] of each expert.
    usage: Mapping[str, Tensor] = field(default_factory=dict)

    def auxiliary_loss(self) -> Tensor | float:
        """The sum of ``losses``."""
        return sum(self.losses.values())


class Placed(Protocol):
    """An adapter that sits in towers."""

    @property
    def adapter(self) -> LayerAdapter | TowerAdapter:
        """The trainable module."""

    @property
    def spec(self) -> TowerAdapterSpec:
        """Its spec, a budget turned into sizes."""

    @property
    def meetings(self) -> Sequence[Meeting]:
        """Where its streams meet; empty for one whose towers do not."""

    def untouched(self, tower: Tower) -> int:
        """How many of a tower's first blocks, and what comes before them, give what the frozen tower gives."""

    def with_spec(self, spec: TowerAdapterSpec) -> Placed:
        """The same adapter run by another spec of it, of the same sizes."""

    def sites(self) -> Sequence[str]:
        """Where it sits, ``tower.path`` each; empty for a tower adapter that does not say."""

    def run(self, towers: Mapping[str, Tower], inputs: Inputs, masks: Mapping[str, Tensor | None]) -> GraftedOutput:
        """The towers on their keyword arguments, with the adapter in them."""


@dataclass(frozen=True, slots=True)
class Meets:
    """A layer adapter: towers advance together and meet at its stops."""

    adapter: LayerAdapter
    spec: LayerAdapterSpec
    stops: Mapping[str, Sequence[Stop]]
    meetings: Sequence[Meeting]
    #: Tower to the block of its first stop.
    first: Mapping[str, int]

    def untouched(self, tower: Tower) -> int:
        """Those before its first stop; the block of that one, too, where all that is added comes after it."""
        after = self.spec.places == ("block",) and self.spec.placement == "sequential"
        return self.first[tower.name] + after if tower.name in self.first else 0

    def with_spec(self, spec: TowerAdapterSpec) -> Meets:
        """The stops are those it has."""
        assert isinstance(spec, LayerAdapterSpec)
        return replace(self, spec=spec)

    def sites(self) -> Sequence[str]:
        """A stream at a meeting each."""
        return [f"{stream}.{stop}" for meeting in self.meetings for stream, stop in meeting.stops.items()]

    def run(self, towers: Mapping[str, Tower], inputs: Inputs, masks: Mapping[str, Tensor | None]) -> GraftedOutput:
        """In lock-step; a tower without blocks runs alone."""
        entered = {name: given for name, given in inputs.items() if name in self.stops}
        place = MeetingPlace(towers, self.adapter, entered, masks)
        _require_one_pass(towers, entered)
        with _checkpoints(self.spec, (towers[name] for name in entered), nullcontext):
            found = lockstep(calls_of(towers, entered), {name: self.stops[name] for name in entered}, place.exchange)
        outputs = {name: found[name] if name in found else towers[name].model(**inputs[name]) for name in inputs}
        return GraftedOutput(outputs, place.losses, place.usage)


@contextmanager
def _checkpoints(
    spec: TowerAdapterSpec, towers: Iterable[Tower], again: Callable[[], AbstractContextManager[None]]
) -> Iterator[None]:
    """``again``: what must hold while blocks run in the backward pass."""
    with ExitStack() as stack:
        if spec.gradient_checkpointing and torch.is_grad_enabled():
            for tower in towers:
                stack.enter_context(checkpointed(tower, again))
        yield


def _require_one_pass(towers: Mapping[str, Tower], names: Iterable[str]) -> None:
    """A block that ran again in the backward pass would find the adapter gone, and the other towers, too."""
    for name in names:
        require_no_checkpointing(name, towers[name].model)


@dataclass(frozen=True, slots=True)
class Installs:
    """A tower adapter: its modules stand in the towers while they run, one tower after the other."""

    adapter: TowerAdapter
    spec: TowerAdapterSpec
    meetings: Sequence[Meeting] = ()

    def untouched(self, tower: Tower) -> int:
        """The adapter says so."""
        return self.adapter.first_block(tower)

    def with_spec(self, spec: TowerAdapterSpec) -> Installs:
        """Its modules are those it has."""
        return replace(self, spec=spec)

    def sites(self) -> Sequence[str]:
        """The adapter says so."""
        return self.adapter.sites()

    def run(self, towers: Mapping[str, Tower], inputs: Inputs, masks: Mapping[str, Tensor | None]) -> GraftedOutput:
        """Each tower by itself; masks are the towers' own inputs."""
        _require_one_pass(towers, inputs)
        again = partial(installed_of, self.adapter)
        with again(), _checkpoints(self.spec, (towers[name] for name in inputs), again):
            return GraftedOutput({name: call() for name, call in calls_of(towers, inputs).items()})


def place(spec: TowerAdapterSpec, towers: Sequence[Tower], build: BuildAdapter) -> Placed:
    """Build an adapter where its spec says. Raises ``TowerError`` where it does not fit."""
    if not isinstance(spec, LayerAdapterSpec):
        adapter = build(TowerAdapter, spec, towers)
        return Installs(adapter, spec_of(adapter))
    entered = [tower for tower in towers if tower.blocks]
    pairs, meetings = meetings_of(spec, [Enterable(one.streams, one.widths) for one in entered])
    stops = {
        tower.name: tower.stops([pair[index] for pair in pairs], spec.places, spec.placement)
        for index, tower in enumerate(entered)
    }
    fitted = sized(spec, meetings, frozen_parameters(towers))
    first = {tower.name: pairs[0][index] for index, tower in enumerate(entered)}
    return Meets(build(LayerAdapter, fitted, meetings), fitted, stops, meetings, first)


def calls_of(towers: Mapping[str, Tower], inputs: Inputs) -> dict[str, Callable[[], Any]]:
    """Tower to a call of its own forward."""
    return {name: lambda name=name: towers[name].model(**inputs[name]) for name in inputs}  # type: ignore[misc]


def builder(catalogue: Catalogue | None = None) -> BuildAdapter:
    """Builds adapters inside towers, and the components inside them, from a catalogue (default: what is installed)."""
    found = catalogue or default_catalogue()

    def assemble(spec: Spec, *arguments: Any) -> Any:
        return build(object, found, spec, *arguments)

    def make(role: type[A], spec: TowerAdapterSpec, where: Sequence[Meeting] | Sequence[Tower], /) -> A:
        inner = [assemble] if issubclass(role, LayerAdapter) else []
        return build(role, found, spec, where, *inner)

    return make
