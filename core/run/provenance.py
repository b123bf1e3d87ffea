"""What a run was made with, as it recorded, and where what is installed differs. Light."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ...registry.catalogue import Catalogue
from ...registry.component import Component
from ..spec.components_in import components_in
from ..spec.pipeline_spec import PipelineSpec
from ..storage.run_folder import read_json_file

Json = dict[str, Any]


def made_with(components: Iterable[Component], catalogue: Catalogue) -> Json:
    """The components and the plugins that they are of, as locks and adapter folders record them."""
    used = sorted(components, key=lambda one: one.name)
    owners = {owner.name: owner for owner in map(catalogue.owner, used)}
    return {
        "plugins": {
            name: {"distribution": one.distribution, "version": one.version} for name, one in sorted(owners.items())
        },
        "components": {one.name: one.implementation for one in used},
    }


def recorded(adapter: Path) -> Json:
    """What an adapter folder records, or the lock of the run that it stands in; empty where neither does."""
    facts: Json = read_json_file(adapter / "adapter_config.json").get("graftwork", {})
    return facts if "components" in facts else recorded_by_run(adapter.parent)


def recorded_by_run(run: Path) -> Json:
    """What the lock of a run folder records; empty where there is none."""
    lock = run / "lock.json"
    return read_json_file(lock) if lock.is_file() else {}


def predicting(spec: PipelineSpec, catalogue: Catalogue) -> set[Component]:
    """The components that a prediction comes from: not the data set, the trainer or the reporters."""
    return {*components_in((spec.encoder, spec.captioner, spec.graph, spec.adapter, spec.task), catalogue)}


def measuring(catalogue: Catalogue) -> set[Component]:
    """The installed components that a figure may come from: all but reporters."""
    return {one for one in catalogue if one.kind != "reporter"}


def changed(record: Mapping[str, Any], components: Iterable[Component], catalogue: Catalogue) -> str:
    """Those of ``components`` that are recorded with another implementation, in words; empty where none is."""
    return "; ".join(_changed(record.get("components", {}), components, catalogue))


def _changed(was: Mapping[str, Any], components: Iterable[Component], catalogue: Catalogue) -> Iterator[str]:
    for one in sorted(components, key=lambda one: one.name):
        if one.name in was and str(was[one.name]) != str(one.implementation):
            yield (
                f"{one.name} of {catalogue.owner(one)} was version {was[one.name]}, and is version {one.implementation}"
            )


def not_installed(record: Mapping[str, Any], catalogue: Catalogue) -> list[str]:
    """The plugins recorded that are not here, by distribution and version."""
    here = {plugin.distribution for plugin in catalogue.plugins}
    plugins: Iterable[Mapping[str, str]] = record.get("plugins", {}).values()
    return [f"{one['distribution']} {one['version']}" for one in plugins if one["distribution"] not in here]
