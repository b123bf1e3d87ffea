"""The command line: light, exact about its exit codes, results on standard output and everything else on the other."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest
import torch
from PIL import Image

from graftwork import Pipeline
from graftwork.core.cli import COMMANDS, cli
from graftwork.core.cli.plugins.component_page import example
from graftwork.core.stages.encode import EncoderStage
from graftwork.core.stages.prompts import class_prompts
from graftwork.plugins.datasets import DigitsSpec
from graftwork.plugins.datasets.digits import Digits
from graftwork.plugins.encoders import OpenClipSpec
from graftwork.registry.discovery import default_catalogue

from ...support.paths import ROOT
from ...support.plugin_folder import HEAD, fine, plugin_folder

HEAVY = ("torch", "torchvision", "transformers", "open_clip", "torch_geometric", "triton", "timm")
LEAVES = [
    *([name] for name in COMMANDS if name not in ("cache", "components", "plugins", "plugin")),
    *(["cache", name] for name in ("ls", "verify", "prune")),
    ["plugins", "check"],
    ["plugin", "new"],
    ["components", "list"],
    ["components", "show"],
    ["plugins", "list"],
    ["plugins", "hooks"],
]
#: Runs a command as the console script does, then says which heavy modules it imported.
RUNNER = f"""
import atexit, sys
atexit.register(lambda: print("HEAVY", [name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr))
from graftwork.core.cli import main
sys.argv = ["graftwork", *sys.argv[1:]]
main()
"""


def graftwork(*arguments: str | Path, code: int = 0, **environment: str) -> tuple[str, str]:
    """Run a command that must end with ``code`` and import nothing heavy: its standard output and error."""
    if "PYTHONPATH" in environment:  # beside whatever this process finds Graftwork by
        paths = environment["PYTHONPATH"], os.environ.get("PYTHONPATH")
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
    done = subprocess.run(
        [sys.executable, "-c", RUNNER, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "COLUMNS": "110", **environment},
    )
    assert done.returncode == code, done.stderr
    assert done.stderr.endswith("HEAVY []\n")
    return done.stdout, done.stderr.removesuffix("HEAVY []\n")


@pytest.fixture
def spec(tmp_path: Path, tiny_clip: Path) -> Path:
    """A pipeline on digits with the tiny CLIP, zero-shot."""
    path = tmp_path / "spec.json"
    path.write_text(
        json.dumps(
            {
                "name": "tiny",
                "device": "cpu",
                "dataset": {"type": "digits", "shots": 2},
                "encoder": {"type": "open_clip", "model": f"local-dir:{tiny_clip}", "templates": ["a {}", "the {}"]},
                "graph": {"type": "similarity", "threshold": 0.5},
                "adapter": {"type": "ga_net", "bottleneck": 4},
                "search": {"graph.threshold": [0.4, 0.5]},
                "evaluation": {"seeds": [0, 1, 2]},
            },
            indent=2,
        )
    )
    return path


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    """A spec with two mistakes."""
    path = tmp_path / "broken.json"
    path.write_text('{\n  "dataset": {"type": "digit"},\n  "encoder": {"type": "open_clip"},\n  "adaptor": {}\n}\n')
    return path


def test_importing_graftwork_imports_nothing_heavy():
    """``import graftwork`` costs no torch, numpy, pydantic or click; the public names come on first use."""
    heavy = [*HEAVY, "numpy", "pydantic", "pluggy", "click", "rich", "sklearn", "PIL"]
    code = f"import sys, graftwork; print([m for m in {heavy!r} if m in sys.modules], dir(graftwork))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    names = [
        "GraftClassifier",
        "GraftedModel",
        "GraftworkError",
        "Pipeline",
        "SpecError",
        "__version__",
        "compare",
        "evaluate",
    ]
    assert done.stdout == f"[] {[*names, 'graft', 'hmmoe', 'load', 'lora', 'report']}\n"


def test_making_a_pipeline_in_python_imports_nothing_heavy(spec):
    """Reading, validating and planning in Python is as light as on the command line."""
    code = (
        "import sys; from graftwork import Pipeline; Pipeline.from_file(sys.argv[1]).plan(); "
        f"print([m for m in {list(HEAVY)!r} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code, spec], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_the_package_is_the_command_too(tmp_path: Path) -> None:
    """``python -m graftwork``: of an installed package from anywhere, of a checkout from the folder that it is in."""
    for place, path in ((tmp_path, str(ROOT.parent)), (ROOT.parent, "")):
        done = subprocess.run(
            [sys.executable, "-m", "graftwork", "cache", "--help"],
            cwd=place,
            env={**os.environ, "PYTHONPATH": path},
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.startswith("Usage: graftwork cache ")


@pytest.mark.parametrize("command", [[], *LEAVES, ["cache"], ["components"], ["plugins"]], ids=" ".join)
def test_help_is_light(command):
    """``--help`` of every command ends with 0, prints on standard output alone, and imports nothing heavy."""
    out, err = graftwork(*command, "--help")
    assert out.startswith(f"Usage: {' '.join(['graftwork', *command])} ")
    assert err == ""


@pytest.mark.parametrize("command", LEAVES, ids=" ".join)
def test_help_holds_an_example(command):
    """Every command shows one use of itself."""
    found: click.Command | None = cli
    for name in command:
        assert isinstance(found, click.Group)
        found = found.get_command(click.Context(found), name)
    assert found is not None
    assert (found.epilog or "").startswith(f"Example: graftwork {' '.join(command)}")


def test_version_is_printed():
    """``--version`` names the distribution's version."""
    out, _ = graftwork("--version")
    assert out == "graftwork, version 0.1.0\n"


def test_validate_accepts(spec):
    """A valid spec: one line, exit code 0."""
    assert graftwork("validate", spec) == (f"{spec}: valid\n", "")


def test_validate_names_every_problem_on_standard_error(broken):
    """Exit code 2; a line a problem with file, line, column and JSON path; nothing on standard output."""
    out, err = graftwork("validate", broken, code=2)
    assert (out, err.removeprefix("error: ").replace(str(broken), "F").splitlines()) == (
        "",
        [
            "F:2:23: $.dataset.type: unknown dataset type `digit` (did you mean `digits`?)",
            "F:1:1: $: `adapter` is missing "
            "(installed: bottleneck, clip_adapter, diffusion, ga_net, hmmoe, lora, none)",
            "F:4:14: $.adaptor: unknown key `adaptor` (did you mean `adapter`?)",
        ],
    )


def test_validate_as_json(spec, broken):
    """Valid or not, standard output is one JSON value; the exit code says which."""
    out, err = graftwork("validate", broken, "--format", "json", code=2)
    report = json.loads(out)
    assert (report["valid"], len(report["problems"]), err) == (False, 3, "")
    assert report["problems"][0] | {"source": "F"} == {
        "reason": "unknown dataset type `digit`",
        "path": ["dataset", "type"],
        "hint": "did you mean `digits`?",
        "source": "F",
        "line": 2,
        "column": 23,
        "json_path": "$.dataset.type",
    }
    out, _ = graftwork("validate", spec, "--format", "json")
    assert json.loads(out)["pipeline"]["adapter"]["bottleneck"] == 4


def test_set_changes_and_is_blamed(spec):
    """``--set`` changes the spec that is validated; its mistakes are named as its own."""
    out, _ = graftwork("validate", spec, "--format", "json", "--set", "adapter.bottleneck=7", "--set", "name=other")
    pipeline = json.loads(out)["pipeline"]
    assert (pipeline["adapter"]["bottleneck"], pipeline["name"]) == (7, "other")
    _, err = graftwork("validate", spec, "--set", "adapter.bottleneck=0", code=2)
    assert err.startswith("error: --set adapter.bottleneck: $.adapter.bottleneck: ")


def test_file_that_is_not_there_ends_with_2(tmp_path):
    """A wrong path is the user's mistake, in one line."""
    out, err = graftwork("validate", tmp_path / "nothing.json", code=2)
    assert (out, err) == ("", f"error: {tmp_path}/nothing.json: $: cannot be read: No such file or directory\n")


def test_schema_is_a_schema():
    """Standard output is the exported JSON Schema, ready to be saved."""
    out, err = graftwork("schema")
    assert (json.loads(out)["$schema"], err) == ("https://json-schema.org/draft/2020-12/schema", "")


def test_components_are_listed():
    """Every component with kind, type, summary and where it comes from; one kind alone on request."""
    rows = json.loads(graftwork("components", "list", "--format", "json")[0])
    assert {"kind": "adapter", "type": "none", "summary": "no adapter", "plugin": "graftwork 0.1.0"} in rows
    assert {row["kind"] for row in rows} == set(default_catalogue().kinds())
    text, _ = graftwork("components", "list", "--kind", "head")
    assert [line.split()[:2] for line in text.splitlines() if line.startswith("head ")] == [
        ["head", type_]
        for type_ in (
            *("cosine", "linear", "mlp", "logistic_regression", "prototype"),
            *("self_training", "label_propagation", "tip_adapter", "graph_adapter"),
        )
    ]


def test_unknown_kind_is_answered_with_the_nearest():
    """A misspelt kind is an error of use: exit code 2."""
    _, err = graftwork("components", "list", "--kind", "adaptor", code=2)
    assert "no component is of kind 'adaptor'; did you mean 'adapter'?" in err


def test_a_component_is_shown():
    """Fields with what they take, default and documentation; an example; distribution, file and implementation."""
    page = json.loads(graftwork("components", "show", "adapter", "lora", "--format", "json")[0])
    assert (page["distribution"], page["build"]) == ("graftwork", "graftwork.plugins.adapters.lora.lora:Lora")
    assert Path(page["file"]).parts[-3:] == ("adapters", "lora", "spec.py")
    assert next(field for field in page["fields"] if field["name"] == "dropout") == {
        "name": "dropout",
        "takes": "number, at least 0, below 1",
        "required": False,
        "default": 0.0,
        "documentation": "Share of a layer's inputs that its update does not see in training.",
    }
    out, _ = graftwork("components", "show", "task", "classification")
    assert 'head: head component; default {"type": "cosine"}\n' in out  # made when it is needed
    out, err = graftwork("components", "show", "dataset", "image_folder")
    assert "root: string, at least 1 letter; required" in out
    assert 'example: {"type": "image_folder", "root": "..."}' in out
    assert err == ""


@pytest.mark.parametrize("name", [component.name for component in default_catalogue()])
def test_every_builtin_has_a_valid_example(name):
    """The least that a spec of it must say; ``example`` validates what it gives."""
    catalogue = default_catalogue()
    component = catalogue.find(*name.split(".", 1))
    found = example(component, catalogue)
    assert found is not None
    assert isinstance(component.spec.model_validate(found, context={"catalogue": catalogue}), component.spec)


@pytest.mark.parametrize(
    ("given", "answer"),
    [
        (["adapter", "lorra"], "error: unknown adapter type `lorra` (did you mean `lora`?)"),
        (["adaptor", "lora"], "no component is of kind 'adaptor'; did you mean 'adapter'?"),
        (["encoder", "lora"], "`lora` is of kind adapter"),
    ],
)
def test_a_component_that_is_not_there_ends_with_2(given, answer):
    """Kind and type are answered with the nearest."""
    assert answer in graftwork("components", "show", *given, code=2)[1]


def test_plugins_are_listed():
    """Name, distribution, version, load time and components of every plugin."""
    rows = json.loads(graftwork("plugins", "list", "--format", "json")[0])
    builtin = next(row for row in rows if row["name"] == "builtin")
    assert (builtin["distribution"], builtin["failure"]) == ("graftwork", None)
    assert "encoder.open_clip" in builtin["components"]


def test_broken_plugin_costs_one_line_and_nothing_else(tmp_path, monkeypatch, spec):
    """Warned of on standard error; the other plugins, and standard output, are as without it."""
    plugins = plugin_folder(tmp_path, monkeypatch)
    plugins.install("raise SystemExit('no licence')", "acme-broken")
    plugins.install(fine("sound"), "acme-sound")
    path = {"PYTHONPATH": str(plugins.folder)}
    out, err = graftwork("validate", spec, **path)
    assert out == f"{spec}: valid\n"
    (warning,) = err.splitlines()
    assert warning.endswith(" of acme-broken 1.2 is left out: SystemExit: no licence")
    rows = json.loads(graftwork("plugins", "list", "--format", "json", **path)[0])
    failures = {row["distribution"]: row["failure"] for row in rows}
    assert failures == {"graftwork": None, "acme-broken": "SystemExit: no licence", "acme-sound": None}
    assert "sound" in graftwork("components", "list", "--kind", "adapter", **path)[0]
    assert len(graftwork("schema", **path)[1].splitlines()) == 1


def test_spec_that_needs_a_broken_plugin_says_why(tmp_path, monkeypatch, spec):
    """The type is unknown because its distribution could not be loaded: the message says so."""
    plugins = plugin_folder(tmp_path, monkeypatch)
    plugins.install(HEAD + "import a_module_that_is_not_there\n", "acme-lora")
    _, err = graftwork("validate", spec, "--set", "adapter.type=qqqq", code=2, PYTHONPATH=str(plugins.folder))
    assert "plugin acme-lora 1.2 could not be loaded: ModuleNotFoundError" in err.splitlines()[-1]


def test_two_plugins_with_one_type_end_with_1(tmp_path, monkeypatch, spec):
    """The environment is at fault, and both distributions are named."""
    plugins = plugin_folder(tmp_path, monkeypatch)
    plugins.install(fine("same"), "acme-one")
    second = plugins.install(fine("same"), "acme-two").name
    _, err = graftwork("validate", spec, code=1, PYTHONPATH=str(plugins.folder))
    assert err == (
        "error: adapter type `same` is declared by both acme-one 1.2 and acme-two 1.2; uninstall one of "
        f"them, or leave one out with --plugins-block {second}\n"
    )
    _, err = graftwork("--plugins-block", second, "validate", spec, PYTHONPATH=str(plugins.folder))
    assert err == ""


@pytest.mark.parametrize(
    ("given", "answer"),
    [
        (["pln"], "no such command 'pln'; did you mean 'plan'?"),
        (["qqqq"], "No such command 'qqqq'."),
        (["validate"], "Missing argument 'SPEC'."),
        (["validate", "x.json", "--frmat", "json"], "No such option"),
        (["validate", "x.json", "--format", "xml"], "'xml' is not one of 'text', 'json'."),
        (["predict", "runs/x"], "Missing argument 'IMAGES...'."),
        (["sweep", "x.json", "--seeds", "99999999999"], "99999999999 seeds; the most is 10,000"),
    ],
)
def test_misuse_ends_with_2_and_says_how(given, answer):
    """Misspelt commands get the nearest one, wrong options click's answer; on standard error."""
    out, err = graftwork(*given, code=2)
    assert out == ""
    assert answer in err


def planned(spec: Path, *options: str | Path) -> dict[str, tuple[int, int]]:
    """Stage to (stored, total), of the stages that store."""
    stages = json.loads(graftwork("plan", spec, "--format", "json", *options)[0])["stages"]
    return {stage["stage"]: (stage["stored"], stage["total"]) for stage in stages if stage["total"] is not None}


def test_plan_counts_what_is_stored(spec, tiny_clip, tmp_path):
    """Nothing at first; after a part was encoded, that part; another image size or template misses what it must."""
    store = tmp_path / "store"
    images = len({item.modalities["image"].digest for split in digits().values() for item in split})
    assert planned(spec, "--cache", store) == {"encode image": (0, images), "encode prompts": (0, 20)}
    encoder = OpenClipSpec(model=f"local-dir:{tiny_clip}", templates=["a {}", "the {}"])
    stage = EncoderStage(encoder, default_catalogue(), store, lambda: torch.device("cpu"))
    stage.encode("image", [item.modalities["image"] for item in digits()["val"][:40]])
    stage.encode("text", class_prompts(encoder, tuple("0123456789")))
    assert planned(spec, "--cache", store) == {"encode image": (40, images), "encode prompts": (20, 20)}
    assert planned(spec, "--cache", store, "--set", 'encoder.templates=["a {}", "one {}"]') == {
        "encode image": (40, images),
        "encode prompts": (10, 20),
    }
    assert planned(spec, "--cache", store, "--set", "encoder.image_size=64")["encode image"] == (0, images)


def test_plan_counts_equal_pictures_once(spec, tmp_path):
    """Work is counted in contents: four files with two contents are two pictures to encode."""
    for split in ("train", "val", "test"):
        for number, name in enumerate(("cat", "dog", "eel", "fox")):
            folder = tmp_path / "pictures" / split / name
            folder.mkdir(parents=True)
            Image.new("L", (4, 4), number % 2).save(folder / "a.png")
    dataset = {"type": "image_folder", "root": str(tmp_path / "pictures")}
    plan = Pipeline.from_file(spec, {"dataset": dataset}).plan()
    assert {one.stage: one.total for one in plan.stages if one.total} == {"encode image": 2, "encode prompts": 8}


def digits() -> dict[str, Any]:
    return dict(Digits(DigitsSpec()).load().splits)


def test_plan_is_a_table_with_parameter_counts(spec):
    """Stages, trainings, trainable and frozen parameters, before anything runs."""
    out, err = graftwork("plan", spec)
    trainable = 2 * 32 * 4 + 4 + 32 + 2 * 4 * 4 + 4
    counts = f"trainable parameters in all: {trainable}; frozen in all: 1,629,153; trainable share 0.02%\n"
    assert f"{counts}trainings: 6\n" in out
    stages = ("dataset", "encode image", "encode prompts", "graph", "train", "evaluate")
    assert all(stage in out for stage in stages)
    assert err == ""


def test_plan_writes_nothing(spec, cache):
    """Looking makes no folder and no file in the store that GRAFTWORK_CACHE names."""
    planned(spec)
    assert list(cache.iterdir()) == []


def test_plan_of_data_that_is_not_there_ends_with_2(spec, tmp_path):
    """The data set's own message, in one line."""
    dataset = json.dumps({"type": "image_folder", "root": str(tmp_path / "nothing")})
    out, err = graftwork("plan", spec, "--set", f"dataset={dataset}", code=2)
    assert (out, err) == ("", f"error: dataset.root: {tmp_path}/nothing is no folder\n")


def test_plan_of_a_damaged_model_is_still_made(spec, tmp_path):
    """Weights that are no safetensors file leave the count open; loading them will say what is wrong."""
    folder = tmp_path / "damaged"
    folder.mkdir()
    (folder / "open_clip_config.json").write_text('{"model_cfg": 3}')
    (folder / "open_clip_model.safetensors").write_bytes(b"\x10\0\0\0\0\0\0\0 not a header at all")
    out, _ = graftwork("plan", spec, "--format", "json", "--set", f"encoder.model=local-dir:{folder}")
    assert (json.loads(out)["frozen"], json.loads(out)["trainable"]) == (None, None)


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8"])
def test_json_is_json_in_every_encoding(encoding):
    """A redirected schema is valid JSON also where standard output is not UTF-8, as on some Windows."""
    command = [sys.executable, "-c", RUNNER, "schema"]
    done = subprocess.run(
        command, capture_output=True, check=True, env={**os.environ, "PYTHONUTF8": "0", "PYTHONIOENCODING": encoding}
    )
    description = json.loads(done.stdout.decode("utf-8"))["$defs"]["regularizer.ewc"]["properties"]["strength"]
    assert description["description"].endswith("(theta - anchor)²."), "a letter outside ASCII, as it was"


def test_doctor_ends_with_1_if_the_cache_cannot_be_written(tmp_path):
    """Every check is a line; what is wrong comes with what to do about it."""
    (tmp_path / "file").write_text("")
    done = subprocess.run(
        [sys.executable, "-c", RUNNER, "doctor"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "GRAFTWORK_CACHE": str(tmp_path / "file" / "cache")},
    )
    cache = next(line for line in done.stdout.splitlines() if " cache: " in line)
    assert (done.returncode, cache.startswith("FAIL cache: cannot write ")) == (1, True)
    assert cache.endswith("; set GRAFTWORK_CACHE to a folder that can be written")
    assert "ok   torch: " in done.stdout


def test_reader_that_closes_early_is_no_crash():
    """``graftwork schema | head -1`` ends well, without a word: the rest was not wanted."""
    with subprocess.Popen(
        [sys.executable, "-c", RUNNER, "schema"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as running:
        running.stdout.close()
        assert (running.stderr.read(), running.wait()) == ("HEAVY []\n", 0)
