"""Specs that are wrong: every problem at once, each with place, reason and what to do; and never another exception."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graftwork import Pipeline, SpecError
from graftwork.core.spec.json_source import MAX_BYTES, MAX_DEPTH
from graftwork.core.spec.load_spec import load_spec, spec_from_dict
from graftwork.core.spec.overrides import parse_set
from graftwork.registry.errors import Problem

from .test_json_source import VALUES

#: Line 1 is `{`; each section has a line of its own.
VALID = """{
  "version": 1,
  "dataset": {"type": "digits", "shots": 16},
  "encoder": {"type": "open_clip", "model": "pocket"},
  "graph": {"type": "similarity", "threshold": 0.8},
  "adapter": {"type": "ga_net", "bottleneck": 32}
}
"""


def found(tmp_path: Path, content: str | bytes, *settings: str) -> list[str]:
    """Every problem of that file, as the user reads it, without the folder's name."""
    path = tmp_path / "spec.json"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(SpecError) as error:
        load_spec(path, parse_set(settings))
    assert error.value.exit_code == 2
    return str(error.value).replace(f"{tmp_path}/", "").split("\n")


def changed(old: str, new: str) -> str:
    """``VALID`` with one passage replaced."""
    assert VALID.count(old) == 1
    return VALID.replace(old, new)


def test_the_spec_that_the_others_are_made_from_is_valid(tmp_path):
    """Each case below differs from a valid spec in the one thing it is about."""
    (tmp_path / "spec.json").write_text(VALID)
    assert load_spec(tmp_path / "spec.json").adapter.bottleneck == 32


CASES = {
    "unknown component": (
        changed("ga_net", "gan_et"),
        "spec.json:6:23: $.adapter.type: unknown adapter type `gan_et` (did you mean `ga_net`?)",
    ),
    "component of another kind": (
        changed("similarity", "ga_net").replace("ga_net", "cosine", 1),
        "spec.json:5:21: $.graph.type: unknown graph type `cosine` (`cosine` is of kind head)",
    ),
    "misspelt key": (
        changed('"threshold"', '"treshold"').replace("0.8", '0.8, "threshold": 0.8'),
        "spec.json:5:47: $.graph.treshold: unknown key `treshold` (did you mean `threshold`?)",
    ),
    "stray key with its section": (
        changed('"bottleneck": 32', '"threshold": 0.5'),
        "spec.json:6:46: $.adapter.threshold: unknown key `threshold` (it belongs in `graph`)",
    ),
    "stray key of two sections": (
        changed('"version": 1', '"batch_size": 8'),
        "spec.json:2:17: $.batch_size: unknown key `batch_size` (it belongs in `encoder`)",
    ),
    "wrong type": (
        changed("32", '"32"'),
        'spec.json:6:47: $.adapter.bottleneck: input should be a valid integer, not "32"',
    ),
    "true is no number": (
        changed("0.8", "true"),
        "spec.json:5:48: $.graph.threshold: input should be a valid number, not true",
    ),
    "a number with a fraction is no count": (
        changed("32", "32.5"),
        "spec.json:6:47: $.adapter.bottleneck: input should be a valid integer, not 32.5",
    ),
    "NaN": (changed("0.8", "NaN"), "spec.json:5:48: $.graph.threshold: NaN is not JSON"),
    "Infinity": (changed("0.8", "-Infinity"), "spec.json:5:48: $.graph.threshold: -Infinity is not JSON"),
    "too large for a float": (
        changed("0.8", "1e999"),
        "spec.json:5:48: $.graph.threshold: a number too large for a float",
    ),
    "too many digits": (
        changed("32", "3" * 4301),
        "spec.json:6:47: $.adapter.bottleneck: Exceeds the limit (4300 digits) for integer string conversion: "
        "value has 4301 digits",
    ),
    "half a surrogate pair": (
        changed("pocket", "\\ud83d"),
        "spec.json:4:45: $.encoder.model: a string with half a surrogate pair",
    ),
    "duplicate key": (
        changed('"threshold": 0.8', '"threshold": 0.8, "threshold": 0.9'),
        "spec.json:5:53: $.graph.threshold: key `threshold` stands here twice",
    ),
    "threshold too high": (
        changed("0.8", "1.01"),
        "spec.json:5:48: $.graph.threshold: input should be less than or equal to 1, not 1.01",
    ),
    "threshold too low": (
        changed("0.8", "-1.01"),
        "spec.json:5:48: $.graph.threshold: input should be greater than or equal to -1, not -1.01",
    ),
    "negative threshold with cosine weights": (
        changed("0.8", '-0.5, "weight": "cosine"'),
        "spec.json:5:12: $.graph: weight `cosine` needs a threshold of at least 0, not -0.5; take `binary`",
    ),
    "missing section": (
        changed('  "encoder": {"type": "open_clip", "model": "pocket"},\n', ""),
        "spec.json:1:1: $: `encoder` is missing (installed: conse, dual, given, open_clip, timm, transformers)",
    ),
    "missing field": (
        changed(', "threshold": 0.8', ""),
        "spec.json:5:12: $.graph: `threshold` is missing (tau: the least cosine of an edge, -1 to 1; "
        'or `{"average_degree": k}`, `{"quantile": q}`, or one a block.)',
    ),
    "missing type": (
        changed('"type": "ga_net", ', ""),
        "spec.json:6:14: $.adapter: `type` is missing: it names the adapter "
        "(installed: bottleneck, clip_adapter, diffusion, ga_net, hmmoe, lora, none)",
    ),
    "section that is no object": (
        changed('{"type": "similarity", "threshold": 0.8}', "0.8"),
        "spec.json:5:12: $.graph: expected an object whose `type` names the graph, or that name, not 0.8",
    ),
    "list that is an object": (
        changed('"version": 1', '"reporters": {"type": "console"}'),
        "spec.json:2:16: $.reporters: expected a list",
    ),
    "empty list": (
        changed('"version": 1', '"evaluation": {"seeds": []}'),
        "spec.json:2:27: $.evaluation.seeds: expected at least 1 item, not 0",
    ),
    "wrong version": (changed('"version": 1', '"version": 2'), "spec.json:2:14: $.version: input should be 1, not 2"),
    "trailing comma": (changed("32}", "32,}"), "spec.json:6:49: $.adapter: a comma before `}`"),
    "truncated": (
        VALID[: VALID.index("ga_net") + 3],
        "spec.json:6:23: $.adapter.type: Unterminated string starting at",
    ),
    "truncated after a colon": (
        VALID[: VALID.index('"ga_net"')],
        "spec.json:6:23: $.adapter.type: the file ends here; a value is missing",
    ),
    "empty": ("", "spec.json:1:1: $: the file ends here; a value is missing"),
    "two values": (VALID + "{}", "spec.json:8:1: $: text after the end of the value"),
    "single quotes": (changed('"version"', "'version'"), "spec.json:2:3: $: expected a key in double quotes"),
    "comment": (changed('  "version"', '  // one\n  "version"'), "spec.json:2:3: $: expected a key in double quotes"),
    "a list": ("[]", "spec.json:1:1: $: expected an object"),
    "not UTF-8": (
        VALID.encode().replace(b"pocket", b"p\xffcket"),
        f"spec.json: $: not UTF-8: byte {VALID.index('pocket') + 1}",
    ),
    "UTF-16": (VALID.encode("utf-16"), "spec.json: $: not UTF-8 but UTF-16; save it as UTF-8"),
    "too deep": (
        changed("0.8", "[" * MAX_DEPTH + "]" * MAX_DEPTH),
        f"spec.json:5:{48 + MAX_DEPTH - 1}: $: nested deeper than {MAX_DEPTH} levels",
    ),
    "too large": (
        VALID + " " * MAX_BYTES,
        f"spec.json: $: larger than {MAX_BYTES} bytes, the most that a spec holds",
    ),
    "graph adapter without a graph": (
        changed('  "graph": {"type": "similarity", "threshold": 0.8},\n', ""),
        "spec.json:5:23: $.adapter.type: adapter `ga_net` passes messages over a graph, and the pipeline has none "
        '(add "graph": {"type": "similarity", "threshold": 0.8}, or take adapter `bottleneck`)',
    ),
    "test split that selects": (
        changed('"version": 1', '"evaluation": {"test_on": "val"}'),
        "spec.json:2:29: $.evaluation.test_on: the numbers would come from `val`, which trains or selects "
        "(name a split that neither trains nor selects)",
    ),
    "test split that trains": (
        changed('"version": 1', '"evaluation": {"test_on": "train", "select_on": "none"}'),
        "spec.json:2:29: $.evaluation.test_on: the numbers would come from `train`, which trains or selects "
        "(name a split that neither trains nor selects)",
    ),
    "duplicate seeds": (
        changed('"version": 1', '"evaluation": {"seeds": [0, 1, 0]}'),
        "spec.json:2:27: $.evaluation.seeds: a seed stands here twice",
    ),
    "seed out of range": (
        changed('"version": 1', '"evaluation": {"seeds": [0, -1]}'),
        "spec.json:2:31: $.evaluation.seeds[1]: input should be greater than or equal to 0, not -1",
    ),
    "only item of a list out of range": (
        changed('"version": 1', '"evaluation": {"seeds": [-1]}'),
        "spec.json:2:28: $.evaluation.seeds[0]: input should be greater than or equal to 0, not -1",
    ),
    "template without the class": (
        changed('"model": "pocket"', '"templates": ["a {}", "a photo"]'),
        "spec.json:4:49: $.encoder.templates: template 'a photo' has no {} for the class name",
    ),
    "unknown architecture": (
        changed("pocket", "ViT-B16"),
        "spec.json:4:45: $.encoder.model: unknown architecture `ViT-B16`; did you mean `ViT-B-16`?",
    ),
    "architecture without weights": (
        changed("pocket", "ViT-B-16"),
        "spec.json:4:14: $.encoder: `ViT-B-16` needs either `pretrained` (a tag) or `checkpoint` (a file)",
    ),
    "architecture with two sources of weights": (
        changed('"pocket"', '"ViT-B-16", "pretrained": "openai", "checkpoint": "w.safetensors"'),
        "spec.json:4:14: $.encoder: `ViT-B-16` needs either `pretrained` (a tag) or `checkpoint` (a file)",
    ),
    "complete model with other weights": (
        changed('"pocket"', '"pocket", "pretrained": "openai"'),
        "spec.json:4:14: $.encoder: `pocket` brings its own weights: remove pretrained",
    ),
    "bad device": (
        changed('"version": 1', '"device": "gpu"'),
        "spec.json:2:13: $.device: string should match pattern '^(auto|cpu|mps|cuda(:\\d+)?)$', not \"gpu\"",
    ),
    "name that leaves its folder": (
        changed('"version": 1', '"name": "../x"'),
        "spec.json:2:11: $.name: string should match pattern '^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$', not \"../x\"",
    ),
    "search value out of range": (
        changed('"version": 1', '"search": {"graph.threshold": [0.5, 2]}'),
        'spec.json:2:39: $.search["graph.threshold"][1]: with graph.threshold = 2: $.graph.threshold: '
        "input should be less than or equal to 1, not 2",
    ),
    "search over a misspelt path": (
        changed('"version": 1', '"search": {"graph.treshold": [0.5]}'),
        'spec.json:2:33: $.search["graph.treshold"][0]: with graph.treshold = 0.5: $.graph.treshold: '
        "unknown key `treshold` (did you mean `threshold`?)",
    ),
    "search through a number": (
        changed('"version": 1', '"search": {"graph.threshold.x": [1]}'),
        'spec.json:2:36: $.search["graph.threshold.x"][0]: with graph.threshold.x = 1: $.graph.threshold: '
        "is no object, so nothing can be set inside it",
    ),
    "search with nothing to try": (
        changed('"version": 1', '"search": {"graph.threshold": []}'),
        'spec.json:2:33: $.search["graph.threshold"]: expected at least 1 item, not 0',
    ),
    "search over what measures it": (
        changed('"version": 1', '"search": {"evaluation.seeds": [[0], [1]]}'),
        'spec.json:2:34: $.search["evaluation.seeds"]: a search cannot try values of `evaluation.seeds` '
        "(it says how results are found and measured)",
    ),
    "search without a split to choose on": (
        changed('"version": 1', '"evaluation": {"select_on": "none"}, "search": {"graph.threshold": [0.5]}'),
        'spec.json:2:50: $.search: a search needs a split to choose on, and "select_on" is "none"',
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_bad_spec_is_one_line_with_place_reason_and_remedy(tmp_path, case):
    """What the user reads, whole: file, line, column, JSON path, reason, hint; and nothing else is called wrong."""
    content, message = CASES[case]
    assert found(tmp_path, content) == [message]


def test_all_problems_come_at_once(tmp_path):
    """Every section is checked, whatever is wrong with the others."""
    content = (
        VALID.replace("ga_net", "gan_et").replace("0.8", "8").replace("16", '"16"').replace('"version": 1', '"v": 1')
    )
    assert found(tmp_path, content) == [
        'spec.json:3:42: $.dataset.shots: input should be a valid integer, not "16"',
        "spec.json:5:48: $.graph.threshold: input should be less than or equal to 1, not 8",
        "spec.json:6:23: $.adapter.type: unknown adapter type `gan_et` (did you mean `ga_net`?)",
        "spec.json:2:8: $.v: unknown key `v` (known here: $schema, adapter, captioner, dataset, device, encoder, "
        "evaluation, extends, graph, name, regularizers, reporters, search, seed, sequence, task, tasks, "
        "trainer, trials, version)",
    ]


def test_all_contradictions_between_sections_come_at_once(tmp_path):
    """So are the rules that hold between sections, and the values of a search."""
    content = changed(
        '"version": 1', '"evaluation": {"seeds": [1, 1], "test_on": "val"}, "search": {"adapter.bottleneck": [0]}'
    ).replace('  "graph": {"type": "similarity", "threshold": 0.8},\n', "")
    paths = [line.split(": ")[1] for line in found(tmp_path, content)]
    assert paths == [
        "$.adapter.type",
        "$.evaluation.test_on",
        "$.evaluation.seeds",
        '$.search["adapter.bottleneck"][0]',
    ]


def test_byte_order_mark_is_no_mistake(tmp_path):
    """Windows editors write one; columns are counted without it."""
    (tmp_path / "spec.json").write_bytes(b"\xef\xbb\xbf" + VALID.encode())
    assert load_spec(tmp_path / "spec.json").dataset.shots == 16
    assert found(tmp_path, b"\xef\xbb\xbf[]") == ["spec.json:1:1: $: expected an object"]


def test_columns_count_letters_not_bytes(tmp_path):
    """An editor's column, whatever the letters before it."""
    content = changed('"model": "pocket"', '"templates": ["äöü € {}"], "x": 1')
    assert found(tmp_path, content)[0].startswith("spec.json:4:68: $.encoder.x: ")


@pytest.mark.parametrize(("name", "reason"), [("nothing.json", "No such file or directory"), ("", "Is a directory")])
def test_file_that_cannot_be_read_is_a_spec_error(tmp_path, name, reason):
    """A wrong path is named with the system's reason."""
    with pytest.raises(SpecError, match=f"cannot be read: {reason}"):
        load_spec(tmp_path / name)


def test_endless_file_is_refused(tmp_path):
    """One of a terabyte is read up to the limit only; a device not at all."""
    with open(tmp_path / "spec.json", "wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(SpecError, match=f"larger than {MAX_BYTES} bytes"):
        load_spec(tmp_path / "spec.json")
    with pytest.raises(SpecError, match=r"/dev/zero.* is no regular file"):
        load_spec("/dev/zero")


def test_message_cannot_act_on_a_terminal():
    """Line breaks and escapes in keys are written out, so that a problem is one line."""
    problem = Problem("unknown key `a\n\x1b[31mb`", ("a\n\x1b[31mb",), source="x.json")
    assert str(problem) == 'x.json: $["a\\n\\u001b[31mb"]: unknown key `a\\n\\x1b[31mb`'


SETTINGS = {
    "graph.threshold=2": "--set graph.threshold: $.graph.threshold: input should be less than or equal to 1, not 2",
    "graph.threshold=NaN": '--set graph.threshold: $.graph.threshold: input should be a valid number, not "NaN"',
    "graph.treshold=0.5": "--set graph.treshold: $.graph.treshold: unknown key `treshold` (did you mean `threshold`?)",
    "adapter.type=ga-net": "--set adapter.type: $.adapter.type: unknown adapter type `ga-net` (did you mean `ga_net`?)",
    "graph=0.5": "--set graph: $.graph: expected an object whose `type` names the graph, or that name, not 0.5",
    'graph={"type": "similarity"}': "--set graph: $.graph: `threshold` is missing "
    '(tau: the least cosine of an edge, -1 to 1; or `{"average_degree": k}`, `{"quantile": q}`, or one a block.)',
    "graph.threshold.tau=1": "--set graph.threshold.tau: $.graph.threshold: "
    "is no object, so nothing can be set inside it",
    "evaluation.policy.kind=attach": "--set evaluation.policy.kind: $.evaluation.policy: unknown key `policy` "
    "(known here: inductive, inductive_batch, predictions, seeds, select_on, test_on)",
    "graph.threshold": "--set graph.threshold: $: write --set KEY=VALUE, for example --set graph.threshold=0.8",
    "=3": "--set =3: $: write --set KEY=VALUE, for example --set graph.threshold=0.8",
    "regularizers.0.strength=1": "--set regularizers.0.strength: $.regularizers: `0` is no index into a list of 0",
}


@pytest.mark.parametrize("setting", SETTINGS)
def test_wrong_setting_is_located_on_the_command_line(tmp_path, setting):
    """A value that came from ``--set`` is never blamed on the file."""
    path = tmp_path / "spec.json"
    path.write_text(VALID)
    with pytest.raises(SpecError) as error:
        load_spec(path, parse_set([setting]))
    assert str(error.value) == SETTINGS[setting]


def test_setting_does_not_draw_other_errors_onto_itself(tmp_path):
    """Beside a good ``--set`` the file's own mistakes keep their lines."""
    assert found(tmp_path, changed("0.8", "8"), "adapter.bottleneck=4", "graph.nodes=image") == [
        "spec.json:5:48: $.graph.threshold: input should be less than or equal to 1, not 8"
    ]


def test_setting_reaches_into_lists_and_takes_plain_text(tmp_path):
    """Indices are path steps; what is not JSON is a string."""
    (tmp_path / "spec.json").write_text(changed('"version": 1', '"reporters": [{"type": "console"}]'))
    spec = load_spec(tmp_path / "spec.json", parse_set(["reporters.0.table=false", "name=a-b", "adapter.type=ga_net"]))
    assert (spec.reporters[0].table, spec.name) == (False, "a-b")


@pytest.mark.parametrize("index", ["1", "-1", "x", "¹"])
def test_setting_outside_a_list_is_an_error(tmp_path, index):
    """Only an index that is there can be set."""
    (tmp_path / "spec.json").write_text(changed('"version": 1', '"reporters": [{"type": "console"}]'))
    with pytest.raises(SpecError, match=f"`{index}` is no index into a list of 1"):
        load_spec(tmp_path / "spec.json", parse_set([f"reporters.{index}.table=false"]))


def test_dictionary_has_the_same_errors_without_a_place():
    """From Python there is no file; path, reason and hint are the same."""
    with pytest.raises(SpecError) as error:
        Pipeline.from_dict(json.loads(changed("ga_net", "gan_et")))
    assert str(error.value) == "$.adapter.type: unknown adapter type `gan_et` (did you mean `ga_net`?)"


def validated(value: Any, overrides: dict[str, Any] | None = None) -> tuple[Problem, ...]:
    """The problems of a value; any exception but ``SpecError`` fails the test."""
    try:
        spec_from_dict(value, overrides)
    except SpecError as error:
        problems = error.problems
    else:
        return ()
    assert problems
    assert all("\n" not in str(problem) for problem in problems)
    return problems


@given(st.dictionaries(st.sampled_from([*json.loads(VALID), "search", "evaluation", "task"]) | st.text(), VALUES))
def test_random_objects_end_in_spec_errors(value):
    """No JSON object raises anything but ``SpecError``; none of these is a pipeline."""
    assert validated(value)


@given(VALUES)
def test_random_files_end_in_spec_errors(tmp_path_factory, value):
    """Nor does any JSON value in a file."""
    path = tmp_path_factory.mktemp("random") / "spec.json"
    path.write_text(json.dumps(value))
    with pytest.raises(SpecError):
        load_spec(path)


RICH = json.loads(VALID) | {
    "task": {"type": "classification", "head": {"type": "linear", "scale": 2.0}, "label_smoothing": 0.1},
    "regularizers": [{"type": "ewc", "strength": 1.0, "anchor": "init"}],
    "trainer": {"epochs": 2, "optimizer": {"type": "sgd", "lr": 0.1}, "schedule": "constant"},
    "evaluation": {"seeds": [0, 1], "test_on": "test"},
    "reporters": [{"type": "console", "table": True}, {"type": "jsonl"}],
}


def paths(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Every path inside ``value`` but the empty one."""
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [found for key, child in children for found in ((*path, key), *paths(child, (*path, key)))]


def at(value: Any, path: tuple[str | int, ...]) -> Any:
    """What stands there."""
    for part in path:
        value = value[part]
    return value


#: The adapter needs the graph, and a split that selects cannot test: these may be contradicted from another section.
FROM_AFAR = {("adapter", "type"), ("evaluation", "test_on")}


@given(st.sampled_from(paths(RICH)), VALUES, st.sampled_from(["replace", "remove", "add"]))
def test_mutated_spec_is_wrong_only_in_or_above_what_was_mutated(path, junk, how):
    """One change makes no problem elsewhere: each lies in the changed value or in an object around it.

    Two rules hold between sections: see ``FROM_AFAR``.
    """
    value = copy.deepcopy(RICH)
    parent, last = at(value, path[:-1]), path[-1]
    if how == "remove":
        del parent[last]
    elif how == "add" and isinstance(parent, dict):
        path = (*path[:-1], "nonsense")
        parent["nonsense"] = junk
    else:
        parent[last] = junk
    for problem in validated(value):
        common = min(len(problem.path), len(path))
        assert problem.path[:common] == path[:common] or problem.path in FROM_AFAR


@given(st.sampled_from(paths(RICH)), VALUES)
def test_mutated_search_ends_in_spec_errors(path, junk):
    """The values to be tried are checked like the spec itself."""
    for problem in validated(RICH | {"search": {".".join(map(str, path)): [junk]}}):
        assert problem.path[0] in {"search", "adapter", "evaluation"}


@given(st.lists(st.sampled_from([*json.loads(VALID), "x", "0", "1", "type", ""]), min_size=1, max_size=4), VALUES)
def test_random_overrides_end_in_spec_errors(parts, junk):
    """Nor does any ``--set`` break the validation: what is wrong is laid at its door, since the spec was valid."""
    for problem in validated(RICH, {".".join(parts): junk}):
        assert problem.source in (f"--set {'.'.join(parts)}", None)


@given(st.text(max_size=30))
def test_random_settings_are_parsed_or_refused(text):
    """``--set`` itself takes any text."""
    try:
        parsed = parse_set([text])
    except SpecError:
        assert "=" not in text[1:] or text.startswith("=")
    else:
        assert list(parsed) == [text.split("=")[0]]
