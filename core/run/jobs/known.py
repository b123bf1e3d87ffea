"""What a component is known as: two processes that know one alike compute alike with it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

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


def unknown_to(catalogue: Catalogue, components: Mapping[str, str]) -> list[str]:
    """Which of these, as another process knows them, this one does not know, or otherwise; and why, in words."""
    here = known_as(catalogue)
    return [
        f"{name}, {_why(what, here.get(name), catalogue)}"
        for name, what in sorted(components.items())
        if here.get(name) != what
    ]


def _why(what: str, here: str | None, catalogue: Catalogue) -> str:
    """As the process that asks says it: this one is there."""
    if here is not None:
        return f"which is `{what}` here and `{here}` there: it was changed, or is found elsewhere; start anew"
    for plugin in catalogue.plugins:
        if what.startswith(f"{plugin}, ") and (plugin.failure or plugin.left_out):
            left_out = f"is left out by {plugin.left_out}" if plugin.left_out else f"fails: {plugin.failure}"
            return f"whose plugin {plugin.name} {left_out} there"
    return "which no installed plugin brings: it is registered in this process alone; install its plugin"


def unknown_in_words(found: Iterable[str]) -> str:
    """The note on components that another process does not know, by what that one said of them."""
    return f"one after another in this process: others do not know {'; '.join(found)}"
