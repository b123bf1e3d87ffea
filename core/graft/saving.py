"""Adapters inside towers, on disk: PEFT's layout, no weight of a frozen model, whole or refused."""

from __future__ import annotations

import contextlib
import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor, nn

from ...registry import __version__
from ...registry.catalogue import Catalogue
from ...registry.discovery import default_catalogue
from ...registry.errors import one_line
from ..roles.layer_adapter import parameter_name, upgraded_of
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
from .peft_folder import tower_of
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
    tower: str | None = None,
) -> GraftedTowers:
    """Graft a saved adapter into towers like those it was trained in; it becomes active.

    ``name`` is by default the one under which it was saved, ``default`` for that of a run.
    ``folder`` may be a run of a pipeline, whose head is left behind, or a hub id (OWNER/NAME), ``revision`` then a
    branch, tag or commit. ``tower``: that one here alone is adapted, with what was trained in the tower of that name,
    or in the only one; other towers, here and there, do not matter. So it goes where the adapter's towers do not meet,
    as those of ``lora``. Raises ``RunFolderError`` for a folder that is incomplete or altered, ``HubError`` for one
    that cannot be fetched, ``TowerError`` for towers it does not fit; nothing is grafted then.
    """
    found = adapter_folder(fetched(folder, revision))
    about = saved_in(found)
    if isinstance(about, FeatureAdapter) or about.spec is None:
        raise RunFolderError(f"{found / CONFIG} is of no adapter for layers; graftwork.load() reads those for features")
    catalogue = catalogue or default_catalogue()
    spec = component_in(found, "spec", "adapter", TowerAdapterSpec, about.spec, catalogue)
    before, called = grafted.active, name or (isinstance(about, GraftedAdapter) and about.name) or "default"
    tensors = read_tensors(found / TENSORS)
    if isinstance(about, LayerAdapter):
        tensors = _without_head(tensors)
    if tower is None:
        _require_same_towers(grafted, about.towers or {}, found / CONFIG, spec)
    else:
        here = tower_of(grafted, tower, "load_adapter")
        spec = _in_tower(spec, tower, found / CONFIG)
        tensors = _of_tower(here, about.towers or {}, tensors, found / CONFIG)
    with no_larger_than(found, tensors):
        grafted.add_adapter(called, spec, builder(catalogue))
    try:
        if [_meeting(one) for one in grafted.meetings(called)] != about.meetings:
            raise TowerError(f"{found / CONFIG} is of other blocks than its spec names here; it does not fit")
        _fill(grafted.adapters[called], tensors, found)
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


def _shape(tower: TowerFacts) -> TowerFacts:
    """What is the same whatever a tower is called."""
    return tower.model_copy(update={"streams": ()})


def _meeting(meeting: Meeting) -> MeetingFacts:
    return MeetingFacts(stops=dict(meeting.stops), widths=dict(meeting.widths))


def _in_tower(spec: TowerAdapterSpec, tower: str, config: Path) -> TowerAdapterSpec:
    try:
        return spec.in_tower(tower)
    except ValueError as error:
        raise TowerError(one_line(f"{config}: {error}")) from None


def _of_tower(
    here: Tower, trained: Mapping[str, TowerFacts], tensors: Mapping[str, Tensor], config: Path
) -> dict[str, Tensor]:
    """What was trained in the tower of that name, or in the only one, called as ``here`` calls it. Raises
    ``TowerError`` where there is none, or one of another kind."""
    before = {name: parameter_name(name, "") for name in sorted(trained, key=len, reverse=True)}
    parts: dict[str, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        for there, prefix in before.items():
            if (found := f".{name}".partition(f".{prefix}"))[1]:
                renamed = f"{found[0]}.{parameter_name(here.name, '')}{found[2]}".removeprefix(".")
                parts.setdefault(there, {})[renamed] = tensor
                break
    only = next(iter(parts)) if len(parts) == 1 else None
    source = here.name if here.name in parts else only
    if source is None:
        raise TowerError(
            f"{config} has nothing for a tower `{here.name}`; it sits in {', '.join(sorted(parts)) or 'none'}: call "
            "the tower here as one of those"
        )
    own = _facts(here)
    if _shape(trained[source]) != _shape(own):
        raise TowerError(
            f"{config} is of another tower: {source}: {_said(trained[source])} there, {here.name}: {_said(own)} here"
        )
    return parts[source]


def _require_same_towers(
    grafted: GraftedTowers, trained: Mapping[str, TowerFacts], config: Path, spec: TowerAdapterSpec
) -> None:
    here = _towers(grafted)
    differences = [
        f"{name}: {_said(trained.get(name))} there, {_said(here.get(name))} here"
        for name in sorted(here.keys() | trained.keys())
        if here.get(name) != trained.get(name)
    ]
    if differences:
        shapes = [_shape(one) for one in trained.values()]
        if fitting := [name for name, tower in here.items() if tower.blocks and _shape(tower) in shapes]:
            with contextlib.suppress(ValueError):  # one whose towers meet
                spec.in_tower(fitting[0])
                differences.append(f'load_adapter(…, tower="{fitting[0]}") reads what is of one tower')
        raise TowerError(f"{config} is of other towers:\n  " + "\n  ".join(differences))


def _said(tower: TowerFacts | None) -> str:
    return f"{tower.model} of {blocks_in_words(tower.blocks, tower.width)}" if tower else "no such tower"
