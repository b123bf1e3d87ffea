"""What a component is known as: two processes that know one alike compute alike with it."""

from __future__ import annotations

from collections.abc import Iterable

from ....registry.catalogue import Catalogue
from ....registry.component import Component
from ...spec.components_in import components_tried
from ...spec.pipeline_spec import PipelineSpec


def known_as(catalogue: Catalogue, components: Iterable[Component] | None = None) -> dict[str, str]:
    """Name to who brings it, where it stands, and which version it is; of all, or of these."""
    found = {}
    for one in catalogue if components is None else components:
        owner = catalogue.owner(one)
        of = f"{owner.distribution} {owner.version}, {one.spec.__module__}.{one.spec.__qualname__}, {one.build}"
        found[one.name] = f"{of}, {one.version}"
    return found


def used(specs: Iterable[PipelineSpec], catalogue: Catalogue) -> dict[str, str]:
    """The same of the components that pipelines are made of, those that their searches try included."""
    return known_as(catalogue, {one for spec in specs for one in components_tried(spec, catalogue)})


def unknown_in_words(names: Iterable[str]) -> str:
    """The note on components that another process does not know."""
    found = ", ".join(names)
    return f"one after another in this process: others do not know {found}, or know it otherwise; install its plugin"
