"""What a run was made with, as it recorded, and where what is installed differs. Light."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from ...registry import __version__
from ...registry.catalogue import Catalogue, Plugin
from ...registry.component import Component
from ..spec.components_in import components_in
from ..spec.pipeline_spec import PipelineSpec
from ..storage.adapter_config import Trained
from ..storage.files import sha256_of
from ..storage.made_with import Installed, MadeWith
from ..storage.manifest import MANIFEST, adapter_folder
from ..storage.record import Json
from .lock import Lock


def made_with(
    components: Iterable[Component], catalogue: Catalogue
) -> tuple[dict[str, Installed], dict[str, int | str]]:
    """The plugins that components are of, and the components, as locks and adapter folders record them."""
    used = sorted(components, key=lambda one: one.name)
    owners = {owner.name: owner for owner in map(catalogue.owner, used)}
    plugins = {name: installed(one) for name, one in sorted(owners.items())}
    return plugins, {one.name: one.implementation for one in used}


def code_of(spec: PipelineSpec, catalogue: Catalogue) -> Json:
    """What the numbers of a pipeline depend on beside spec, data and weights: code, and the run it starts from."""
    start = spec.trainer.start_from
    used = sorted(set(components_in(spec, catalogue)), key=lambda one: one.name)
    return {
        "graftwork": __version__,
        "components": {one.name: one.implementation for one in used},
        "start": sha256_of(adapter_folder(Path(start)) / MANIFEST) if start else None,
    }


def installed(plugin: Plugin) -> Installed:
    """A plugin as locks and adapter folders record it."""
    return Installed(distribution=plugin.distribution, version=plugin.version)


def recorded(adapter: Path) -> MadeWith | None:
    """What an adapter folder records, or the lock of the run that it stands in; ``None`` where neither does."""
    facts = Trained.in_folder(adapter)
    return facts if facts.components is not None else recorded_by_run(adapter.parent)


def recorded_by_run(run: Path) -> MadeWith | None:
    """What the lock of a run folder records; ``None`` where there is none."""
    lock = run / "lock.json"
    return Lock.read(lock) if lock.is_file() else None


def predicting(spec: PipelineSpec, catalogue: Catalogue) -> set[Component]:
    """The components that a prediction comes from: not the data set, the trainer or the reporters."""
    return {*components_in((spec.encoder, spec.captioner, spec.graph, spec.adapter, spec.task), catalogue)}


def measuring(catalogue: Catalogue) -> set[Component]:
    """The installed components that a figure may come from: all but reporters."""
    return {one for one in catalogue if one.kind != "reporter"}


def changed(record: MadeWith | None, components: Iterable[Component], catalogue: Catalogue) -> str:
    """Those of ``components`` that are recorded with another implementation, in words; empty where none is."""
    return "; ".join(_changed(record.components or {}, components, catalogue)) if record else ""


def _changed(was: Mapping[str, int | str], components: Iterable[Component], catalogue: Catalogue) -> Iterator[str]:
    for one in sorted(components, key=lambda one: one.name):
        if one.name in was and str(was[one.name]) != str(one.implementation):
            yield (
                f"{one.name} of {catalogue.owner(one)} was version {was[one.name]}, and is version {one.implementation}"
            )


def not_installed(record: MadeWith | None, catalogue: Catalogue) -> list[str]:
    """The plugins recorded that are not here, by distribution and version."""
    here = {plugin.distribution for plugin in catalogue.plugins}
    plugins = record.plugins.values() if record else ()
    return [f"{one.distribution} {one.version}" for one in plugins if one.distribution not in here]
