"""Adapters inside towers, on disk: PEFT's layout, no weight of a frozen model, whole or refused."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor, nn

from ...registry import __version__
from ...registry.catalogue import Catalogue
from ...registry.discovery import default_catalogue
from ..roles.layer_adapter import upgraded_of
from ..roles.specs import blocks_in_words, one_or_each
from ..roles.tower_specs import Meeting, TowerAdapterSpec
from ..storage.adapter_config import (
    CONFIG,
    TENSORS,
    AdapterConfig,
    FeatureAdapter,
    GraftedAdapter,
    GraftFacts,
    LayerAdapter,
    MeetingFacts,
    TowerFacts,
    component_in,
    saved_in,
)
from ..storage.claim import claim, writing
from ..storage.manifest import adapter_folder, seal
from ..storage.run_folder import RunFolderError, write_json
from ..storage.tensors import no_larger_than, read_tensors, require_taken_whole, write_tensors
from ..towers.errors import TowerError
from ..towers.tower import Tower
from .grafted import GraftedTowers
from .hub import fetched, upload
from .placed import builder


def save_pretrained(grafted: GraftedTowers, folder: str | Path, name: str | None = None) -> Path:
    """Save the adapter ``name`` (default: the active one) into ``folder``, which must not exist yet.

    Raises ``TowerError`` if there is no such adapter, ``RunFolderError`` if the folder exists.
    """
    chosen, target = name or grafted.active, Path(folder)
    if chosen is None or chosen not in grafted.adapters:
        raise TowerError(f"there is no adapter to save; there are: {', '.join(grafted.adapters) or 'none'}")
    if target.exists():
        raise RunFolderError(f"{target} exists already; name another folder, or remove it first")
    claimed = claim(target)
    if note := claimed.kept_in_words():
        warnings.warn(note, stacklevel=2)
    with writing(claimed) as partial:
        write_tensors(partial / TENSORS, grafted.adapters[chosen].state_dict())
        write_json(partial / CONFIG, _config(grafted, chosen).to_json())
        seal(partial)
    return target


def push_to_hub(
    grafted: GraftedTowers,
    repo_id: str,
    name: str | None = None,
    *,
    private: bool | None = None,
    revision: str | None = None,
    token: str | None = None,
) -> str:
    """Save the adapter ``name`` (default: the active one) into a repository of the hub; returns the commit's address.

    ``load_adapter(grafted, repo_id)`` gets it back. Raises ``HubError`` without network, token or permission.
    """
    with tempfile.TemporaryDirectory() as folder:
        saved = save_pretrained(grafted, Path(folder) / "adapter", name)
        return upload(saved, repo_id, private=private, revision=revision, token=token)


def load_adapter(
    grafted: GraftedTowers,
    folder: str | Path,
    name: str | None = None,
    catalogue: Catalogue | None = None,
    revision: str | None = None,
) -> GraftedTowers:
    """Graft a saved adapter into towers like those it was trained in; it becomes active.

    ``name`` is by default the one under which it was saved, ``default`` for that of a run.
    ``folder`` may be a run of a pipeline, whose head is left behind, or a hub id (OWNER/NAME), ``revision`` then a
    branch, tag or commit. Raises ``RunFolderError`` for a
    folder that is incomplete or altered, ``HubError`` for one that cannot be fetched, ``TowerError`` for towers it does
    not fit; nothing is grafted then.
    """
    found = adapter_folder(fetched(folder, revision))
    about = saved_in(found)
    if isinstance(about, FeatureAdapter) or about.spec is None:
        raise RunFolderError(f"{found / CONFIG} is of no adapter for layers; graftwork.load() reads those for features")
    catalogue = catalogue or default_catalogue()
    spec = component_in(found, "spec", "adapter", TowerAdapterSpec, about.spec, catalogue)
    _require_same_towers(grafted, about.towers or {}, found / CONFIG)
    before, called = grafted.active, name or (isinstance(about, GraftedAdapter) and about.name) or "default"
    tensors = read_tensors(found / TENSORS)
    with no_larger_than(found, tensors):
        grafted.add_adapter(called, spec, builder(catalogue))
    try:
        if [_meeting(one) for one in grafted.meetings(called)] != about.meetings:
            raise TowerError(f"{found / CONFIG} is of other blocks than its spec names here; it does not fit")
        _fill(grafted.adapters[called], _without_head(tensors) if isinstance(about, LayerAdapter) else tensors, found)
    except BaseException:
        grafted.delete_adapter(called)
        grafted.active = before
        raise
    return grafted


def _fill(adapter: nn.Module, tensors: dict[str, Tensor], folder: Path) -> None:
    """Put saved tensors in. Raises ``TowerError``: towers of one class may still have other modules inside; and
    ``RunFolderError`` for numbers that the adapter's do not hold."""
    own = adapter.state_dict()
    tensors = upgraded_of(adapter, tensors)
    here, there = ({name: tuple(one.shape) for name, one in found.items()} for found in (own, tensors))
    differences = sorted(name for name in here.keys() | there.keys() if here.get(name) != there.get(name))
    if differences:
        name = differences[0]
        raise TowerError(
            f"{folder / TENSORS} was trained in other layers: {len(differences)} tensors differ, first `{name}`: "
            f"{there.get(name, 'none')} there, {here.get(name, 'none')} here"
        )
    require_taken_whole(folder, tensors, own)
    adapter.load_state_dict(tensors)


def _config(grafted: GraftedTowers, name: str) -> AdapterConfig:
    placed = saved_facts(grafted, name)
    saved = GraftedAdapter(adapter=GraftedAdapter.FORMAT, version=__version__, name=name, **dict(placed))
    return AdapterConfig(base_model_name_or_path=None, revision=None, graftwork=saved)


def saved_facts(grafted: GraftedTowers, name: str) -> GraftFacts:
    """What must be known of an adapter to graft it in again: its spec, the towers, where it sits in them."""
    return GraftFacts(
        level="layers",
        spec=grafted.spec(name).model_dump(mode="json"),
        towers=_towers(grafted),
        meetings=[_meeting(one) for one in grafted.meetings(name)],
    )


def _without_head(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Of a pipeline's run, the adapter alone."""
    return {name.removeprefix("adapter."): one for name, one in tensors.items() if name.startswith("adapter.")}


def _towers(grafted: GraftedTowers) -> dict[str, TowerFacts]:
    return {name: _facts(tower) for name, tower in grafted.towers.items()}


def _facts(tower: Tower) -> TowerFacts:
    width = one_or_each(tower.widths)
    return TowerFacts(
        model=type(tower.model).__name__,
        blocks=len(tower.blocks),
        width=width if isinstance(width, int) else list(width),
        streams=list(tower.streams),
    )


def _meeting(meeting: Meeting) -> MeetingFacts:
    return MeetingFacts(stops=dict(meeting.stops), widths=dict(meeting.widths))


def _require_same_towers(grafted: GraftedTowers, trained: Mapping[str, TowerFacts], config: Path) -> None:
    here = _towers(grafted)
    differences = [
        f"{name}: {_said(trained.get(name))} there, {_said(here.get(name))} here"
        for name in sorted(here.keys() | trained.keys())
        if here.get(name) != trained.get(name)
    ]
    if differences:
        raise TowerError(f"{config} is of other towers:\n  " + "\n  ".join(differences))


def _said(tower: TowerFacts | None) -> str:
    return f"{tower.model} of {blocks_in_words(tower.blocks, tower.width)}" if tower else "no such tower"
