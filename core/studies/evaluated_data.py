"""The data that a finished run is evaluated on: its own, or others of the same classes."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ...registry.catalogue import Catalogue
from ...registry.errors import Problem, SpecError, nearest
from ..data.found_files import find_files
from ..data.items import DataError, DatasetContent, Item, Masks, Target, some_of
from ..roles.specs import DatasetSpec
from ..spec.extends import read_composed
from ..spec.json_source import parse_json
from ..spec.load_spec import spec_from_dict
from ..spec.overrides import given_by, parse_set
from ..spec.pipeline_spec import PipelineSpec
from ..stages.list_tasks import OF_TASK, of_data_sets

#: A file, a folder, a section, settings; ``None``: the run's own data.
Data = str | Path | Mapping[str, Any] | Sequence[str | Path] | None
#: The name that stands for the items of all splits.
EVERY = "all"
_SETTING = re.compile(r"[A-Za-z_][\w.]*[+-]?=")


def spec_with(spec: PipelineSpec, given: Data) -> tuple[Mapping[str, Any], dict[str, Any]]:
    """The section `dataset` that ``given`` names, and what is set in it. Raises ``SpecError``."""
    own = spec.dataset.model_dump(mode="json")
    section: Mapping[str, Any] = own
    settings: dict[str, Any] = {}
    for one in [given] if given is None or isinstance(given, (str, Path, Mapping)) else given:
        if isinstance(one, str) and _SETTING.match(one):
            settings |= parse_set([f"dataset.{one}"])
        elif one is not None:
            section = _section(one, spec.dataset)
    return section, settings


def with_data(spec: PipelineSpec, given: Data, catalogue: Catalogue) -> PipelineSpec:
    """The pipeline on the data that are ``given``. Raises ``SpecError``."""
    section, settings = spec_with(spec, given)
    if len(section) == 1 and (kind := section.get("type")) not in (known := catalogue.types("dataset")):
        near = nearest(str(kind), known)
        hint = f"did you mean `{near}`?" if near else f"types are {', '.join(known)}"
        raise _wrong(f"{kind} is no file or folder here, and no type of data set; {hint}")
    with given_by("--dataset", "dataset."):
        return spec_from_dict({**spec.to_json(), "dataset": section}, settings, catalogue)


def _section(given: str | Path | Mapping[str, Any], dataset: DatasetSpec) -> Mapping[str, Any]:
    if isinstance(given, Mapping):
        return given
    own = dataset.model_dump(mode="json")
    text = os.fspath(given)
    if text.lstrip().startswith("{"):
        value = parse_json(text, "--dataset").value
    elif Path(text).is_dir():
        if "root" not in own:
            as_folder = json.dumps({"type": "image_folder", "root": text})
            raise _wrong(
                f"{text} is a folder, and the run's data set `{own['type']}` has none; say what it holds, as "
                f"'{as_folder}'"
            )
        return {**own, "root": text}
    elif Path(text).suffix.lower() != ".json" and Path(text).is_file() and (as_own := _as_own(Path(text), dataset)):
        return as_own
    elif Path(text).exists() or text.endswith(".json") or "/" in text:
        value = read_composed(Path(text)).value
    else:
        return {"type": text}
    section = value.get("dataset", value) if isinstance(value, dict) else value
    if not isinstance(section, dict) or "type" not in section:
        raise _wrong(f"{text} is neither a spec with a section `dataset` nor such a section (it lacks `type`)")
    return section


def _as_own(file: Path, dataset: DatasetSpec) -> Mapping[str, Any] | None:
    """A file of the same kind as the run's data, as `graftwork init` would read it."""
    reading = dataset.reading(find_files(file))
    return {"type": dataset.type, **reading.fields} if reading else None


def _wrong(why: str) -> SpecError:
    return SpecError([Problem(why, source="--dataset")])


def of_task(
    content: DatasetContent, spec: PipelineSpec, task: str, classes: Sequence[str], own: bool
) -> DatasetContent:
    """The items of one task: those of its classes, and where the data are the run's ``own``, of its data set."""
    place = {index: classes.index(name) for index, name in enumerate(content.class_names) if name in classes}
    prefix = task + OF_TASK if own and of_data_sets(spec) else ""
    splits = {
        split: tuple(
            replace(one, target=place[one.target])
            for one in items
            if isinstance(one.target, int) and one.target in place and one.id.startswith(prefix)
        )
        for split, items in content.splits.items()
    }
    return replace(content, splits=splits, class_names=tuple(classes))


def fitting_items(
    content: DatasetContent, split: str, classes: Sequence[str], task: str | None = None
) -> tuple[list[Item], int, list[str]]:
    """The labelled items of a split, their targets in the order of ``classes``; how many are unlabelled; and what is
    to be noted, where they are not of one ``task`` alone. Raises ``DataError`` where there are none, and for a class
    that is none of ``classes``."""
    if not content.splits.get(split):
        there, near = ", ".join(content.splits), nearest(split, content.splits)
        hint = f"did you mean `{near}`?" if near else f"`--split {EVERY}` scores all"
        raise DataError(f"--split {split}: the data set has no such items; its splits are {there}; {hint}")
    if unknown := [name for name in content.class_names if classes and name not in classes]:
        raise DataError(
            f"{len(unknown)} of the {len(content.class_names)} classes of these data are none of the run's "
            f"{len(classes)}; evaluate on data of its classes:{some_of(list(map(repr, unknown)))}"
        )
    index = [classes.index(name) for name in content.class_names] if classes else []
    every = content.splits[split]
    items = [replace(one, target=_moved(one.target, index)) for one in every if _is_labelled(one.target)]
    if classes and not items:
        raise DataError(f"--split {split}: none of its {len(every)} items has a label to be held against")
    lacking = [name for name in classes if name not in content.class_names]
    few = f"these data lack {len(lacking)} of the run's {len(classes)} classes:{some_of(lacking)}"
    notes = [few] if lacking and task is None else []
    return items or list(every), len(every) - len(items or every), notes


def every_split(content: DatasetContent) -> DatasetContent:
    """The items of all splits as those of one, ``EVERY``; a split of that name that the data have stays."""
    if EVERY in content.splits:
        return content
    return replace(content, splits={EVERY: tuple(item for split in content.splits.values() for item in split)})


def _is_labelled(target: Target | None) -> bool:
    return target is not None and target != -1


def _moved(target: Target | None, index: Sequence[int]) -> Target | None:
    """Classes of the data as those of the run."""
    if target is None or isinstance(target, Masks) or not index:
        return target
    if isinstance(target, Mapping):
        return {index[one]: score for one, score in target.items()}
    if isinstance(target, tuple):
        return tuple(index[one] if one >= 0 else one for one in target)
    return index[target]
