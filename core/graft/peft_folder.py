"""Adapters of one model in the form of PEFT's folders, there and back."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from ...registry.catalogue import Catalogue
from ...registry.discovery import default_catalogue
from ...registry.errors import one_line
from ..roles.tower_adapter import TowerAdapter
from ..roles.tower_specs import TowerAdapterSpec
from ..storage.adapter_config import CONFIG, TENSORS
from ..storage.claim import claim, writing
from ..storage.run_folder import RunFolderError, read_json_file, write_json
from ..storage.tensors import read_tensors, require_taken_whole, write_tensors
from ..towers.errors import TowerError
from ..towers.tower import Tower
from .grafted import GraftedTowers
from .hub import fetched
from .peft_modules import blocks_of, in_model, left_at_start, modules_of, within_blocks
from .placed import builder

#: What PEFT puts before every path, and what a folder of its consists of.
_BEFORE, _FILES = "base_model.model.", (CONFIG, TENSORS)


def save_peft(grafted: GraftedTowers, folder: str | Path, name: str | None = None, tower: str | None = None) -> Path:
    """Save the adapter ``name`` (default: the active one) of one tower into a new folder, as PEFT does.

    ``PeftModel.from_pretrained(model, folder)`` reads it, ``model`` being one like the tower's. Raises ``TowerError``
    for an adapter that PEFT has not (LoRA it has), and without ``tower`` where it sits in several.
    """
    chosen, target = name or grafted.active, Path(folder)
    if chosen is None or chosen not in grafted.adapters:
        raise TowerError(f"there is no adapter to save; there are: {', '.join(grafted.adapters) or 'none'}")
    adapter = grafted.adapters[chosen]
    if not isinstance(adapter, TowerAdapter):
        raise TowerError(f"adapter `{grafted.spec(chosen).type}` is none of PEFT's: its updates come of several models")
    one = tower_of(grafted, tower, "save_peft", adapter.sites())
    names, blocks, state = adapter.peft_names(one.name), blocks_of(one), adapter.state_dict()
    tensors = {in_model(theirs, blocks): state[ours] for ours, theirs in names.items()}
    if target.exists():
        raise RunFolderError(f"{target} exists already; name another folder, or remove it first")
    with writing(claim(target)) as partial:
        write_tensors(partial / TENSORS, {_BEFORE + path: tensor for path, tensor in tensors.items()})
        write_json(partial / CONFIG, _config(grafted.spec(chosen), one.model, modules_of(tensors)))
    return target


def load_peft(
    grafted: GraftedTowers,
    folder: str | Path,
    name: str = "default",
    catalogue: Catalogue | None = None,
    revision: str | None = None,
    tower: str | None = None,
) -> GraftedTowers:
    """Graft an adapter that PEFT saved into a model like the one it was trained in; it becomes active.

    ``folder`` may be a hub id; ``tower`` says which of several towers it goes into: the others run as they are. Raises
    ``TowerError`` that names the modules or shapes of another model, or what of the adapter is not ours, or that its
    file lacks; ``RunFolderError`` for files that cannot be read. Nothing is grafted then. Warns where it sits in some
    of the blocks alone, and nothing tells whether that is meant.
    """
    one = tower_of(grafted, tower, "load_peft")
    found, catalogue = fetched(folder, revision, _FILES), catalogue or default_catalogue()
    config = read_json_file(found / CONFIG)
    kind = _spec_class(config.get("peft_type"), found / CONFIG, catalogue)
    if not (found / TENSORS).is_file():
        raise RunFolderError(f"{found / TENSORS} is missing; a pickle (.bin) is not read: save it anew as safetensors")
    tensors = {path.removeprefix(_BEFORE): tensor for path, tensor in sorted(read_tensors(found / TENSORS).items())}
    if not tensors:
        raise RunFolderError(f"{found / TENSORS} holds no tensors")
    try:
        kind.of_peft(config, modules_of(tensors))  # what it is comes before where it sits
        within = within_blocks(one, tensors, found)
        spec = kind.of_peft(config, modules_of(within))
        if len(grafted.towers) > 1:
            spec = spec.in_tower(one.name)
    except ValueError as error:
        raise TowerError(one_line(f"{found / CONFIG}: {error}")) from None
    left = left_at_start(one, modules_of(tensors), config, found)
    before = grafted.active
    grafted.add_adapter(name, spec, builder(catalogue))
    try:
        _fill(grafted.adapters[name], one, within, found)
    except BaseException:
        grafted.delete_adapter(name)
        grafted.active = before
        raise
    if left:
        warnings.warn(left, stacklevel=2)
    return grafted


def tower_of(grafted: GraftedTowers, name: str | None, verb: str, sites: Sequence[str] = ()) -> Tower:
    """The one that is meant, of those that an adapter with ``sites`` sits in. Raises ``TowerError``."""
    entered = [tower for tower in grafted.towers.values() if tower.blocks]
    if name is not None and name not in [tower.name for tower in entered]:
        why = "has no blocks to enter" if name in grafted.towers else "is no tower"
        raise TowerError(f"`{name}` {why} here; those with blocks are {_names(entered)}")
    adapted = [tower for tower in entered if not sites or any(site.startswith(f"{tower.name}.") for site in sites)]
    chosen = [tower for tower in adapted if name in (None, tower.name)]
    if not chosen:
        raise TowerError(f"the adapter does not sit in tower `{name}`; it sits in {_names(adapted) or 'none'}")
    if len(chosen) > 1:
        raise TowerError(
            f"an adapter of PEFT is of one model, and here are {_names(chosen)}: say which, as "
            f'{verb}(…, tower="{chosen[0].name}")'
        )
    return chosen[0]


def _names(towers: Sequence[Tower]) -> str:
    return ", ".join(tower.name for tower in towers)


def _spec_class(peft_type: Any, config: Path, catalogue: Catalogue) -> type[TowerAdapterSpec]:
    kinds = [catalogue.find("adapter", type_).ready_spec() for type_ in catalogue.types("adapter")]
    theirs = [kind for kind in kinds if issubclass(kind, TowerAdapterSpec) and kind.PEFT_TYPE]
    if found := next((kind for kind in theirs if peft_type == kind.PEFT_TYPE), None):
        return found
    own = "; this is Graftwork's own, which load_adapter reads" if peft_type == "GRAFTWORK" else ""
    known = ", ".join(str(kind.PEFT_TYPE) for kind in theirs)
    raise TowerError(one_line(f"{config}: `peft_type` is {peft_type!r}, and what is read here is {known}{own}"))


def _config(spec: TowerAdapterSpec, model: nn.Module, modules: Sequence[str]) -> dict[str, Any]:
    of_model = {"base_model_name_or_path": getattr(model, "name_or_path", None) or None, "revision": None}
    return {
        "peft_type": spec.PEFT_TYPE,
        "task_type": None,
        **of_model,
        "inference_mode": True,
        **spec.to_peft(),
        "target_modules": list(modules),
    }


def _fill(adapter: nn.Module, tower: Tower, tensors: Mapping[str, Tensor], folder: Path) -> None:
    assert isinstance(adapter, TowerAdapter)
    own, blocks = adapter.state_dict(), blocks_of(tower)
    names = adapter.peft_names(tower.name)
    here = {theirs: tuple(own[ours].shape) for ours, theirs in names.items()}
    given = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    if differing := sorted(name for name in here.keys() | given.keys() if here.get(name) != given.get(name)):
        first = differing[0]
        raise TowerError(
            f"{folder / TENSORS} is of another model: {len(differing)} of {len(given)} tensors differ, first "
            f"`{in_model(first, blocks)}`: {given.get(first, 'none')} there, {here.get(first, 'none')} here"
        )
    taken = {ours: tensors[theirs] for ours, theirs in names.items()}
    require_taken_whole(folder, taken, own)
    adapter.load_state_dict(taken)
