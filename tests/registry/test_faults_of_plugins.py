"""What a plugin's author meets while writing: edits count at once, and whose fault it is is said."""

from __future__ import annotations

import importlib
import json
import os
import re
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from graftwork import Pipeline, load
from graftwork.core.run.load import CodeWarning
from graftwork.core.run.lock import LockError
from graftwork.core.storage.manifest import seal
from graftwork.core.studies.run_cache import RunCache
from graftwork.registry.component import source_digest
from graftwork.registry.discovery import default_catalogue

from ..support.command_answers import answer, forget_plugins
from ..support.plugin_folder import plugin_folder

SPEC = """
from typing import Literal
from graftwork.core.roles import AdapterSpec
from graftwork.registry.component import Component
from graftwork.registry.hookspecs import hookimpl

GRAFTWORK_API = 1


class OwnSpec(AdapterSpec):
    type: Literal["own"] = "own"


@hookimpl
def graftwork_components():
    yield Component("adapter", "own", OwnSpec, "PACKAGE.adapter:Own", "made for a test")
"""
ADAPTER = """
import torch
from graftwork.core.roles import Adapter


class Own(Adapter):
    def __init__(self, spec, width):
        super().__init__()
        self.output_width = width
        self.shift = torch.nn.Parameter(torch.zeros(width))

    def forward(self, x, graph=None):
        return x + self.shift
"""
Edit = Callable[[str, str], None]


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An installed package with an adapter in a module of its own."""
    name = f"own_adapter_{tmp_path.name}"
    (tmp_path / "site" / name).mkdir(parents=True)
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    (tmp_path / "site" / name / "__init__.py").write_text(SPEC.replace("PACKAGE", name))
    (tmp_path / "site" / name / "adapter.py").write_text(ADAPTER)
    metadata = tmp_path / "site" / "acme_own-1.2.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-own\nVersion: 1.2\n")
    (metadata / "entry_points.txt").write_text(f"[graftwork.plugins]\nown = {name}\n")
    forget_plugins()
    yield name
    forget_plugins()
    for module in [one for one in sys.modules if one.partition(".")[0] == name]:
        del sys.modules[module]


@pytest.fixture
def edit(package: str, tmp_path: Path) -> Edit:
    """Change a piece of the adapter's module, as its author would between two commands."""

    def change(old: str, new: str) -> None:
        path = tmp_path / "site" / package / "adapter.py"
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new))
        sys.modules.pop(f"{package}.adapter", None)
        importlib.invalidate_caches()

    return change


@pytest.fixture
def spec(tmp_path: Path, package: str, tiny_clip: Path) -> Path:
    sections: dict[str, Any] = {
        "name": "own",
        "device": "cpu",
        "dataset": {"type": "digits", "shots": 1},
        "encoder": {"type": "open_clip", "model": f"local-dir:{tiny_clip}"},
        "adapter": {"type": "own"},
        "task": {"type": "classification", "head": {"type": "linear"}},
        "trainer": {"epochs": 2},
        "reporters": [],
    }
    path = tmp_path / "spec.json"
    path.write_text(json.dumps(sections))
    return path


def run(spec: Path, tmp_path: Path) -> dict[str, Any]:
    return answer(["run", str(spec), "--out", str(tmp_path / "run")])


def test_an_edit_is_another_implementation(package: str, edit: Edit) -> None:
    """Back again, it is the first one; Graftwork's own are told by version alone."""
    component = default_catalogue().find("adapter", "own")
    before = component.implementation
    edit("x + self.shift", "x - self.shift")
    assert component.implementation != before
    edit("x - self.shift", "x + self.shift")
    assert component.implementation == before == f"1, source {source_digest(package)}"
    assert default_catalogue().find("adapter", "lora").implementation == 1


def test_a_file_is_read_again_where_it_may_have_changed(package: str, edit: Edit, tmp_path: Path) -> None:
    """Of an equal length at an equal time as well, where that time is not long past."""
    default_catalogue()
    file = tmp_path / "site" / package / "adapter.py"
    for hours, kept in ((1, False), (-1, True)):
        then = (time.time_ns() + hours * 3_600_000_000_000,) * 2
        os.utime(file, ns=then)
        before = source_digest(package)
        assert before is not None
        edit("x + self.shift", "x - self.shift")
        assert source_digest(package) != before
        os.utime(file, ns=then)
        assert (source_digest(package) == before) == kept
        edit("x - self.shift", "x + self.shift")
        assert source_digest(package) == before


def test_a_result_of_before_an_edit_is_not_found_again(spec: Path, edit: Edit, tmp_path: Path) -> None:
    """What `sweep` and `compare` look up is named by the source, too."""
    pipeline = Pipeline.from_file(spec)
    keys = RunCache(pipeline.catalogue, tmp_path / "store", tmp_path)
    before = keys.key(pipeline.spec)
    assert keys.key(pipeline.spec) == before
    edit("x + self.shift", "x + 5 * self.shift")
    assert keys.key(pipeline.spec) != before


def test_a_lock_does_not_hold_after_an_edit(spec: Path, edit: Edit, tmp_path: Path) -> None:
    """The component is named."""
    pipeline = Pipeline.from_file(spec)
    lock = pipeline.lock(tmp_path / "store")
    edit("x + self.shift", "x + 5 * self.shift")
    with pytest.raises(LockError, match=r"components\.adapter\.own: locked \"1, source [0-9a-f]+\", now \"1, source"):
        pipeline.locked_by(lock).run(tmp_path / "run", tmp_path / "store")


def test_a_run_in_use_says_that_the_code_is_another(spec: Path, edit: Edit, tmp_path: Path) -> None:
    """`predict`, `load` and `compare`, of the run folder or the adapter's by itself: what was, what is."""
    finished = run(spec, tmp_path)["out"].strip()
    Image.new("L", (8, 8), 200).save(tmp_path / "one.png")
    predicting = ["predict", finished, str(tmp_path / "one.png")]
    comparing = ["compare", finished, "--out", str(tmp_path / "compared")]
    before = [answer(predicting), answer(comparing)]
    edit("x + self.shift", "x + 5 * self.shift + 1")
    after = [answer(predicting), answer(comparing)]
    said = r"adapter\.own of acme-own 1\.2 was version 1, source \w{16}, and is version 1, source \w{16}"
    assert [before[0]["err"], re.search(said, before[1]["out"])] == ["", None]
    assert re.fullmatch(
        f"warning: .* was made with other code than is installed: {said}; predictions may.*\n", after[0]["err"]
    )
    assert re.search(f"own: its figures are of other code than is installed: {said}\n", after[1]["out"])
    shutil.copytree(Path(finished) / "adapter", tmp_path / "alone")
    with pytest.warns(CodeWarning, match=said):
        load(tmp_path / "alone", device="cpu")


def test_what_an_older_run_wrote_into_its_lock_alone_counts(spec: Path, edit: Edit, tmp_path: Path) -> None:
    """Nothing is said where nothing is recorded."""
    adapter = Path(run(spec, tmp_path)["out"].strip()) / "adapter"
    config = json.loads((adapter / "adapter_config.json").read_text())
    del config["graftwork"]["components"], config["graftwork"]["plugins"]
    (adapter / "adapter_config.json").write_text(json.dumps(config))
    for folder in (adapter, adapter.parent):
        seal(folder)
    edit("x + self.shift", "x + 5 * self.shift")
    with pytest.warns(CodeWarning, match="adapter.own of acme-own"):
        load(adapter.parent, device="cpu")
    (adapter.parent / "lock.json").unlink()
    seal(adapter.parent)
    load(adapter.parent, device="cpu")  # a warning would be an error


def test_a_run_whose_plugin_is_gone_names_it(spec: Path, package: str, tmp_path: Path) -> None:
    """By distribution and version, before the type that nobody has."""
    finished = run(spec, tmp_path)["out"].strip()
    shutil.rmtree(tmp_path / "site" / "acme_own-1.2.dist-info")
    forget_plugins()
    told = answer(["predict", finished, "one.png"])
    assert told["code"] == 2
    first, second = told["err"].splitlines()
    assert first == f"error: {finished} was made with acme-own 1.2, which is not installed here; pip install it"
    assert "unknown adapter type `own`" in second


def test_an_exception_in_a_plugin_is_that_plugins(spec: Path, package: str, edit: Edit, tmp_path: Path) -> None:
    """Its own frames, then whose they are and how to try the component by itself."""
    edit("return x", "raise KeyError('oops')\n        return x")
    told = run(spec, tmp_path)
    assert told["code"] == 1
    lines = told["err"].splitlines()
    first = next(line for line in lines if line.startswith("  File "))
    assert package in first
    assert lines[-2:] == [
        "error: plugin own of acme-own 1.2 failed: KeyError: 'oops'",
        "`graftwork plugins check acme-own` tries its components by themselves",
    ]


def test_an_exception_of_our_own_stays_what_it_is(spec: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The whole traceback; what a plugin gave may have led there, and nobody is blamed before that is tried."""
    monkeypatch.setattr("graftwork.core.run.run.result_of", lambda *_: 1 / 0)
    told = run(spec, tmp_path)
    assert told["code"] == 1
    assert "in run_pipeline" in told["err"]
    assert told["err"].splitlines()[-2:] == [
        "error: ZeroDivisionError: division by zero",
        "no line above is a plugin's, but what a component of acme-own 1.2 gave may have led here: `graftwork plugins "
        "check acme-own` tries its components by themselves; if nothing is found, the mistake is Graftwork's",
    ]


def test_where_no_plugin_is_at_work_none_is_named(spec: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Installed is not at work."""
    monkeypatch.setattr("graftwork.core.run.run.result_of", lambda *_: 1 / 0)
    plain = json.loads(spec.read_text()) | {"adapter": {"type": "none"}}
    spec.write_text(json.dumps(plain))
    with pytest.raises(ZeroDivisionError):
        run(spec, tmp_path)


@pytest.mark.parametrize(
    ("old", "new", "said", "code"),
    [
        ("x + self.shift", "(x + self.shift)[:, 1:]", "gave [10, 31] for 10 nodes, and its output_width is 32", 1),
        ("x + self.shift", "(x + self.shift)[0]", "gave [32] for 10 nodes", 1),
        ("return x + self.shift", "x + self.shift", "gave NoneType for 10 nodes", 1),
        ("        self.output_width = width\n", "", "sets no output_width; set it in __init__", 1),
        ("spec, width)", "spec)", "Own.__init__() takes 2 positional arguments but 3 were given", 1),
        ("def forward", "def fordward", "Can't instantiate abstract class Own", 1),
        ("x + self.shift", "x + self.shift / 0", "unless what adapter or head gives is not finite from the start", 2),
        ("class Own(", "class Oen(", "there is no `Own`; did you mean `Oen`?", 1),
        ("super().__init__()", "super(.__init__()", "SyntaxError: invalid syntax (adapter.py, line 8)", 1),
        ("import torch\n", "import torch, no_such_thing\n", "No module named 'no_such_thing'; reinstall acme-own", 1),
    ],
)
def test_what_an_adapter_does_wrong_is_said(
    old: str, new: str, said: str, code: int, spec: Path, edit: Edit, tmp_path: Path
) -> None:
    """In one line, without a traceback."""
    edit(old, new)
    told = run(spec, tmp_path)
    assert said in told["err"]
    assert told["code"] == code
    assert "Traceback" not in told["err"]


def test_an_entry_point_that_names_no_module_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where to mend it, the line of the package's pyproject; or what to do where its files are gone."""
    plugins = plugin_folder(tmp_path, monkeypatch)
    entry = plugins.install("GRAFTWORK_API = 1")
    (plugins.folder / f"{entry.value}.py").unlink()
    forget_plugins()
    told = answer(["plugins", "list"])["out"]
    said = f"which its entry point `{entry.name} = {entry.value}` in group graftwork.plugins names"
    assert (
        f"not loaded: ModuleNotFoundError: No module named '{entry.value}', {said}; install acme-adapters again" in told
    )
    assert "or remove it: pip uninstall acme-adapters\n" in told


def test_a_package_in_another_group_is_told_so() -> None:
    """It is installed, and no plugin."""
    told = answer(["plugins", "check", "hypothesis"])
    assert told["code"] == 2
    assert "a package of that name is installed, and has no entry point in the group graftwork.plugins" in told["err"]


@pytest.mark.parametrize("table", ["graftwork_examples", "graftwork_expected_failures"])
def test_a_table_that_names_no_component_is_an_error(table: str, package: str, tmp_path: Path) -> None:
    """Else what is misspelt would silently not be tried."""
    path = tmp_path / "site" / package / "__init__.py"
    path.write_text(f'{path.read_text()}\n{table} = {{"adapter.owm": {{}}}}\n')
    told = answer(["plugins", "check", "acme-own"])
    assert told["code"] == 2
    assert (
        f"{table} of plugin own names `adapter.owm`, which it does not bring; did you mean `adapter.own`?"
        in told["err"]
    )
