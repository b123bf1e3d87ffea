"""A component whose type alone is written: `"linear"` is `{"type": "linear"}`, wherever a component stands."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from graftwork import Pipeline
from graftwork.core.spec.pipeline_spec import PipelineSpec
from graftwork.registry.discovery import default_catalogue
from graftwork.registry.errors import SpecError
from graftwork.registry.schema import export_schema

from ...support.small_pipeline import catalogue

SHORT: dict[str, Any] = {
    "dataset": "few_digits",
    "encoder": {"type": "dual", "image": "pixels", "text": "pixels"},
    "adapter": "none",
    "task": {"head": "linear"},
    "trainer": {"optimizer": "sgd"},
    "reporters": ["jsonl"],
}


def full(value: Any) -> Any:
    """The same with every component as an object."""
    plain = {"head", "image", "text", "optimizer", "dataset", "adapter"}
    if isinstance(value, dict):
        return {k: {"type": v} if k in plain and isinstance(v, str) else full(v) for k, v in value.items()}
    return [{"type": one} if isinstance(one, str) else one for one in value] if isinstance(value, list) else value


def test_a_type_alone_stands_for_its_object_everywhere() -> None:
    """In slots, optional ones, lists of them and parts of components; a third party's, too. The full form is kept."""
    short, long = (Pipeline.from_dict(one, None, catalogue()).spec for one in (SHORT, full(SHORT)))
    assert short == long
    assert short.to_json()["task"]["head"]["type"] == "linear"
    assert short.to_json()["reporters"] == [{"type": "jsonl"}]


def test_settings_and_search_values_may_be_short_and_go_into_short_ones() -> None:
    """``--set task.head=linear``, ``--set task.head.scale=2`` where the head is short, and search values."""
    spec = Pipeline.from_dict(
        {**SHORT, "search": {"task.head": ["linear", "mlp"]}},
        {"task.head.scale": 2.0, "adapter": "bottleneck"},
        catalogue(),
    ).spec
    assert spec.to_json()["task"]["head"] == {"type": "linear", "init": "zero", "scale": 2.0}
    assert spec.adapter.type == "bottleneck"
    heard = Pipeline.from_dict(SHORT, {"reporters+": ["console"]}, catalogue()).spec.to_json()["reporters"]
    assert [one["type"] for one in heard] == ["jsonl", "console"]


@pytest.mark.parametrize(
    ("head", "kept"),
    [("linear", {"scale": 3.0}), ({"scale": 4.0}, {"scale": 4.0}), ("mlp", {"hidden": 256})],
)
def test_files_that_extend_merge_short_forms_as_full_ones(tmp_path: Path, head: Any, kept: dict[str, Any]) -> None:
    """A type that stays keeps the fields below it, another replaces them, and fields go over a type alone."""
    below = "linear" if isinstance(head, dict) else {"type": "linear", "scale": 3.0}
    (tmp_path / "base.json").write_text(json.dumps({**SHORT, "task": {"head": below}}))
    (tmp_path / "spec.json").write_text(json.dumps({"extends": "base.json", "task": {"head": head}}))
    found = Pipeline.from_file(tmp_path / "spec.json", None, catalogue()).spec.to_json()["task"]["head"]
    assert {**found, **kept} == found


def test_a_wrong_type_alone_is_named_at_its_place(tmp_path: Path) -> None:
    """With the nearest name; one that needs more says what."""
    file = tmp_path / "spec.json"
    file.write_text(json.dumps({**SHORT, "adapter": "bottlenek"}, indent=1))
    with pytest.raises(
        SpecError, match=r"spec\.json:8:13: \$\.adapter\.type: unknown adapter type.*did you mean `bottleneck`"
    ):
        Pipeline.from_file(file, None, catalogue())
    with pytest.raises(SpecError, match=r"\$\.dataset: `root` is missing"):
        Pipeline.from_dict({**SHORT, "dataset": "image_folder"}, None, catalogue())


@pytest.mark.parametrize(
    ("change", "valid"),
    [({}, True), ({"adapter": "bottlenek"}, False), ({"dataset": "image_folder"}, False), ({"adapter": 3}, False)],
)
def test_the_schema_says_the_same(change: dict[str, Any], valid: bool) -> None:
    """A string that names a type which needs nothing else; no other."""
    schema = export_schema(PipelineSpec, default_catalogue())
    value = {**SHORT, "dataset": "digits", "encoder": "open_clip", **change}
    assert jsonschema.Draft202012Validator(schema).is_valid(value) is valid
