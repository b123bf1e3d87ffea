"""The files that a run writes: each has one model, which reads what was written before and refuses what comes later."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from shutil import copytree
from typing import Any

import jsonschema
import pytest
from click.testing import CliRunner
from pydantic import BaseModel, ValidationError

from graftwork.core.cli import cli
from graftwork.core.cli.specs.schema import files
from graftwork.core.run.lock import Lock
from graftwork.core.storage import adapter_config, result_parts
from graftwork.core.storage.adapter_config import AdapterConfig, FeatureAdapter, GraftedAdapter, LayerAdapter, saved_in
from graftwork.core.storage.made_with import Installed
from graftwork.core.storage.manifest import MANIFEST, Manifest, adapter_folder, seal
from graftwork.core.storage.record import Record, Versioned
from graftwork.core.storage.result import Result
from graftwork.core.storage.run_folder import RunFolderError, read_json_file, write_json
from graftwork.core.studies.compare import compare
from graftwork.core.testing.checks.reporters import RESULT
from graftwork.registry.catalogue import Catalogue
from graftwork.registry.errors import UserError
from graftwork.registry.field_docs import field_docs

OLD = Path(__file__).parents[2] / "fixtures" / "before_house"
OURS = {"peft_type": "GRAFTWORK", "base_model_name_or_path": None, "revision": None}
RUNS = [OLD / "run_features", OLD / "run_layers"]
MODELS = sorted(
    {Lock, Manifest, Result, Installed}
    | {
        one
        for module in (adapter_config, result_parts)
        for one in vars(module).values()
        if isinstance(one, type) and issubclass(one, Record) and one not in (Record, Versioned)
    },
    key=lambda one: one.__name__,
)


@pytest.mark.parametrize("model", MODELS, ids=lambda one: one.__name__)
def test_every_field_says_what_it_is(model: type[BaseModel]) -> None:
    """In a docstring: the reference page and the schema are made of them."""
    assert list(field_docs(model)) == list(model.model_fields)


def test_a_model_is_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Result.from_json(RESULT, "x").name = "other"  # type: ignore[misc]


def test_a_result_is_written_as_it_was_read() -> None:
    """The same keys in the same order."""
    assert json.dumps(Result.from_json(RESULT, "x").to_json()) == json.dumps(RESULT)


@pytest.mark.parametrize("run", RUNS, ids=lambda run: run.name)
def test_what_was_written_before_there_were_formats_is_format_0(run: Path) -> None:
    """All that it says is kept, in its order."""
    was = read_json_file(run / "result.json")
    result = Result.read(run / "result.json")
    assert Result.read(str(run / "result.json")) == result
    assert result.result == 0
    assert json.dumps(result.to_json()) == json.dumps({"result": 0, **was})
    config = read_json_file(run / "adapter" / "adapter_config.json")
    now = AdapterConfig.model_validate(config).to_json()
    assert now == {**config, "graftwork": {"adapter": 0, **config["graftwork"]}}
    assert list(now["graftwork"])[1:] == list(config["graftwork"])
    assert Manifest.read(run / "adapter" / MANIFEST).files == read_json_file(run / "adapter" / MANIFEST)
    assert adapter_folder(run) == run / "adapter"
    lock = read_json_file(run / "lock.json")
    assert json.dumps(Lock.read(run / "lock.json").to_json()) == json.dumps(lock)


def test_a_saved_adapter_is_of_one_of_three_kinds(tmp_path: Path) -> None:
    assert isinstance(saved_in(RUNS[0] / "adapter"), FeatureAdapter)
    assert isinstance(saved_in(RUNS[1] / "adapter"), LayerAdapter)
    write_json(tmp_path / "adapter_config.json", OURS | {"graftwork": {"version": "0.1.0", "level": "layers"}})
    assert isinstance(saved_in(tmp_path), GraftedAdapter)


@pytest.mark.parametrize(
    ("altered", "told"),
    [
        ({}, " is of no Graftwork adapter: `peft_type` is missing, and ours is 'GRAFTWORK'"),
        (OURS | {"peft_type": "LORA"}, " is of no Graftwork adapter: `peft_type` is 'LORA', and ours is 'GRAFTWORK'"),
        (OURS | {"peft_type": {}}, " is of no Graftwork adapter: `peft_type` is {}, and ours is 'GRAFTWORK'"),
        ({"peft_type": "GRAFTWORK"}, ": the saved adapter lacks `base_model_name_or_path`; save it again"),
        (OURS | {"revision": 1}, ": `revision`: Input should be a valid string; save it again"),
        (OURS | {"inference_mode": False}, ": `inference_mode`: Input should be True; save it again"),
        (OURS | {"task_type": "CAUSAL_LM"}, ": `task_type`: Input should be None; save it again"),
    ],
)
def test_the_keys_that_peft_names_are_read(altered: dict[str, Any], told: str, tmp_path: Path) -> None:
    """Whatever stands below `graftwork`."""
    within = read_json_file(RUNS[0] / "adapter" / "adapter_config.json")["graftwork"]
    for more in ({"graftwork": within}, {}):
        write_json(tmp_path / "adapter_config.json", altered | more)
        with pytest.raises(RunFolderError, match=re.escape(f"{tmp_path / 'adapter_config.json'}{told}")):
            saved_in(tmp_path)


def test_a_key_that_is_not_known_is_kept() -> None:
    """At any depth: a later Graftwork may add one within a format."""
    score = {**RESULT["test"]["accuracy"], "interval": [0.4, 0.6]}
    added = {**RESULT, "test": {"accuracy": score}, "weather": "fine"}
    result = Result.from_json(added, "x")
    assert result.to_json() == added
    assert str(result.test["accuracy"]) == "0.5000 (1 seed)"


def test_names_of_what_is_to_come_are_reserved() -> None:
    """Nothing writes them yet, and reading does not stumble over them."""
    assert "resume" in Result.model_fields
    assert "resume" not in RESULT
    assert Result.from_json({**RESULT, "resume": {"from": 3}}, "x").to_json()["resume"] == {"from": 3}


LATER: list[tuple[type[Versioned], dict[str, Any]]] = [
    (Result, RESULT | {"result": 2, "graftwork": "9.9"}),
    (Manifest, {"manifest": 3, "graftwork": "9.9", "elsewhere": []}),
    (Lock, {"lock": 2, "graftwork": "9.9"}),
    (FeatureAdapter, {"adapter": 2, "version": "9.9", "level": "features"}),
]


@pytest.mark.parametrize(("model", "value"), LATER, ids=lambda one: getattr(one, "__name__", ""))
def test_a_later_format_says_who_wrote_it(model: type[Versioned], value: dict[str, Any]) -> None:
    """And which formats are read here, and what to do."""
    later, here = model.FORMAT + 1, model.FORMAT
    words = rf"some/file is a {model.NOUN} of format {later}, written by Graftwork 9\.9; this Graftwork reads {here}: "
    with pytest.raises(UserError, match=words) as error:
        model.from_json(value, "some/file")
    assert str(error.value).endswith(model.REMEDY)


@pytest.mark.parametrize("number", ["1", None, 1.5, -1, [1], float("nan"), True, 1.0])
def test_a_format_that_is_no_number_of_ours_is_refused(number: object) -> None:
    """Whoever wrote it, another Graftwork would not help."""
    with pytest.raises(RunFolderError, match=r"x: `result` is .*, and a format is a whole number from 0; run its pip"):
        Result.from_json(RESULT | {"result": number}, "x")
    with pytest.raises(RunFolderError, match=r"x: `graftwork\.adapter` is "):
        FeatureAdapter.from_json({"adapter": number, "version": "0.1.0"}, "x")


def test_what_is_missing_or_wrong_is_named_with_its_file(tmp_path: Path) -> None:
    """By its place in the file."""
    lacking = {**RESULT, "dataset": {key: one for key, one in RESULT["dataset"].items() if key != "split_id"}}
    write_json(tmp_path / "result.json", lacking)
    with pytest.raises(RunFolderError, match=r"/result\.json: the result lacks `dataset\.split_id`; run its pipeline"):
        Result.read(tmp_path / "result.json")
    with pytest.raises(RunFolderError, match=r"x: `seeds\.0`: Input should be a valid integer"):
        Result.from_json(RESULT | {"seeds": ["0"]}, "x")
    write_json(tmp_path / "adapter_config.json", OURS)
    with pytest.raises(RunFolderError, match=r"config\.json: the saved adapter lacks `graftwork\.version`; save it"):
        saved_in(tmp_path)


AT_ODDS: list[tuple[dict[str, Any], str]] = [
    ({"test": {}}, "`metric` is 'accuracy', and `test` lacks it"),
    ({"metric": "x"}, "`metric` is 'x', and `test` lacks it"),
    ({"stages": {}}, "`stages` is empty"),
    ({"seeds": []}, "`seeds` is empty"),
    ({"seeds": [0, 1]}, "`epochs_kept` has 1 entries, and `seeds` 2"),
    ({"saved_seed": 7}, "`saved_seed` 7 is none of `seeds`"),
    ({"epochs_kept": []}, "`epochs_kept` has 0 entries, and `seeds` 1"),
    ({"selection": {"mean": 0.5, "per_seed": []}}, "`selection.per_seed` has 0 entries, and `seeds` 1"),
    (
        {"test": RESULT["test"] | {"loss": {"mean": 1.0, "std": 0.0, "per_seed": [1.0, 1.0]}}},
        "`test.loss.per_seed` has 2 entries, and `seeds` 1",
    ),
    ({"graph": {"support_nodes": [], "support_edges": [6]}}, "`graph.support_nodes` is empty"),
    ({"graph": {"support_nodes": [4], "support_edges": []}}, "`graph.support_edges` is empty"),
    ({"dataset": RESULT["dataset"] | {"labelled": []}}, "`dataset.labelled` has 0 entries, and `seeds` 1"),
    ({"dataset": RESULT["dataset"] | {"sample": []}}, "`dataset.sample` has 0 entries, and `seeds` 1"),
    ({"chosen": {}}, "`chosen` lacks `adapter.bottleneck`, which `listed` has"),
    (
        {"tried": [{"values": {}, "selection": 0.5}]},
        "`tried.0.values` lacks `adapter.bottleneck`, which `listed` has",
    ),
]


@pytest.mark.parametrize(("altered", "told"), AT_ODDS, ids=lambda one: one if isinstance(one, str) else "")
def test_a_result_at_odds_with_itself_is_refused(altered: dict[str, Any], told: str, tmp_path: Path) -> None:
    """As `compare` reads it, which would stumble over it."""
    write_json(tmp_path / "result.json", RESULT | altered)
    with pytest.raises(RunFolderError) as raised:
        compare([tmp_path], {}, Catalogue([]), tmp_path, tmp_path)
    assert str(raised.value) == f"{tmp_path / 'result.json'}: {told}; run its pipeline again with this version"


def test_a_manifest_says_its_format_and_its_writer(tmp_path: Path) -> None:
    """An altered file is found by it."""
    (tmp_path / "one.txt").write_text("one")
    seal(tmp_path)
    assert list(read_json_file(tmp_path / MANIFEST)) == ["manifest", "graftwork", "files", "sha256"]
    assert list(Manifest.read(tmp_path / MANIFEST).files) == ["one.txt"]
    (tmp_path / "one.txt").write_text("two")
    with pytest.raises(RunFolderError, match=r"one\.txt was altered"):
        adapter_folder(tmp_path)


@pytest.mark.parametrize("run", RUNS, ids=lambda run: run.name)
def test_a_manifest_lists_all_that_loading_reads(run: Path, tmp_path: Path) -> None:
    """One that says nothing of a file says nothing of its having been altered."""
    folder = copytree(run / "adapter", tmp_path / "adapter")
    whole = dict(Manifest.read(folder / MANIFEST).files)
    read = sorted(one.name for one in folder.iterdir() if one.name not in (MANIFEST, "README.md"))
    for name in read:
        write_json(folder / MANIFEST, {key: digest for key, digest in whole.items() if key != name})
        with pytest.raises(RunFolderError, match=rf"manifest\.json lists nothing of {name}; restore it or run"):
            adapter_folder(folder)
    for empty in ({}, {"manifest": 1, "graftwork": "0.1.0", "files": {}}):
        write_json(folder / MANIFEST, empty)
        with pytest.raises(RunFolderError, match=f"lists nothing of {', '.join(read)}; "):
            adapter_folder(folder)
    write_json(folder / MANIFEST, {key: digest for key, digest in whole.items() if key != "README.md"})
    assert adapter_folder(folder) == folder


def test_a_manifest_without_its_format_says_so(tmp_path: Path) -> None:
    """It is not one of before there were formats: that has no key `files`."""
    write_json(tmp_path / MANIFEST, {"graftwork": "0.1.0", "files": {}})
    with pytest.raises(RunFolderError, match=r"json: the manifest lacks `manifest`, the number of its format; restore"):
        adapter_folder(tmp_path)


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../x", "a/b", "/etc/hosts", "a/", "a\\b", "C:x", "x" * 256, "ä" * 128, "a\0b", "\ud800"]
)
def test_a_manifest_names_files_of_its_folder_alone(name: str, tmp_path: Path) -> None:
    """In either format."""
    for value in ({name: "0"}, {"manifest": 1, "graftwork": "0.1.0", "files": {name: "0"}}):
        (tmp_path / MANIFEST).write_text(json.dumps(value))
        with pytest.raises(
            RunFolderError, match=r"manifest\.json: `files`: .* is no plain name of a file in the folder"
        ):
            adapter_folder(tmp_path)


def written(folder: Path) -> Iterator[tuple[str, Path]]:
    """The files of the old runs, and one of each that has a number."""
    for run in RUNS:
        yield "result", run / "result.json"
        yield "lock", run / "lock.json"
        yield "adapter_config", run / "adapter" / "adapter_config.json"
    write_json(folder / "result.json", RESULT)
    yield "result", folder / "result.json"
    seal(folder)
    yield "manifest", folder / MANIFEST


def test_the_schemas_hold_for_what_is_written(tmp_path: Path) -> None:
    """`graftwork schema --of NAME`, and each file against it; a result without seeds is none."""
    schemas = {}
    for name in files():
        done = CliRunner().invoke(cli, ["schema", "--of", name], catch_exceptions=False)
        schemas[name] = json.loads(done.stdout)
        jsonschema.Draft202012Validator.check_schema(schemas[name])
        assert schemas[name]["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    for name, path in written(tmp_path):
        jsonschema.validate(read_json_file(path), schemas[name])
    with pytest.raises(jsonschema.ValidationError, match="'seeds' is a required property"):
        jsonschema.validate({key: one for key, one in RESULT.items() if key != "seeds"}, schemas["result"])


def test_a_schema_of_something_else_is_refused() -> None:
    done = CliRunner().invoke(cli, ["schema", "--of", "weather"])
    assert (done.exit_code, "'weather' is not one of 'pipeline', 'result'" in done.output) == (2, True)


def test_reading_results_is_light() -> None:
    """Of the modules that read and show them, none imports torch."""
    modules = (
        "data.prediction, run.lock, run.measured, run.provenance, storage.adapter_config, storage.manifest, "
        "storage.result, studies.compare_report, studies.conditions, studies.settings, studies.sweep_report"
    )
    imports = "; ".join(f"import graftwork.core.{one}" for one in modules.split(", "))
    code = f"import sys; {imports}; print(sorted({{'torch', 'matplotlib'}} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout == "[]\n"
