"""Thirteen broken plugins and every command: it works, or says exactly what it could not do.

`tests/golden/broken_plugins.json` pins exit codes and output; with GRAFTWORK_REGENERATE=1 these tests write it again.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from importlib.metadata import EntryPoint
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from graftwork.registry import importing

from ..support.command_answers import Answers, answer, answers, forget_plugins
from ..support.paths import ROOT
from ..support.plugin_folder import DECLARE, GIVE, HEAD, PluginFolder, fine, plugin_folder

GOLDEN = ROOT / "tests" / "golden" / "broken_plugins.json"
#: A spec with a field that no JSON Schema can describe.
ODD = DECLARE.format(type_="odd").replace(
    "(Spec):\n", '(Spec):\n    model_config = {"arbitrary_types_allowed": True}\n    handle: Handle | None = None\n'
)
#: A spec with a field that pydantic cannot validate.
UNBUILDABLE = DECLARE.format(type_="odd").replace("(Spec):\n", "(Spec):\n    handle: Handle | None = None\n")
PLUGINS = {
    "import error": "import a_module_that_is_not_there\n",
    "syntax error": "def oops(:\n",
    "exit": "raise SystemExit(3)\n",
    "duplicate type": fine("lora"),
    "wrong API": fine("sound").replace("GRAFTWORK_API = 1", "GRAFTWORK_API = 2"),
    "misspelt hook": fine("sound").replace("def graftwork_components", "def graftwork_component"),
    "half-yielded components": fine("half") + "    raise KeyError('the second one')\n",
    "heavy import": "import torch\n" + fine("sound"),
    "printing on import": "print('hello from a plugin')\n" + fine("sound"),
    "patched torch": fine("sound") + "import torch\ndef relu(x):\n    return x\ntorch.nn.functional.relu = relu\n",
    "sleep": "import time\ntime.sleep(60)\n" + fine("sound"),
    "bad spec class": HEAD + "class Handle:\n    pass\n" + ODD + GIVE.format(type_="odd"),
    "unbuildable spec class": HEAD + "class Handle:\n    pass\n" + UNBUILDABLE + GIVE.format(type_="odd"),
}
#: What is noticed only where torch is not imported yet is asked in a process of its own, without what imports torch.
ELSEWHERE = """
import json, sys
from graftwork.registry import importing
from tests.support.command_answers import answers
importing.PATIENCE = 600.0
print(json.dumps(answers(json.loads(sys.argv[1]))))
"""
OWN_PROCESS = {"heavy import", "patched torch"}


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Store and spec that all cases share."""
    return tmp_path_factory.mktemp("broken")


@pytest.fixture(autouse=True)
def shared_cache(work: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("GRAFTWORK_CACHE", str(work / "cache"))
    forget_plugins()
    yield
    forget_plugins()


@pytest.fixture(scope="module")
def commands(work: Path, tiny_clip: Path) -> dict[str, list[str]]:
    """Every command that needs no earlier run, by name."""
    spec = work / "spec.json"
    sections = {
        "name": "tiny",
        "device": "cpu",
        "dataset": {"type": "image_folder", "root": str(_pictures(work / "pictures"))},
        "encoder": {"type": "open_clip", "model": f"local-dir:{tiny_clip}"},
        "adapter": {"type": "none"},
        "trainer": {"epochs": 1},
        "reporters": [],
    }
    spec.write_text(json.dumps(sections))
    return {
        "--help": ["--help"],
        "validate": ["validate", str(spec)],
        "validate --format json": ["validate", str(spec), "--format", "json"],
        "schema": ["schema"],
        "components list": ["components", "list"],
        "components list --format json": ["components", "list", "--format", "json"],
        "components show": ["components", "show", "adapter", "hmmoe", "--format", "json"],
        "plugins list": ["plugins", "list"],
        "plugins list --format json": ["plugins", "list", "--format", "json"],
        "plan": ["plan", str(spec), "--format", "json"],
        "doctor": ["doctor"],
        "run": ["run", str(spec)],
    }


def _pictures(root: Path) -> Path:
    """Two classes in three splits, each a picture of its own."""
    for number, (split, name) in enumerate(product(("train", "val", "test"), ("cat", "dog"))):
        (root / split / name).mkdir(parents=True)
        Image.new("L", (8, 8), 40 * number).save(root / split / name / "one.png")
    return root


@pytest.fixture(scope="module")
def without(work: Path, commands: dict[str, list[str]]) -> Answers:
    """The answers where no plugin is broken, everything encoded."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRAFTWORK_CACHE", str(work / "cache"))
        answer([*commands["run"], "--out", str(work / "first")])
        return answers(_into(commands, work / "run"))


def _into(commands: dict[str, list[str]], folder: Path) -> dict[str, list[str]]:
    return {**commands, "run": [*commands["run"], "--out", str(folder)]}


def _plain(text: str, entry: EntryPoint | None, folders: Sequence[Path]) -> str:
    """Without what differs from machine to machine."""
    if entry is not None:
        text = text.replace(entry.name, "NAME")
    for folder in folders:
        text = text.replace(str(folder), "FOLDER")
    # Files are hashed in parallel: by then, or not yet; and stored once they are old enough to be known by their time.
    text = re.sub(r"read files \(sha256\): \d+ of \d+(, \d+ stored)?\n?", "", text)
    text = re.sub(r"\d+ ms\b", "N ms", text)
    text = re.sub(r'"load_seconds": [\d.]+', '"load_seconds": N', text)
    return re.sub(r"cache: \S+, [\d.]+ MB", "cache: N MB", text)


def _said(found: str, usual: str) -> Any:
    """What is new in an output."""
    if found == usual:
        return "as without the plugin"
    if not found:
        return "nothing"
    before = usual.splitlines()
    return {
        "new": [line for line in found.splitlines() if line not in before],
        "gone": len([line for line in before if line not in found.splitlines()]),
    }


def _record(found: Answers, usual: Answers, entry: EntryPoint, folders: Sequence[Path]) -> dict[str, Any]:
    return {
        name: {
            "code": one["code"],
            "out": _said(_plain(one["out"], entry, folders), _plain(usual[name]["out"], None, folders)),
            "err": _plain(one["err"], entry, folders).splitlines(),
        }
        for name, one in found.items()
    }


@pytest.mark.parametrize("case", PLUGINS)
def test_every_command_with_a_broken_plugin(case, commands, without, work, tmp_path, monkeypatch):
    """Exit codes and output are those on file; standard output is as without the plugin wherever that is possible."""
    plugins = plugin_folder(tmp_path, monkeypatch)
    entry = plugins.install(PLUGINS[case], f"acme-{case.replace(' ', '-')}")
    asked = _into(commands, tmp_path / "run")
    if case in OWN_PROCESS:
        found = _elsewhere({name: asked[name] for name in asked if name not in ("doctor", "run")}, plugins)
    elif case == "sleep":  # nobody waits a minute: blocked, it is not imported
        found = answers({name: ["--plugins-block", entry.name, *arguments] for name, arguments in asked.items()})
    else:
        found = answers(asked)
    record = _record(found, without, entry, (tmp_path, work))
    golden = json.loads(GOLDEN.read_text("utf-8")) if GOLDEN.exists() else {}
    if os.environ.get("GRAFTWORK_REGENERATE"):
        GOLDEN.write_text(json.dumps({**golden, case: record}, indent=1) + "\n", "utf-8")
        golden[case] = record
    assert record == golden[case]
    assert "Traceback" not in json.dumps(record)


def test_the_file_holds_these_plugins_and_no_others():
    """Nothing stale is pinned."""
    assert set(json.loads(GOLDEN.read_text("utf-8"))) == set(PLUGINS)


def _elsewhere(asked: dict[str, list[str]], plugins: PluginFolder) -> Answers:
    path = os.pathsep.join([str(plugins.folder), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(
        [sys.executable, "-c", ELSEWHERE, json.dumps(asked)],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": path},
    )
    found: Answers = json.loads(done.stdout)
    return found


def test_a_slow_import_is_explained_and_can_be_interrupted(tmp_path, monkeypatch):
    """Said which plugin is waited for and how to do without; Ctrl-C ends with 130; --help does not wait."""
    plugins = plugin_folder(tmp_path, monkeypatch)
    entry = plugins.install(PLUGINS["sleep"], "acme-slow")
    code = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "  # ignored in background jobs
        "from graftwork.registry import importing; importing.PATIENCE = 0.2; "
        "from graftwork.core.cli import main; sys.argv[0] = 'graftwork'; main()"
    )
    path = os.pathsep.join([str(plugins.folder), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {**os.environ, "PYTHONPATH": path}
    subprocess.run([sys.executable, "-c", code, "--help"], check=True, capture_output=True, env=environment, timeout=30)
    with subprocess.Popen(
        [sys.executable, "-c", code, "schema"],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    ) as running:
        assert running.stderr is not None
        line = running.stderr.readline()
        while entry.name not in line:  # a busy machine waits for the built-ins, too
            line = running.stderr.readline()
        running.send_signal(signal.SIGINT)
        assert running.wait(timeout=30) == 130
    assert line.endswith(f"s so far; Ctrl-C ends the command, --plugins-block {entry.name} leaves the plugin out\n")
    assert line.startswith(f"waiting for plugin {entry.name} of acme-slow 1.2 to be imported, ")


def test_a_short_wait_is_not_mentioned(tmp_path, monkeypatch, capsys):
    """Nothing is said within the patience."""
    monkeypatch.setattr(importing, "PATIENCE", 30.0)
    plugins = plugin_folder(tmp_path, monkeypatch)
    plugins.install("import time\ntime.sleep(0.05)\n" + fine("sound"))
    assert answer(["plugins", "list"])["err"] == ""


@pytest.mark.parametrize("way", ["switch", "environment"])
def test_strict_makes_a_broken_plugin_an_error(way, commands, tmp_path, monkeypatch):
    """Exit code 1, the plugin and why; the list still lists."""
    plugins = plugin_folder(tmp_path, monkeypatch)
    entry = plugins.install(PLUGINS["import error"], "acme-broken")
    monkeypatch.setenv("GRAFTWORK_PLUGINS_STRICT", "1" if way == "environment" else "0")
    switch = ["--strict-plugins"] if way == "switch" else []
    found = answer([*switch, *commands["validate"]])
    assert (found["code"], found["out"]) == (1, "")
    assert found["err"].splitlines() == [
        f"error: plugin {entry.name} of acme-broken 1.2 cannot be loaded: ModuleNotFoundError: No module named "
        "'a_module_that_is_not_there'",
        "and --strict-plugins lets no plugin be broken",
    ]
    listed = answer([*switch, "plugins", "list"])
    assert listed["code"] == 1
    assert entry.name in listed["out"]


@pytest.mark.parametrize(
    ("variable", "value", "loaded"),
    [
        ("GRAFTWORK_PLUGINS_OFF", "1", set()),
        ("GRAFTWORK_PLUGINS_OFF", "no", {"acme-one", "acme-two"}),
        ("GRAFTWORK_PLUGINS_ALLOW", "acme_one", {"acme-one"}),
        ("GRAFTWORK_PLUGINS_ALLOW", "", set()),
        ("GRAFTWORK_PLUGINS_BLOCK", "Acme-One", {"acme-two"}),
        ("GRAFTWORK_PLUGINS_BLOCK", "acme-one, acme-two", set()),
    ],
)
def test_the_environment_selects_plugins(variable, value, loaded, tmp_path, monkeypatch):
    """By distribution as pip compares names; the built-ins are always there; who is left out is listed with why."""
    plugins = plugin_folder(tmp_path, monkeypatch)
    plugins.install(fine("one"), "acme-one")
    plugins.install(fine("two"), "acme-two")
    monkeypatch.setenv(variable, value)
    rows = json.loads(answer(["plugins", "list", "--format", "json"])["out"])
    assert {row["distribution"] for row in rows if row["components"]} == {"graftwork", *loaded}
    assert all((row["left_out"] is None) == bool(row["components"]) for row in rows)


@pytest.mark.parametrize(
    ("switches", "complaint"),
    [
        (["--plugins-block", "acme-onne"], "no plugin is called `acme-onne`; did you mean `acme-one`?"),
        (["--plugins-allow", "qqqq"], "no plugin is called `qqqq`; there are: acme-one"),
    ],
)
def test_a_misspelt_plugin_is_an_error(switches, complaint, tmp_path, monkeypatch):
    """What is misspelt is not blocked: exit code 2 and the nearest name."""
    plugin_folder(tmp_path, monkeypatch).install(fine("one"), "acme-one")
    found = answer([*switches, "plugins", "list"])
    assert found["code"] == 2
    assert complaint in found["err"]


def test_a_switch_that_says_neither_yes_nor_no_is_an_error(monkeypatch):
    """Exit code 2, the variable and what to write."""
    monkeypatch.setenv("GRAFTWORK_PLUGINS_OFF", "perhaps")
    found = answer(["components", "list"])
    assert (found["code"], found["err"]) == (2, "error: GRAFTWORK_PLUGINS_OFF is 'perhaps'; write 1 or 0\n")


COMMAND = HEAD + "import click\n@hookimpl\ndef graftwork_commands(cli):\n    cli.add_command({command})\n"
NEW = "click.Command('greet', callback=lambda: click.echo('good day'))"


def test_a_plugins_command_is_mounted_listed_and_suggested(tmp_path, monkeypatch):
    """It runs as one of ours, `plugins list` names it, a misspelling is answered with it."""
    plugins = plugin_folder(tmp_path, monkeypatch)
    entry = plugins.install(COMMAND.format(command=NEW))
    assert answer(["greet"])["out"] == "good day\n"
    assert "did you mean 'greet'?" in answer(["great"])["err"]
    rows = json.loads(answer(["plugins", "list", "--format", "json"])["out"])
    assert {row["name"]: row["commands"] for row in rows} == {"builtin": ["pocket"], entry.name: ["greet"]}


def test_a_command_that_is_ours_cannot_be_taken(tmp_path, monkeypatch):
    """Refused with a line on standard error; ours runs."""
    plugins = plugin_folder(tmp_path, monkeypatch)
    entry = plugins.install(COMMAND.format(command="click.Command('schema')"))
    plugins.install(COMMAND.format(command="click.Command('pocket')"), "acme-second")
    err = answer(["plugins", "list"])["err"]
    assert f"plugin {entry.name} of acme-adapters 1.2: its command `schema` is that of Graftwork; left out" in err
    assert "its command `pocket` is that of builtin of graftwork 0.1.0; left out" in err
    assert json.loads(answer(["schema"])["out"])["$schema"]
