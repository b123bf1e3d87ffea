"""`extends`: files merged by stated rules; every problem points into the file that the value stands in."""

from __future__ import annotations

import contextlib
import copy
import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graftwork import Pipeline, SpecError
from graftwork.core.spec.extends import MAX_CHAIN, MAX_FILES, Composition, merged, read_composed
from graftwork.core.spec.json_source import MAX_BYTES, MAX_VALUES, parse_json
from graftwork.core.spec.load_spec import load_spec, spec_from_dict
from graftwork.core.spec.overrides import apply_overrides, parse_set

from .test_json_source import VALUES, places
from .test_spec_errors import FROM_AFAR, RICH, at, paths

BASE = """{
  "dataset": {"type": "digits", "shots": 16},
  "encoder": {"type": "open_clip", "model": "pocket"},
  "graph": {"type": "similarity", "threshold": 0.8, "nodes": "image"},
  "adapter": {"type": "ga_net", "bottleneck": 32},
  "reporters": [{"type": "console"}, {"type": "jsonl"}]
}
"""


def write(folder: Path, **files: Any) -> Path:
    """Each as ``NAME.json`` (text as it is, values as JSON); gives the path of ``spec.json``."""
    for name, content in files.items():
        path = folder / f"{name}.json"
        path.write_text(content if isinstance(content, str) else json.dumps(content), "utf-8")
    return folder / "spec.json"


def problems(path: Path, *settings: str, **how: Any) -> list[str]:
    """What the user reads, without the folder's name."""
    with pytest.raises(SpecError) as error:
        load_spec(path, parse_set(settings), **how)
    return str(error.value).replace(f"{path.parent}/", "").split("\n")


def test_objects_merge_key_by_key_and_the_extending_file_wins(tmp_path):
    """What the file says is taken from it, all else from its base."""
    spec = load_spec(write(tmp_path, base=BASE, spec={"extends": "base.json", "graph": {"threshold": 0.5}, "seed": 3}))
    assert (spec.graph.threshold, spec.graph.nodes, spec.seed, spec.dataset.shots) == (0.5, "image", 3, 16)


def test_what_another_type_does_not_take_over_is_said(tmp_path, caplog):
    """Fields that it could have, with their file; not those that it has not, or that are written or set anew."""
    adapter = {"type": "bottleneck"}
    spec = write(tmp_path, base=BASE, spec={"extends": "base.json", "dataset": {"type": "emoji"}, "adapter": adapter})
    load_spec(spec, {"adapter.bottleneck": 8})
    (said,) = [record.getMessage().replace(f"{tmp_path}/", "") for record in caplog.records]
    assert said == (
        "dataset has another type than in base.json and replaces it whole: `shots` of there is not taken over; "
        "write `shots` where the type is"
    )
    caplog.clear()
    load_spec(spec, {"dataset.shots": 2, "adapter.bottleneck": 8})
    assert caplog.records == []


def test_a_component_whose_type_changes_replaces_the_whole_object(tmp_path):
    """Fields of another type would be strays in it."""
    spec = load_spec(write(tmp_path, base=BASE, spec={"extends": "base.json", "adapter": {"type": "bottleneck"}}))
    assert spec.adapter == Pipeline.from_dict({**json.loads(BASE), "adapter": {"type": "bottleneck"}}).spec.adapter


def test_a_component_of_the_same_type_is_merged(tmp_path):
    """Naming the type again changes nothing."""
    changed = {"extends": "base.json", "adapter": {"type": "ga_net", "layers": 2}}
    spec = load_spec(write(tmp_path, base=BASE, spec=changed))
    assert (spec.adapter.bottleneck, spec.adapter.layers) == (32, 2)


def test_lists_and_null_replace(tmp_path):
    """A list is not mixed with another, and null takes a section away."""
    changed = {"extends": "base.json", "reporters": [{"type": "jsonl"}], "graph": None, "adapter": {"type": "none"}}
    spec = load_spec(write(tmp_path, base=BASE, spec=changed))
    assert ([one.type for one in spec.reporters], spec.graph) == (["jsonl"], None)


def test_of_several_files_the_later_wins(tmp_path):
    """In the order of the list, and the file that names them over all."""
    spec = write(
        tmp_path,
        base=BASE,
        a={"seed": 1, "name": "a"},
        b={"seed": 2},
        spec={"extends": ["base.json", "a.json", "b.json"]},
    )
    assert (load_spec(spec).seed, load_spec(spec).name) == (2, "a")


def test_a_file_may_be_extended_twice(tmp_path):
    """Two ways to one base are no cycle."""
    left, right = {"extends": "base.json", "seed": 1}, {"extends": "base.json", "name": "right"}
    spec = load_spec(write(tmp_path, base=BASE, left=left, right=right, spec={"extends": ["left.json", "right.json"]}))
    assert (spec.seed, spec.name) == (1, "right")


def test_paths_count_from_the_file_that_names_them(tmp_path):
    """A base in another folder names its own base from there."""
    (tmp_path / "parts").mkdir()
    write(tmp_path / "parts", spec={"extends": "../base.json", "seed": 4})
    assert load_spec(write(tmp_path, base=BASE, spec={"extends": "parts/spec.json"})).seed == 4


def test_what_is_extended_may_be_part_of_a_pipeline(tmp_path):
    """Only the whole is validated."""
    part = {"graph": {"threshold": 0.5}}
    assert (
        load_spec(write(tmp_path, part=part, base=BASE, spec={"extends": ["base.json", "part.json"]})).graph.threshold
        == 0.5
    )


def test_every_problem_points_into_its_own_file(tmp_path):
    """All at once: those of the base with its lines, those of the spec with its own."""
    base = BASE.replace("0.8", "8").replace("ga_net", "gan_et")
    spec = '{"extends": "base.json",\n "dataset": {"shots": "16"},\n "sed": 1}'
    assert problems(write(tmp_path, base=base, spec=spec)) == [
        'spec.json:2:23: $.dataset.shots: input should be a valid integer, not "16"',
        "base.json:4:48: $.graph.threshold: input should be less than or equal to 1, not 8",
        "base.json:5:23: $.adapter.type: unknown adapter type `gan_et` (did you mean `ga_net`?)",
        "spec.json:3:9: $.sed: unknown key `sed` (did you mean `seed`?)",
    ]


def test_problems_of_several_bases_come_at_once(tmp_path):
    """Each file that cannot be read is named."""
    spec = write(tmp_path, base='{"seed": 1,}', spec={"extends": ["base.json", "bse.json"]})
    assert problems(spec) == [
        "base.json:1:11: $: a comma before `}`",
        "spec.json:1:27: $.extends[1]: `bse.json` is not there (did you mean `base.json`?)",
    ]


def test_a_cycle_is_told_with_its_chain(tmp_path):
    """Who extends whom, in words."""
    spec = write(tmp_path, spec={"extends": "a.json"}, a={"extends": "b.json"}, b={"extends": "a.json"})
    assert problems(spec) == ["b.json:1:13: $.extends: files extend each other: a.json extends b.json extends a.json"]


def test_a_file_cannot_extend_itself(tmp_path):
    """The shortest cycle, also through a link."""
    spec = write(tmp_path, spec={"extends": "link.json"})
    (tmp_path / "link.json").symlink_to(spec)
    assert problems(spec) == ["spec.json:1:13: $.extends: files extend each other: spec.json extends link.json"]


def chain(folder: Path, length: int) -> Path:
    """So many files, each extending the next."""
    files = {f"f{n}": {"extends": f"f{n + 1}.json"} for n in range(1, length - 1)}
    return write(folder, **files, **{f"f{length - 1}": BASE}, spec={"extends": "f1.json"})


def test_depth_is_capped_one_file_past_the_limit(tmp_path):
    """The longest allowed chain is read, one more is refused."""
    assert load_spec(chain(tmp_path, MAX_CHAIN)).seed == 0
    assert problems(chain(tmp_path, MAX_CHAIN + 1)) == [
        f"f{MAX_CHAIN - 1}.json:1:13: $.extends: the {MAX_CHAIN + 1}th file in a chain of `extends`; "
        f"the most is {MAX_CHAIN}"
    ]


def test_files_are_counted_each_time_they_are_read(tmp_path):
    """Few small files cannot be made to be read without end."""
    files = {f"f{n}": {"extends": [f"f{n + 1}.json"] * 8} for n in range(1, 6)}
    found = problems(write(tmp_path, **files, f6={}, spec={"extends": ["f1.json"] * 8}))
    assert any(f"more than {MAX_FILES} files" in line for line in found)


def test_size_and_values_count_for_all_files_together(tmp_path):
    """Cutting a file in two opens no way round the limits."""
    half = " " * (MAX_BYTES // 2)
    spec = write(tmp_path, a=half + "{}", b=half + "{}", spec={"extends": ["a.json", "b.json"]})
    assert problems(spec) == [
        f"b.json: $: with the files before it larger than {MAX_BYTES} bytes, the most that a spec holds"
    ]
    many = {"reporters": [0] * (MAX_VALUES // 2)}
    assert problems(write(tmp_path, a=many, b=many, spec={"extends": ["a.json", "b.json"]})) == [
        f"b.json: $: with the files before it more than {MAX_VALUES} values, the most that a spec holds"
    ]


def test_what_leaves_the_root_is_refused_and_a_wider_root_allows_it(tmp_path):
    """By `..` as by a link; `--root` says how far up."""
    inner = tmp_path / "inner"
    inner.mkdir()
    write(tmp_path, base=BASE)
    (inner / "link.json").symlink_to(tmp_path / "base.json")
    for text in ("../base.json", "link.json"):
        spec = write(inner, spec={"extends": text})
        assert problems(spec) == [
            f"spec.json:1:13: $.extends: `{text}` leads out of the root {inner} (--root FOLDER names a root further up)"
        ]
        assert load_spec(spec, root=tmp_path).seed == 0


@pytest.mark.parametrize("content", ["[]", "3", '"base.json"', "null"])
def test_only_objects_can_be_extended(tmp_path, content):
    """Anything else has no keys to merge."""
    spec = write(tmp_path, base=content, spec={"extends": "base.json"})
    assert problems(spec) == ["base.json:1:1: $: a file that others extend holds an object"]


@pytest.mark.parametrize("kind", ["fifo", "folder", "device"])
def test_only_regular_files_can_be_extended(tmp_path, kind):
    """What would wait for ever, or has no end, is not opened."""
    if kind == "fifo":
        os.mkfifo(tmp_path / "base.json")
    elif kind == "folder":
        (tmp_path / "base.json").mkdir()
    else:
        (tmp_path / "base.json").symlink_to("/dev/zero")
    spec = write(tmp_path, spec={"extends": "base.json"})
    assert problems(spec, root=Path("/"))[0].endswith("$.extends: `base.json` is no regular file")


def test_a_dictionary_and_an_override_extend_nothing(tmp_path):
    """They stand in no folder that a path could count from."""
    reason = "paths count from the file that names them: write it there, and read that file"
    with pytest.raises(SpecError) as error:
        Pipeline.from_dict({**json.loads(BASE), "extends": "base.json"})
    assert str(error.value) == f"$.extends: {reason}"
    assert problems(write(tmp_path, spec=BASE), "extends=base.json") == [f"--set extends: $.extends: {reason}"]


def test_what_is_extended_does_not_stand_in_the_resolved_spec(tmp_path):
    """A run folder's pipeline stands by itself."""
    spec = load_spec(write(tmp_path, base=BASE, spec={"extends": "base.json"}))
    assert spec.to_json() == Pipeline.from_dict(json.loads(BASE)).spec.to_json()


OBJECTS = st.recursive(
    st.dictionaries(st.sampled_from("abc"), st.integers(0, 3) | st.none() | st.lists(st.integers(0, 3), max_size=2)),
    lambda inner: st.dictionaries(st.sampled_from(["a", "b", "c", "type"]), inner, max_size=3),
    max_leaves=8,
)


def composition(value: Any, name: str) -> Composition:
    """As a file of that name would give it."""
    source = parse_json(json.dumps(value), name)
    return Composition(source.value, dict.fromkeys(source.offsets, source))


@given(OBJECTS, OBJECTS)
def test_every_merged_value_stands_where_its_place_says(below, above):
    """A scalar or list of the merged value is, in the file it is said to stand in, that very value."""
    files = {"below": below, "above": above}
    whole = merged(composition(below, "below"), composition(above, "above"))
    for path, value in places(whole.value):
        source = whole.origins[path]
        found = files[source.name]
        for part in path:
            found = found[part]
        assert isinstance(value, dict) or found == value


@given(OBJECTS)
def test_merging_nothing_or_itself_changes_nothing(value):
    """The empty object is neutral on both sides, and merging is idempotent."""
    for below, above in ((value, {}), ({}, value), (value, value)):
        assert merged(composition(below, "below"), composition(above, "above")).value == value


#: Keys hold always an object, or never.
NESTED = st.recursive(
    st.dictionaries(st.sampled_from("xyz"), st.integers(0, 3) | st.none(), max_size=2),
    lambda inner: st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)


@given(NESTED, NESTED, NESTED)
def test_merging_is_associative(a, b, c):
    """How files are cut into chains does not matter, as long as nothing replaces an object."""
    one, two, three = (composition(value, name) for value, name in ((a, "a"), (b, "b"), (c, "c")))
    assert merged(merged(one, two), three).value == merged(one, merged(two, three)).value


def test_reading_changes_no_source(tmp_path):
    """Overrides go into a copy: a composition can be used twice."""
    composed = read_composed(write(tmp_path, base=BASE, spec={"extends": "base.json"}))
    before = copy.deepcopy(composed.value)
    apply_overrides(composed.value, {"graph.threshold": 0.1, "reporters+": [{"type": "jsonl"}], "adapter-": None})
    assert composed.value == before


def overridden(tmp_path: Path, *settings: str) -> Any:
    """``BASE`` with those settings."""
    return load_spec(write(tmp_path, spec=BASE), parse_set(settings))


def test_set_appends_each_item_it_is_given(tmp_path):
    """Once for each time it stands there, in order."""
    spec = overridden(tmp_path, 'reporters+={"type": "console", "table": false}', 'reporters+={"type": "jsonl"}')
    assert [one.type for one in spec.reporters] == ["console", "jsonl", "console", "jsonl"]


def test_set_appends_to_the_default_where_none_is_written(tmp_path):
    """Adding a template does not take the default one away."""
    assert overridden(tmp_path, "encoder.templates+=the digit {}").encoder.templates == (
        "a photo of a {}.",
        "the digit {}",
    )
    assert [
        one.strength
        for one in overridden(tmp_path, 'regularizers+={"type": "ewc", "strength": 2, "anchor": "init"}').regularizers
    ] == [2]


def test_set_reaches_into_a_default_list(tmp_path):
    """An index counts in the default where the list is not written."""
    spec = load_spec(
        write(tmp_path, spec=json.loads(BASE) | {"evaluation": {}}), parse_set(["encoder.templates.0=x {}"])
    )
    assert spec.encoder.templates == ("x {}",)


def test_set_removes_a_key_and_an_item(tmp_path):
    """Without a value, with a minus."""
    spec = overridden(tmp_path, "graph.nodes-", "reporters.0-", "dataset.shots-")
    assert (spec.graph.nodes, [one.type for one in spec.reporters], spec.dataset.shots) == ("image", ["jsonl"], None)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("grph-", "--set grph-: $: `grph` is not there to be removed (did you mean `graph`?)"),
        (
            "graph.x.y-",
            "--set graph.x.y-: $.graph: `x` is not there to be removed (written here: type, threshold, nodes)",
        ),
        ("reporters.7-", "--set reporters.7-: $.reporters: `7` is no index into a list of 2"),
        ("graph+=1", "--set graph+: $.graph: is no list, so nothing can be appended to it"),
        ("seed+=1", "--set seed+: $.seed: input should be a valid integer"),
        (
            'reporters+={"type": "morse"}',
            "--set reporters+: $.reporters[2].type: unknown reporter type `morse` (installed: ",
        ),
        ("-", "--set -: $: write --set KEY=VALUE, for example --set graph.threshold=0.8"),
        ("+=3", "--set +=3: $: write --set KEY=VALUE, for example --set graph.threshold=0.8"),
        (f"{'a.' * 70}b=1", "--set a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a....: $: a path of more than 64 steps"),
    ],
)
def test_wrong_change_is_located_on_the_command_line(tmp_path, setting, message):
    """Appending and removing have the same kind of messages as setting."""
    assert problems(write(tmp_path, spec=BASE), setting)[0].startswith(message)


def test_problem_of_a_written_item_is_not_blamed_on_an_appended_one(tmp_path):
    """Appending touches the new item alone."""
    spec = write(tmp_path, spec=BASE.replace("console", "consle"))
    assert problems(spec, 'reporters+={"type": "jsonl"}') == [
        "spec.json:6:26: $.reporters[0].type: unknown reporter type `consle` (did you mean `console`?)"
    ]


REFUSED = [
    "${HOME}/x",
    "$HOME/x",
    "$DATA",
    "%DATA%",
    "%USERPROFILE%\\my pictures",
    "/a b/$DATA",
    "a ${NAME} b",
    "$data/x",
]
TEXT = ["a $5 bill", "$HOME sweet home", "$id", "^.*\\.png$", "100%", "a % b % c", "{}", "${}", "50%off", "US$"]


@pytest.mark.parametrize("text", REFUSED)
def test_environment_variable_is_refused_where_it_stands(tmp_path, text):
    """With file, line and what to do instead; nothing else is said of that string."""
    (line,) = problems(write(tmp_path, spec=BASE.replace('"pocket"', json.dumps(text))))
    assert line.startswith("spec.json:3:45: $.encoder.model: `")
    assert line.endswith(
        "` looks like an environment variable, and specs read none "
        "(write the value itself, or give it on the command line: --set KEY=VALUE)"
    )


@pytest.mark.parametrize("text", TEXT)
def test_a_dollar_or_percent_in_text_is_text(tmp_path, text):
    """Templates, field names and patterns may hold them."""
    spec = json.loads(BASE) | {"$schema": "$HOME/graftwork.schema.json"}
    spec["encoder"]["templates"] = [f"{text} {{}}", f"{{}}{text}"] if " " in text else [f"{text}{{}}"]
    assert load_spec(write(tmp_path, spec=spec)).encoder.templates


def test_environment_variable_on_the_command_line_is_named_there(tmp_path):
    """Single quotes in a shell leave it unexpanded."""
    assert problems(write(tmp_path, spec=BASE), "encoder.model=$MODEL")[0].startswith(
        "--set encoder.model: $.encoder.model: `$MODEL` looks like an environment variable"
    )


SECTIONS = st.sets(st.sampled_from(sorted(RICH)))


@given(SECTIONS, st.sampled_from(paths(RICH)), VALUES)
def test_mutation_is_located_in_the_file_and_passage_that_was_mutated(tmp_path_factory, in_base, path, junk):
    """However a pipeline is cut into two files: file, line and column are those of the changed value or around it."""
    value = copy.deepcopy(RICH)
    at(value, path[:-1])[path[-1]] = junk
    files = {
        "base": {key: section for key, section in value.items() if key in in_base},
        "spec": {"extends": "base.json"} | {key: section for key, section in value.items() if key not in in_base},
    }
    folder = tmp_path_factory.mktemp("cut")
    spec = write(folder, **files)
    try:
        load_spec(spec)
    except SpecError as error:
        mutated = folder / ("base.json" if path[0] in in_base else "spec.json")
        source = parse_json(mutated.read_text("utf-8"), str(mutated))
        for problem in error.problems:
            if problem.path in FROM_AFAR or not problem.path:
                continue
            assert problem.source == str(mutated)
            common = min(len(problem.path), len(path))
            assert problem.path[:common] == path[:common]
            assert (problem.line, problem.column) == source.position(problem.path)


@given(st.lists(st.text(alphabet='abseed.graphtid0123-+=[]{}":, ', max_size=30) | st.text(max_size=10), max_size=4))
def test_no_setting_raises_anything_but_a_spec_error(settings):
    """Whatever stands behind `--set`."""
    with contextlib.suppress(SpecError):
        apply_overrides(RICH, parse_set(settings))
    with contextlib.suppress(SpecError):
        spec_from_dict(RICH, parse_set([one.replace("=", "") + "=1" for one in settings]))


@given(st.dictionaries(st.sampled_from(["extends", "seed", "graph"]), VALUES | st.text()))
def test_random_extending_files_end_in_spec_errors(tmp_path_factory, value):
    """No value under `extends` raises anything else; none of these is a pipeline."""
    with pytest.raises(SpecError):
        load_spec(write(tmp_path_factory.mktemp("random"), spec=value))
