"""Suites of tuned methods, run on the data and the encoder of one spec: as data, from whichever plugin.

A suite is a JSON object: ``about`` in words, ``against``, the method that the others are paired with, ``base``, what
all its methods share of a spec, and ``methods``. A method has a ``spec``, what it changes of that, and its ``search``.
Where the spec's items can be compared with the names of the classes, ``named`` is merged over ``spec``, and
``named_search`` stands in the place of ``search``; without ``search`` there is no such method elsewhere. ``alone``
names the method that it is the same as where items have one modality: it is left out beside that one. A pipeline that
has no split to choose on keeps the values of ``spec``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...registry.catalogue import Catalogue
from ...registry.errors import Problem, SpecError, UserError, nearest
from ...registry.hooks import Hooks
from ..data.items import DataError
from ..layers.plan import tower_modalities
from ..spec.extends import merged_values
from ..spec.json_source import read_json
from ..spec.load_spec import spec_from_dict
from ..spec.node_kinds import modalities_of, nodes_of
from ..spec.pipeline_spec import PipelineSpec
from ..stages.context import RunContext
from ..stages.list_items import listed_for
from ..storage.root import store_root

#: What a method takes of the spec whose data it is tried on; the graph, too, where there is one.
_TAKEN = ("version", "seed", "device", "dataset", "captioner", "encoder", "evaluation")


@dataclass(frozen=True, slots=True)
class Suite:
    """Methods that are tuned alike."""

    name: str
    about: str
    against: str | None
    base: Mapping[str, Any]
    methods: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Tried:
    """The methods that were asked for, on one spec."""

    specs: tuple[PipelineSpec, ...]
    #: Those that its data or encoder cannot have: name to reason.
    left_out: Mapping[str, str]
    #: The one that the others are paired with.
    against: str | None


def suites(catalogue: Catalogue) -> dict[str, Suite]:
    """All that plugins bring, by name. Raises ``UserError`` for a name that stands twice, and for a file that is no
    suite."""
    found: dict[str, Suite] = {}
    for plugin, name, path in Hooks(catalogue.plugins).suites():
        if name in found:
            raise UserError(f"suite `{name}` of plugin {plugin} is there already; --plugins-block leaves one out")
        found[name] = _read(name, path)
    return found


def methods_on(
    spec: PipelineSpec, names: Sequence[str], catalogue: Catalogue, store: str | Path | None = None
) -> Tried:
    """The methods of these suites, or of these names, on the data and the encoder of ``spec``, in order.

    Raises ``UserError`` for a name that there is not, and where none of the methods can be had.
    """
    context = RunContext(catalogue, store_root(store))
    known = suites(catalogue)
    specs: dict[str, PipelineSpec] = {}
    left_out: dict[str, str] = {}
    against: list[str | None] = []
    asked = dict.fromkeys((suite.name, method) for suite, method in _asked(names, known))
    for suite, method in ((known[name], method) for name, method in asked):
        try:
            value = _pipeline(spec, suite, method)
            if value is None:
                left_out.setdefault(method, _UNNAMED)
                continue
            made = spec_from_dict(value, catalogue=catalogue)
            same = suite.methods[method].get("alone")
            if (suite.name, same) in asked and (modality := _only_modality(made, context)):
                left_out.setdefault(method, f"with {modality} alone it is the same as {same}")
                continue
            specs.setdefault(method, made)
            against.append(suite.against)
        except SpecError as error:
            left_out.setdefault(method, error.problems[0].reason)
    if not specs:
        raise UserError(
            f"none of {', '.join(names)} can be tried: {'; '.join(f'{k}: {v}' for k, v in left_out.items())}"
        )
    first = next((one for one in against if one in specs), None)
    return Tried(tuple(specs.values()), left_out, first)


def _only_modality(spec: PipelineSpec, context: RunContext) -> str | None:
    """The one that goes through the towers; ``None`` where there are several, or nothing can tell."""
    if (can := spec.encoder.modalities()) is not None and len(can) == 1:
        return next(iter(can))
    try:
        found = tower_modalities(spec, listed_for(spec, context))
    except DataError:  # it is said where the methods are run
        return None
    return found[0] if len(found) == 1 else None


_UNNAMED = (
    "items and names of classes do not lie in one space here, so that names say nothing of items; encoder `open_clip`, "
    "a CLIP of `transformers` or `conse` puts pictures there, and texts of the items are there as well"
)


def _asked(names: Sequence[str], known: Mapping[str, Suite]) -> Iterator[tuple[Suite, str]]:
    """Suite and method, each suite in its own order."""
    of_method = {method: suite for suite in reversed(list(known.values())) for method in suite.methods}
    for name in names:
        if name in known:
            yield from ((known[name], method) for method in known[name].methods)
        elif name in of_method:
            yield of_method[name], name
        else:
            near = nearest(name, [*known, *of_method])
            hint = f"did you mean `{near}`?" if near else f"suites: {', '.join(known)}; methods: {', '.join(of_method)}"
            raise UserError(f"--methods: no suite or method is called `{name}`; {hint}")


def _pipeline(spec: PipelineSpec, suite: Suite, name: str) -> dict[str, Any] | None:
    """As JSON; ``None`` where the method needs names that say something of items."""
    method, whole = suite.methods[name], spec.to_json()
    blend = _blend(spec)
    if blend is None and "search" not in method:
        return None
    value: dict[str, Any] = {key: whole[key] for key in _TAKEN if whole.get(key) is not None}
    graph = whole.get("graph") or {"nodes": nodes_of(spec)}
    if "graph" in suite.base or whole.get("graph"):
        value["graph"] = merged_values(suite.base.get("graph", {}), graph)
    value = merged_values(
        merged_values(value, {key: one for key, one in suite.base.items() if key != "graph"}), method.get("spec", {})
    )
    if blend is not None:
        if "named_search" in method:
            value = merged_values(value, {"task": {"blend": blend}})
        value = merged_values(value, method.get("named", {}))
    search = method.get("named_search", method.get("search", {})) if blend else method["search"]
    searched = {"search": search} if search and spec.evaluation.select_on != "none" else {}
    return {**{key: one for key, one in value.items() if one is not None}, **searched, "name": name}


def _blend(spec: PipelineSpec) -> dict[str, Any] | None:
    """What of an item the names of classes are compared with; ``None``: nothing of it lies in one space with them."""
    can = spec.encoder.modalities()
    if can is not None and "text" not in can:
        return None
    if spec.encoder.shares_space():
        return {"value": 0.1, "by": "nodes"}
    return {"value": 0.1, "by": "text"} if "text" in modalities_of(spec) else None


def _read(name: str, path: Path) -> Suite:
    value = read_json(path, str(path)).value
    try:
        return Suite(name, value["about"], value.get("against"), value["base"], value["methods"])
    except (TypeError, KeyError, AttributeError):
        hint = "it has `about`, `base` and `methods`"
        raise SpecError([Problem("no suite of methods", (), hint, str(path), 1, 1)]) from None
