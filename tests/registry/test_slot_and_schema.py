"""Slots: components of any origin validate in place; the exported schema accepts what validation accepts.

The built-in schema is pinned in ``golden/schema.json``. After an intended change:

    GRAFTWORK_REGENERATE=1 .venv/bin/pytest tests/registry/test_slot_and_schema.py -k golden
"""

from __future__ import annotations

import copy
import json
import os
from typing import Annotated, Any, Literal

import jsonschema
import pytest
from pydantic import Field, ValidationError

from graftwork import Pipeline, SpecError
from graftwork.core.roles import AdapterSpec, GraphSpec
from graftwork.core.spec.load_spec import load_spec, spec_from_dict
from graftwork.core.spec.pipeline_spec import EvaluationSpec, PipelineSpec, TrainerSpec
from graftwork.plugins.adapters import BottleneckSpec, GANetSpec
from graftwork.plugins.datasets import DigitsSpec
from graftwork.plugins.encoders import OpenClipSpec
from graftwork.plugins.graphs import SimilaritySpec
from graftwork.plugins.heads import LinearSpec
from graftwork.plugins.reporters import JsonlSpec
from graftwork.plugins.tasks import ClassificationSpec
from graftwork.registry.catalogue import Catalogue, Plugin
from graftwork.registry.component import Component
from graftwork.registry.discovery import default_catalogue
from graftwork.registry.schema import SchemaError, export_schema
from graftwork.registry.slot import Slot
from graftwork.registry.spec import Items, Spec

from ..support.paths import GOLDEN as GOLDEN_FOLDER

GOLDEN = GOLDEN_FOLDER / "schema.json"


class ExpertSpec(Spec):
    rank: Annotated[int, Field(ge=1)]
    """Rank."""


class MixtureSpec(AdapterSpec):
    """A third party's adapter: nested adapters, a list of them, plain nested specs, and a union."""

    type: Literal["mixture"] = "mixture"
    inner: Annotated[AdapterSpec, Slot("adapter")] | None = None
    """One adapter."""
    members: Items[Annotated[AdapterSpec, Slot("adapter")]] = ()
    """Many adapters."""
    experts: Items[ExpertSpec] = ()
    """Plain specs."""
    width: int | Literal["auto"] = "auto"
    """A number, or a word."""


class LateSpec(AdapterSpec):
    type: Literal["late"] = "late"


MIXTURE = Component("adapter", "mixture", MixtureSpec, "json:loads", "adapters inside an adapter")
LATE = Component("adapter", "late", LateSpec, "json:loads", "registered after the models were made")


def with_plugins(*components: Component) -> Catalogue:
    """The built-ins and a third party's components."""
    return Catalogue([*default_catalogue().plugins, Plugin("acme", "acme-adapters", "1.2", components=components)])


def pipeline(**sections: Any) -> dict[str, Any]:
    """A valid pipeline with other sections."""
    return {
        "dataset": {"type": "digits"},
        "encoder": {"type": "open_clip"},
        "adapter": {"type": "bottleneck"},
        **sections,
    }


FULL = pipeline(
    version=1,
    name="everything",
    seed=3,
    device="cpu",
    dataset={"type": "digits", "shots": 4},
    encoder={"type": "open_clip", "batch_size": 8, "templates": ["a {}", "the digit {}"], "image_size": 32},
    graph={"type": "similarity", "threshold": 0.5, "max_degree": 8, "nodes": "image"},
    adapter={"type": "ga_net", "bottleneck": 8, "norm": "sym"},
    task={"type": "classification", "head": {"type": "linear", "init": "prompts"}, "label_smoothing": 0.1},
    regularizers=[{"type": "ewc", "strength": 2.0, "anchor": "init"}],
    trainer={"epochs": 3, "optimizer": {"type": "sgd", "lr": 0.5, "momentum": 0.0}, "keep": "last"},
    evaluation={"seeds": [0, 1], "select_on": "val"},
    search={"graph.threshold": [0.4, 0.5], "adapter.bottleneck": [4]},
    reporters=[{"type": "jsonl"}],
)


def problems(value: dict[str, Any], catalogue: Catalogue | None = None) -> list[tuple[str, str]]:
    """JSON path and reason of everything wrong."""
    with pytest.raises(SpecError) as error:
        spec_from_dict(value, catalogue=catalogue)
    return [(problem.json_path, problem.reason) for problem in error.value.problems]


def test_slot_locates_an_error_at_the_json_path():
    """No name of a model or a union stands in the path, only keys and indices."""
    assert problems(pipeline(task={"type": "classification", "head": {"type": "linear", "scale": -1}})) == [
        ("$.task.head.scale", "input should be greater than 0, not -1")
    ]


def test_slot_in_a_list_locates_an_error_by_index():
    """Every broken element is named, by its place."""
    reporters = [{"type": "console"}, {"type": "jsonl", "table": True}, {"type": "morse"}]
    assert problems(pipeline(reporters=reporters)) == [
        ("$.reporters[1].table", "unknown key `table`"),
        ("$.reporters[2].type", "unknown reporter type `morse`"),
    ]


def test_third_party_type_stands_beside_the_built_ins():
    """A component of a plugin validates in the same section, and gives its own class."""
    spec = spec_from_dict(pipeline(adapter={"type": "mixture", "width": 3}), catalogue=with_plugins(MIXTURE))
    assert spec.adapter == MixtureSpec(width=3)


def test_nested_third_party_slots_recurse_with_exact_locations():
    """Adapters inside adapters, to any depth, each checked as what its `type` says."""
    adapter = {
        "type": "mixture",
        "inner": {"type": "mixture", "members": [{"type": "none"}, {"type": "ga_net", "layers": 99}]},
        "experts": [{"rank": 1}, {"rank": 0}, {"rnk": 1}],
    }
    assert problems(pipeline(adapter=adapter), with_plugins(MIXTURE)) == [
        ("$.adapter.inner.members[1].layers", "input should be less than or equal to 8, not 99"),
        ("$.adapter.experts[1].rank", "input should be greater than or equal to 1, not 0"),
        ("$.adapter.experts[2]", "`rank` is missing"),
        ("$.adapter.experts[2].rnk", "unknown key `rnk`"),
    ]


def test_union_in_a_third_party_spec_leaves_no_trace_in_the_path():
    """pydantic locates the tried members of a union; the JSON path holds only what the JSON holds."""
    paths = {path for path, _ in problems(pipeline(adapter={"type": "mixture", "width": []}), with_plugins(MIXTURE))}
    assert paths == {"$.adapter.width"}


def test_stray_key_in_a_nested_third_party_spec_gets_the_nearest_name():
    """Hints follow slots, lists and plain models down to the object at hand."""
    adapter = {"type": "mixture", "members": [{"type": "ga_net", "bottelneck": 3}], "experts": [{"rank": 1, "rnak": 2}]}
    with pytest.raises(SpecError) as error:
        spec_from_dict(pipeline(adapter=adapter), catalogue=with_plugins(MIXTURE))
    assert [problem.hint for problem in error.value.problems] == [
        "did you mean `bottleneck`?",
        "did you mean `rank`?",
    ]


def test_late_registered_type_needs_no_rebuilt_model():
    """A catalogue made after validation first ran is used from then on; the old one still refuses."""
    spec_from_dict(pipeline())
    assert spec_from_dict(pipeline(adapter={"type": "late"}), catalogue=with_plugins(LATE)).adapter == LateSpec()
    assert problems(pipeline(adapter={"type": "late"}))[0][0] == "$.adapter.type"


def test_instance_of_a_component_spec_is_taken_as_it_is():
    """A section may be a Python object."""
    adapter = BottleneckSpec(bottleneck=5)
    assert spec_from_dict(pipeline(adapter=adapter)).adapter == adapter


def test_instance_of_another_kind_is_refused_with_its_kind():
    """A head in the adapter's place is said to be a head."""
    assert problems(pipeline(adapter=LinearSpec())) == [("$.adapter", "`linear` is of kind head, not adapter")]


def test_instance_of_no_component_is_a_problem_at_its_place():
    """A spec class that no plugin declares is an error of the spec, located like any other."""
    assert problems(pipeline(adapter=LateSpec())) == [("$.adapter", "LateSpec belongs to no installed component")]


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (3, "expected an object whose `type` names the adapter, or that name, not 3"),
        (None, "expected an object whose `type` names the adapter, or that name"),
        ([], "expected an object whose `type` names the adapter, or that name"),
        ({}, "`type` is missing: it names the adapter"),
        ({"type": None}, "`type` is missing: it names the adapter"),
    ],
)
def test_slot_says_what_it_expects(given, reason):
    """Whatever is no object with a type is told what an adapter looks like."""
    assert problems(pipeline(adapter=given))[0][1] == reason


def test_type_that_is_no_string_is_located_at_the_type():
    """A number under `type` is an error there."""
    assert problems(pipeline(adapter={"type": 3})) == [
        ("$.adapter.type", "`type` must be a string: it names the adapter, not 3")
    ]


def test_json_to_spec_to_json_is_a_fixed_point():
    """A spec written back and read again is the same spec, defaults filled in."""
    once = spec_from_dict(FULL)
    again = json.loads(json.dumps(once.to_json()))
    assert spec_from_dict(again) == once
    assert spec_from_dict(again).to_json() == again


def test_json_to_spec_keeps_every_value_that_was_given():
    """Nothing that the user wrote is changed or lost on the way."""

    def holds(part: Any, whole: Any) -> bool:
        if isinstance(part, dict):
            return all(holds(value, whole[key]) for key, value in part.items())
        if isinstance(part, list):
            return len(part) == len(whole) and all(map(holds, part, whole))
        return part == whole

    assert holds(FULL, spec_from_dict(FULL).to_json())


def test_json_file_and_python_objects_say_the_same(tmp_path):
    """One pipeline, written as a file, as a dictionary and as objects, is one spec."""
    (tmp_path / "spec.json").write_text(json.dumps(FULL))
    objects = PipelineSpec(
        name="everything",
        seed=3,
        device="cpu",
        dataset=DigitsSpec(shots=4),
        encoder=OpenClipSpec(batch_size=8, templates=["a {}", "the digit {}"], image_size=32),
        graph=SimilaritySpec(threshold=0.5, max_degree=8, nodes="image"),
        adapter=GANetSpec(bottleneck=8, norm="sym"),
        task=ClassificationSpec(head=LinearSpec(init="prompts"), label_smoothing=0.1),
        regularizers=[{"type": "ewc", "strength": 2.0, "anchor": "init"}],
        trainer=TrainerSpec(epochs=3, optimizer={"type": "sgd", "lr": 0.5, "momentum": 0.0}, keep="last"),
        evaluation=EvaluationSpec(seeds=[0, 1]),
        search={"graph.threshold": [0.4, 0.5], "adapter.bottleneck": [4]},
        reporters=[JsonlSpec()],
    )
    from_file = load_spec(tmp_path / "spec.json")
    assert from_file == spec_from_dict(FULL) == Pipeline(objects).spec
    assert from_file.to_json() == objects.to_json()


def test_spec_is_immutable():
    """What was validated stays as it was."""
    with pytest.raises(ValidationError, match="frozen"):
        spec_from_dict(pipeline()).adapter.bottleneck = 3


def test_validation_does_not_change_what_it_was_given():
    """Overrides and defaults go into a copy."""
    given = copy.deepcopy(FULL)
    spec_from_dict(given, {"graph.threshold": 0.9, "trainer.keep": "best"})
    assert given == FULL


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    """Of the built-ins alone, whatever else is installed here."""
    return export_schema(PipelineSpec, Catalogue(one for one in default_catalogue().plugins if one.name == "builtin"))


@pytest.fixture(scope="module")
def editor(schema) -> jsonschema.Draft202012Validator:
    """What an editor makes of the schema."""
    return jsonschema.Draft202012Validator(schema)


def test_schema_is_valid_and_complete(schema):
    """It is a JSON Schema of 2020-12, and every reference in it leads somewhere."""
    jsonschema.Draft202012Validator.check_schema(schema)

    def references(node: Any) -> list[str]:
        if isinstance(node, list):
            return [ref for part in node for ref in references(part)]
        if not isinstance(node, dict):
            return []
        own = [node["$ref"]] if isinstance(node.get("$ref"), str) else []
        return own + [ref for part in node.values() for ref in references(part)]

    assert {ref.removeprefix("#/$defs/") for ref in references(schema)} <= set(schema["$defs"])
    assert "x-slot" not in json.dumps(schema)


def test_schema_matches_the_golden_file(schema):
    """The built-in schema changes only on purpose (see the top of this file)."""
    if os.environ.get("GRAFTWORK_REGENERATE"):
        GOLDEN.write_text(json.dumps(schema, indent=1, sort_keys=True, ensure_ascii=False) + "\n", "utf-8")
    assert schema == json.loads(GOLDEN.read_text("utf-8"))


@pytest.mark.parametrize("value", [FULL, pipeline(), {**FULL, "$schema": "./graftwork.schema.json"}])
def test_schema_accepts_what_validation_accepts(editor, value):
    """A valid pipeline has no red line in the editor, as written and with all defaults filled in."""
    assert list(editor.iter_errors(value)) == []
    assert list(editor.iter_errors(spec_from_dict(value).to_json())) == []


@pytest.mark.parametrize(
    "value",
    [
        pipeline(thresold=3),
        pipeline(adapter={"type": "bottleneck", "width": 3}),
        pipeline(adapter={"bottleneck": 3}),
        pipeline(adapter={"type": "lorra"}),
        pipeline(adapter={"type": "cosine"}),
        pipeline(adapter=None),
        pipeline(graph={"type": "similarity", "threshold": 1.5}),
        pipeline(graph={"type": "similarity"}),
        pipeline(task={"type": "classification", "head": {"type": "linear", "bias": True}}),
        pipeline(reporters=[{"type": "console"}, {}]),
        pipeline(captioner={"type": "blip"}),
        pipeline(version=2),
        pipeline(name=""),
        pipeline(evaluation={"seeds": []}),
        pipeline(evaluation={"seeds": [-1]}),
        {"dataset": {"type": "digits"}},
    ],
)
def test_schema_and_validation_refuse_alike(editor, value):
    """Stray keys, a missing or foreign `type`, missing fields and bounds are errors in both."""
    assert list(editor.iter_errors(value))
    assert problems(value)


def test_schema_holds_third_party_types():
    """An installed plugin's types complete in the editor like the built-ins, nested ones too."""
    editor = jsonschema.Draft202012Validator(export_schema(PipelineSpec, with_plugins(MIXTURE)))
    good = pipeline(adapter={"type": "mixture", "inner": {"type": "none"}, "members": [{"type": "mixture"}]})
    bad = pipeline(adapter={"type": "mixture", "members": [{"type": "mixture", "inner": {"type": "linear"}}]})
    assert list(editor.iter_errors(good)) == []
    assert list(editor.iter_errors(bad))


def test_two_classes_of_one_name_stay_apart_in_the_schema():
    """A plugin may call its class as a built-in does; each type keeps its own fields."""
    namespace = {
        "__annotations__": {"type": Literal["rings"], "radius": float},
        "type": "rings",
        "__module__": "acme.graphs",
    }
    rings = type("SimilaritySpec", (GraphSpec,), namespace)
    component = Component("graph", "rings", rings, "json:loads", "another SimilaritySpec")
    defs = export_schema(PipelineSpec, with_plugins(component))["$defs"]
    assert ("radius" in defs["graph.rings"]["properties"], "radius" in defs["graph.similarity"]["properties"]) == (
        True,
        False,
    )


def test_every_field_of_the_schema_is_described(schema):
    """Completion shows a sentence for every key but `type`."""
    bare = [
        f"{name}.{key}"
        for name, definition in schema["$defs"].items()
        for key, field in definition.get("properties", {}).items()
        if key != "type" and not field.get("description")
    ]
    assert bare == []


def test_an_object_without_type_is_of_the_slots_default():
    """`--set trainer.optimizer.lr=0.1` needs no type where the section has a default one."""
    pipeline = Pipeline.from_dict(
        {"dataset": {"type": "digits"}, "encoder": {"type": "open_clip"}, "adapter": {"type": "none"}},
        {"trainer.optimizer.lr": 0.1, "task.head.scale": 2.0},
    )
    assert (pipeline.spec.trainer.optimizer.type, pipeline.spec.trainer.optimizer.lr) == ("adamw", 0.1)
    assert pipeline.spec.task.type == "classification"
    assert pipeline.spec.task.head.model_dump() == {"type": "cosine", "scale": 2.0, "train_scale": False}


def test_schema_grows_with_the_number_of_types_and_no_faster():
    """Each type is written once, and named once where it may stand: hundreds of them stay a small file."""

    def size(count: int) -> int:
        made = []
        for number in range(count):
            name = f"many_{number:03}"
            namespace = {"__annotations__": {"type": Literal[name]}, "type": name, "__module__": "acme.many"}
            spec = type(f"Many{number:03}", (AdapterSpec,), namespace)
            made.append(Component("adapter", name, spec, "json:loads", "one of many"))
        return len(json.dumps(export_schema(PipelineSpec, with_plugins(*made))))

    none, some, twice = size(0), size(40), size(80)
    assert twice - some == some - none
    assert (some - none) / 40 < 1000


def test_a_spec_class_that_pydantic_cannot_build_is_named_where_it_is_used():
    """With its plugin and the field; other types of the plugin, and specs without it, work."""

    class Handle:
        """Nothing that pydantic knows."""

    class OddSpec(AdapterSpec):
        type: Literal["odd"] = "odd"
        handle: Handle | None = None

    odd = Component("adapter", "odd", OddSpec, "json:loads", "cannot be validated")
    catalogue = with_plugins(odd, LATE)
    assert spec_from_dict(pipeline(adapter={"type": "late"}), catalogue=catalogue).adapter.type == "late"
    ((path, reason),) = problems(pipeline(adapter={"type": "odd"}), catalogue)
    assert path == "$.adapter.type"
    assert reason.startswith(
        "adapter `odd` of acme-adapters 1.2: its spec class OddSpec cannot be built: PydanticSchemaGenerationError: "
        "Unable to generate pydantic-core schema for "
    )
    with pytest.raises(SchemaError, match="its spec class OddSpec cannot be built"):
        export_schema(PipelineSpec, catalogue)
