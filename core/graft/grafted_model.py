"""``graft``: models, an adapter's spec, and the object that comes of them, with PEFT's verbs as methods."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import ValidationError
from torch import nn

from ...registry.catalogue import Catalogue
from ...registry.discovery import default_catalogue
from ...registry.errors import one_line
from ...registry.slot import Slot
from ...registry.spec import Spec
from ..roles.specs import AdapterSpec, blocks_in_words, one_or_each
from ..roles.tower_adapter import TowerAdapter
from ..roles.tower_specs import TowerAdapterSpec
from ..spec.explain import explain
from ..towers.errors import TowerError
from ..towers.tower import Tower
from .grafted import GraftedTowers
from .peft_folder import load_peft, save_peft
from .placed import BuildAdapter, builder
from .saving import load_adapter, push_to_hub, save_pretrained

#: Models by tower's name; a ``Tower`` where ``Tower.of`` was told more than the model (its blocks, its streams).
Models = Mapping[str, nn.Module | Tower]
#: An adapter inside models: its spec, what JSON says of it, or its type alone.
AdapterGiven = TowerAdapterSpec | Mapping[str, Any] | str


def graft(
    models: Models, adapter: AdapterGiven, name: str = "default", *, catalogue: Catalogue | None = None
) -> GraftedModel:
    """Freeze models and graft a trainable adapter into them, or across them.

    ``adapter`` is a spec (``graftwork.hmmoe(rank=8)``, ``graftwork.lora(rank=8)``), what JSON says of one
    (``{"type": "hmmoe", "rank": 8}``; any installed type), or a type. Raises ``TowerError`` where a model has no
    blocks that are found, or the adapter does not fit.
    """
    grafted = GraftedModel(models, catalogue=catalogue)
    grafted.add_adapter(name, adapter)
    return grafted


class GraftedModel(GraftedTowers):
    """Frozen models with named adapters in them, of which one is active; ``graft`` makes it.

    It is called as ``GraftedTowers`` are, with the keyword arguments of each model: ``grafted({"image": {...}, "text":
    {...}})``, and its parameters are those of the adapters.
    """

    def __init__(self, models: Models, *, catalogue: Catalogue | None = None) -> None:
        if not isinstance(models, Mapping):
            raise TowerError(f'models are given by name, as {{"image": model}}, not as a {type(models).__name__}')
        super().__init__([_tower(name, model) for name, model in models.items()])
        self._catalogue = catalogue or default_catalogue()

    def add_adapter(self, name: str, spec: AdapterGiven, build: BuildAdapter | None = None) -> None:
        """Graft another adapter in; it becomes active. See ``graft``."""
        super().add_adapter(name, _spec_of(spec, self._catalogue), build or builder(self._catalogue))

    @property
    def active_adapters(self) -> list[str]:
        """Names of the adapters that are heard: one, or none."""
        return [] if self.active is None else [self.active]

    @property
    def peft_config(self) -> dict[str, TowerAdapterSpec]:
        """Name of each adapter to its spec, a budget turned into sizes."""
        return {name: self.spec(name) for name in self.adapters}

    def get_nb_trainable_parameters(self) -> tuple[int, int]:
        """Parameters of the active adapter that train, and all there are: frozen ones and all adapters'."""
        active = self.adapters[self.active].parameters() if self.active else ()
        everything = self.frozen_parameters() + sum(one.numel() for one in self.parameters())
        return sum(one.numel() for one in active if one.requires_grad), everything

    def print_trainable_parameters(self) -> None:
        """Print both, and the share of the first in per cent of the second, as PEFT does."""
        trainable, everything = self.get_nb_trainable_parameters()
        share = 100 * trainable / everything
        sys.stdout.write(
            f"trainable params: {trainable:,d} || all params: {everything:,d} || trainable%: {share:.4f}\n"
        )

    def save_pretrained(self, folder: str | Path, name: str | None = None) -> Path:
        """``save_pretrained(self, folder, name)``: the adapter ``name`` (default: the active one) in a new folder."""
        return save_pretrained(self, folder, name)

    @classmethod
    def from_pretrained(
        cls,
        models: Models,
        folder: str | Path,
        name: str | None = None,
        *,
        is_trainable: bool = False,
        revision: str | None = None,
        tower: str | None = None,
        catalogue: Catalogue | None = None,
    ) -> Self:
        """Models with a saved adapter in them, of a folder or of the hub, under the name it was saved with.

        As in PEFT it does not train unless ``is_trainable``. Raises as ``load_adapter`` does.
        """
        grafted = cls(models, catalogue=catalogue)
        grafted.load_adapter(folder, name, is_trainable=is_trainable, revision=revision, tower=tower)
        return grafted

    def load_adapter(
        self,
        folder: str | Path,
        name: str | None = None,
        *,
        is_trainable: bool = False,
        revision: str | None = None,
        tower: str | None = None,
    ) -> str:
        """Graft one more saved adapter in, with ``tower`` into that one alone; it becomes active. Returns its name.

        Raises as ``load_adapter`` does.
        """
        load_adapter(self, folder, name, self._catalogue, revision, tower)
        assert self.active is not None
        self.adapters[self.active].requires_grad_(is_trainable).train(is_trainable)
        return self.active

    def save_peft(self, folder: str | Path, name: str | None = None, tower: str | None = None) -> Path:
        """``save_peft(self, folder, name, tower)``: the adapter of one model as a folder of PEFT's."""
        return save_peft(self, folder, name, tower)

    def load_peft(
        self,
        folder: str | Path,
        name: str = "default",
        *,
        tower: str | None = None,
        is_trainable: bool = False,
        revision: str | None = None,
    ) -> None:
        """``load_peft(self, folder, name, tower=tower)``: PEFT's adapter, grafted in; it becomes active."""
        load_peft(self, folder, name, self._catalogue, revision, tower)
        self.adapters[name].requires_grad_(is_trainable).train(is_trainable)

    def push_to_hub(self, repo_id: str, name: str | None = None, **how: Any) -> str:
        """``push_to_hub(self, repo_id, name, private=…, revision=…, token=…)``; returns the commit's address."""
        return push_to_hub(self, repo_id, name, **how)

    def merge_and_unload(self) -> dict[str, nn.Module]:
        """Add the active adapter to the frozen weights, for good, and give the models back; no adapter is left.

        Raises ``TowerError`` where weights cannot hold what it does (an update that depends on another model), and
        where other adapters were trained on the weights as they are.
        """
        if self.active is None:
            raise TowerError("no adapter is active, so there is nothing to merge; set_adapter one")
        if others := [name for name in self.adapters if name != self.active]:
            raise TowerError(
                f"merged weights are not those that `{'`, `'.join(others)}` sits in; save_pretrained and "
                "delete_adapter them first"
            )
        adapter = self.adapters[self.active]
        if not isinstance(adapter, TowerAdapter):
            raise TowerError(
                f"adapter `{self.spec(self.active).type}` cannot be merged: its update depends on what is read, and on "
                "other models; merge_and_unload is for those that change weights alone, as `lora` does"
            )
        adapter.merge()
        self.delete_adapter(self.active)
        return {name: tower.model for name, tower in self.towers.items()}

    def __repr__(self) -> str:
        towers = [f"  {name}: {_said(tower)}" for name, tower in self.towers.items()]
        adapters = [
            f"  {'*' if name == self.active else ' '} {name}: {self._placed_said(name)}" for name in self.adapters
        ]
        frozen = f"  {self.frozen_parameters():,} frozen parameters"
        return "\n".join([f"{type(self).__name__}(", *towers, frozen, *(adapters or ["  no adapter"]), ")"])

    def _placed_said(self, name: str) -> str:
        spec, sites = self.spec(name), self._placed[name].sites()
        parameters = sum(one.numel() for one in self.adapters[name].parameters())
        rank = getattr(spec, "own_rank", None)
        at = {tower: sum(site.startswith(f"{tower}.") for site in sites) for tower in _streams(self)}
        said = [
            spec.type,
            *([f"rank {rank}"] if rank is not None else []),
            *(
                [f"{len(sites)} sites ({', '.join(f'{n} in {tower}' for tower, n in at.items() if n)})"]
                if sites
                else []
            ),
            f"{parameters:,} parameters, {parameters / self.frozen_parameters():.2%} of the frozen",
        ]
        return ", ".join(said)


def _tower(name: str, model: nn.Module | Tower) -> Tower:
    if not isinstance(model, nn.Module | Tower):
        raise TowerError(f"{name}: a model is a torch module or a Tower, not a {type(model).__name__}")
    if not isinstance(model, Tower):
        return Tower.of(name, model)
    if model.name != name:
        raise TowerError(f"tower `{model.name}` is given as `{name}`; call it so in Tower.of")
    return model


def _streams(grafted: GraftedTowers) -> list[str]:
    return list(dict.fromkeys(stream for tower in grafted.towers.values() for stream in (tower.name, *tower.streams)))


def _said(tower: Tower) -> str:
    kind = type(tower.model).__name__
    if not tower.blocks:
        return f"{kind}, not entered"
    width = one_or_each(tower.widths)
    return f"{kind}, {blocks_in_words(len(tower.blocks), width)}"


class _Given(Spec):
    adapter: Annotated[AdapterSpec, Slot("adapter")]


def _read(given: Mapping[str, Any], catalogue: Catalogue) -> AdapterSpec:
    return _Given.model_validate({"adapter": given}, context={"catalogue": catalogue}).adapter


def _spec_of(given: AdapterGiven, catalogue: Catalogue) -> TowerAdapterSpec:
    """Raises ``TowerError`` that names what is wrong in it."""
    if isinstance(given, str):
        given = {"type": given}
    if not isinstance(given, AdapterSpec | Mapping):
        made = type(given).__name__
        raise TowerError(f"adapter: a spec as `lora(rank=8)`, an object with `type`, or a type, not {made}")
    try:
        spec = given if isinstance(given, AdapterSpec) else _read(given, catalogue)
    except ValidationError as error:
        first = explain(error, _Given, {"adapter": given}, catalogue)[0]
        at, hint = ".".join(map(str, first.path)), first.hint
        raise TowerError(one_line(f"{at}: {first.reason}" + (f"; {hint}" if hint else ""))) from None
    if not isinstance(spec, TowerAdapterSpec):
        raise TowerError(
            f"adapter `{spec.type}` works on a model's vectors, and graft puts adapters inside models; give it to a "
            "Pipeline, or take one like `hmmoe` or `lora`"
        )
    return spec
