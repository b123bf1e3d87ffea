"""Locks: what they hold, and that a locked run refuses wherever anything differs, naming each difference."""

from __future__ import annotations

import copy
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from graftwork import Pipeline
from graftwork.core.cli import cli
from graftwork.core.data.items import DataError
from graftwork.core.run import make_lock as lock_module
from graftwork.core.run.lock import Lock, LockError, read_lock
from graftwork.core.run.lock_check import hold
from graftwork.core.storage.sealed import sealed
from graftwork.registry.catalogue import Catalogue, Plugin
from graftwork.registry.discovery import default_catalogue

from ...support.small_pipeline import SMALL, catalogue, pipeline

#: Installed components alone, so that the command line knows them.
SPEC = {
    "dataset": {"type": "digits", "shots": 2},
    "encoder": {"type": "open_clip"},
    "adapter": {"type": "none"},
    "reporters": [],
}


def small(**overrides: Any) -> Pipeline:
    """A pipeline of a second, trained for one epoch."""
    return pipeline(trainer__epochs=1, **overrides)


def difference(lock: dict[str, Any], one: Pipeline, store: Path) -> list[str]:
    """What is named where the pipeline is held to the lock."""
    with pytest.raises(LockError) as error:
        hold(Lock.from_json(lock, "x"), one.spec, one.catalogue, store, "x.lock.json")
    first, *lines = str(error.value).split("\n")
    assert (first, error.value.exit_code) == ("x.lock.json does not hold here:", 2)
    return [line.strip() for line in lines]


def altered(lock: dict[str, Any], *path: str, value: Any) -> dict[str, Any]:
    """The lock with another value, and sealed as if it had been made so."""
    lock = copy.deepcopy(lock)
    node = lock
    for part in path[:-1]:
        node = node[part]
    node[path[-1]] = value
    return sealed(lock)


def test_a_lock_holds_all_that_numbers_depend_on(tmp_path):
    """Spec with defaults, versions of Graftwork, plugins, components and packages, models, data; and loads no model."""
    one = small()
    lock = one.lock(tmp_path)
    assert lock["pipeline"] == one.spec.to_json()
    assert lock["plugins"]["tests"] == {"distribution": "graftwork-tests", "version": "1"}
    assert lock["components"].keys() >= {"dataset.few_digits", "encoder.pixels", "adapter.ga_net", "head.linear"}
    assert lock["models"]["encoder"]["identity"] == one.spec.encoder.identity()
    assert {"torch", "pydantic"} <= lock["versions"].keys()
    assert len(lock["data_fingerprint"]) == len(lock["sha256"]) == 64
    assert lock["encoder"] == {}


def test_a_lock_names_the_plugins_that_the_pipeline_uses_and_no_others(tmp_path):
    """Another plugin that comes or goes breaks no lock."""
    other = Plugin("other", "other-adapters", "9")
    wider = Catalogue([other, *catalogue().plugins])
    lock = Pipeline.from_dict(SMALL, catalogue=wider).lock(tmp_path)
    assert set(lock["plugins"]) == {"builtin", "tests"}
    hold(Lock.from_json(lock, "x"), pipeline().spec, catalogue(), tmp_path, "x")


def test_a_lock_that_is_older_than_a_field_holds_while_the_field_has_its_default(tmp_path):
    """Another value of it is named."""
    lock = pipeline().lock(tmp_path)
    for field in ("duplicates", "background"):
        del lock["pipeline"]["dataset"][field]
    old = Lock.from_json(sealed(lock), "x")
    hold(old, pipeline().spec, catalogue(), tmp_path, "x")
    with pytest.raises(LockError, match=r"\$\.dataset\.background: locked \"#ffffff\", now \"#000000\""):
        hold(old, pipeline(dataset__background="#000000").spec, catalogue(), tmp_path, "x")


def test_components_that_a_search_tries_are_locked_too(tmp_path):
    """They decide the numbers as well."""
    heads = [{"type": "cosine"}, {"type": "linear"}]
    lock = pipeline(search={"task.head": heads, "adapter.bottleneck": [4, 8]}).lock(tmp_path)
    assert lock["components"].keys() >= {"head.cosine", "head.linear"}


def test_locking_is_repeatable(tmp_path):
    """The same place gives the same sha256, whatever the order of the spec's keys."""
    backwards = dict(reversed(SMALL.items()))
    assert pipeline().lock(tmp_path) == Pipeline.from_dict(backwards, catalogue=catalogue()).lock(tmp_path)


def test_a_run_from_a_lock_is_that_run_and_its_own_lock_holds_too(tmp_path):
    """The lock before the run, and the one that the run writes, are one format."""
    first = Pipeline.from_lock(small().lock(tmp_path), catalogue()).run(tmp_path / "first", tmp_path / "store")
    second = Pipeline.from_lock(first.folder / "lock.json", catalogue()).run(tmp_path / "second", tmp_path / "store")
    assert second.result["test"] == first.result["test"]
    locks = [json.loads((run.folder / "lock.json").read_text()) for run in (first, second)]
    assert locks[0] == locks[1]
    assert locks[0]["encoder"]["image"]["weights"] == first.result["encoder"]["image"]["weights"]


def test_every_difference_is_named(tmp_path):
    """Values, versions and what is no longer installed, all in one message."""
    lock = small().lock(tmp_path)
    wrong = altered(lock, "versions", "torch", value="1.0")
    wrong = altered(wrong, "graftwork", value="0.0.9")
    wrong = altered(wrong, "plugins", "acme", value={"distribution": "acme-adapters", "version": "1.2"})
    wrong = altered(wrong, "plugins", "tests", "version", value="7")
    assert difference(wrong, small(graph__threshold=0.5), tmp_path) == [
        'graftwork: locked "0.0.9", now "0.1.0"',
        'plugins.tests.version: locked "7", now "1"',
        'plugins.acme: locked {"distribution": "acme-adapters", "version": "1.2"}, now absent',
        f'versions.torch: locked "1.0", now "{lock["versions"]["torch"]}"',
        "$.graph.threshold: locked 0.8, now 0.5",
    ]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("components", "adapter.ga_net"), 7),
        (("data_fingerprint",), "0" * 64),
        (("models", "encoder", "identity", "type"), "voxels"),
        (("start_from",), "1" * 64),
    ],
)
def test_data_models_components_and_the_run_before_are_compared(tmp_path, path, value):
    """Each by content or version, each on its own."""
    (line,) = difference(altered(small().lock(tmp_path), *path, value=value), small(), tmp_path)
    assert line.startswith(f"{'.'.join(path)}: locked {json.dumps(value)}, now ")


def test_other_data_are_refused(tmp_path):
    """The data set is listed anew and compared by content."""
    lock = small().lock(tmp_path)
    moved = small(dataset__rotate={"train": 1})
    lines = difference(altered(lock, "pipeline", value=moved.spec.to_json()), moved, tmp_path)
    assert [line.split(":")[0] for line in lines] == ["data_fingerprint"]


def test_other_weights_behind_one_name_are_refused_before_training(tmp_path):
    """Where only loading tells, the run stops as soon as the model is loaded."""
    run = small().run(tmp_path / "run", tmp_path / "store")
    lock = read_lock(run.folder / "lock.json")[0].to_json()
    wrong = altered(lock, "encoder", "image", "weights", value="0" * 64)
    with pytest.raises(LockError, match=r"encoder.image.weights: locked \"0{64}\", now "):
        Pipeline.from_lock(wrong, catalogue()).run(tmp_path / "again", tmp_path / "empty")
    assert not (tmp_path / "again").exists()


def test_a_model_that_was_not_here_is_locked_by_name_alone(tmp_path):
    """Nothing is known of its files, so nothing about them is compared."""
    lock = altered(small().lock(tmp_path), "models", "encoder", value=None)
    hold(Lock.from_json(lock, "x"), small().spec, catalogue(), tmp_path, "x")


def test_a_lock_of_a_missing_data_set_says_so(tmp_path):
    """Without data there is nothing to lock."""
    lost = {"type": "image_folder", "root": str(tmp_path / "nowhere")}
    with pytest.raises(DataError, match="nowhere"):
        Pipeline.from_dict({**SPEC, "dataset": lost}).lock(tmp_path)


def test_a_lock_whose_plugin_is_gone_names_it(tmp_path):
    """Before its pipeline is looked at, which no longer validates."""
    with pytest.raises(LockError, match=r"plugins\.tests: locked .* now absent"):
        Pipeline.from_lock(small().lock(tmp_path))


def test_a_plugin_that_no_longer_loads_is_named_with_its_failure(tmp_path):
    """Its version alone would look right."""
    broken = Plugin("tests", "graftwork-tests", "1", failure="ImportError: no scipy")
    with pytest.raises(LockError, match=r"plugins\.tests: could not be loaded: ImportError: no scipy"):
        Pipeline.from_lock(small().lock(tmp_path), Catalogue([broken, *default_catalogue().plugins]))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "cannot be read: Expecting value"),
        ("[]", "is no lock; `graftwork lock SPEC` writes one"),
        ("{}", "is no lock"),
        ('{"lock": 2}', "is a lock of format 2; this Graftwork reads 1"),
        ('{"lock": 1}', "was altered since it was written"),
        ('{"lock": NaN}', "`lock` is nan, and a format is a whole number from 0"),
        ("[" * 100_000, "cannot be read: nested deeper than 64 levels"),
        (b"\xff", "cannot be read: not UTF-8: byte 0"),
    ],
)
def test_what_is_no_lock_is_refused(tmp_path, content, reason):
    """Each with its reason, never another exception."""
    path = tmp_path / "x.lock.json"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(LockError, match=reason):
        read_lock(path)


def test_an_altered_lock_is_refused(tmp_path):
    """One letter is enough."""
    lock = small().lock(tmp_path)
    lock["data_fingerprint"] = lock["data_fingerprint"][::-1]
    with pytest.raises(LockError, match="was altered since it was written"):
        Pipeline.from_lock(lock, catalogue())


def test_packages_are_those_that_are_installed():
    """No version is made up for a package that is not here."""
    assert all(lock_module.installed_versions().values())


def test_locking_imports_no_torch():
    """It is a look at files."""
    code = (
        "import sys; from graftwork import Pipeline; from graftwork.core.run import lock, lock_check; "
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def run_cli(*arguments: str) -> Any:
    """The command, in this process."""
    return CliRunner().invoke(cli, arguments)


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    """A working directory with ``spec.json``."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "spec.json").write_text(json.dumps(SPEC))
    return tmp_path


def test_lock_is_written_beside_the_spec_and_run_finds_it_there(here):
    """`lock SPEC`, `run SPEC --locked`, `run --locked LOCK` and `-o -`."""
    made = run_cli("lock", "spec.json")
    assert (made.exit_code, made.output) == (0, "spec.lock.json\n")
    assert json.loads(run_cli("lock", "spec.json", "-o", "-").output) == json.loads(
        (here / "spec.lock.json").read_text()
    )
    assert run_cli("run", "spec.json", "--locked", "--out", "one").exit_code == 0
    assert run_cli("run", "--locked", "spec.lock.json", "--out", "two").exit_code == 0
    assert run_cli("run", "spec.json", "--out", "three", "--locked", "two/lock.json").exit_code == 0


@pytest.mark.parametrize("output", ["-", "/dev/stdout"])
def test_a_lock_is_printed(here, output, monkeypatch):
    """On standard output, and nothing else there; no file is written, which tests may not try on devices."""
    monkeypatch.setattr("graftwork.core.storage.run_folder.write_json", None)
    said = run_cli("lock", "spec.json", "-o", output)
    assert Lock.from_json(json.loads(said.stdout), "printed")
    assert not list(here.glob("*.lock.json"))


def test_a_lock_replaces_no_pipe_and_follows_a_link(here):
    """As whatever is written whole."""
    os.mkfifo(here / "pipe")
    refused = run_cli("lock", "spec.json", "-o", "pipe")
    assert "cannot write pipe: is no regular file" in str(refused.exception)
    assert (here / "pipe").is_fifo()
    (here / "link").symlink_to("real.json")
    assert run_cli("lock", "spec.json", "-o", "link").exit_code == 0
    assert Lock.from_json(json.loads((here / "real.json").read_text()), "real.json")
    assert (here / "link").is_symlink()


def test_run_refuses_a_spec_that_is_not_the_locked_one(here):
    """Each value that differs is named, and nothing runs."""
    run_cli("lock", "spec.json")
    refused = run_cli("run", "spec.json", "--locked", "--set", "seed=4", "--set", "trainer.epochs=2", "--out", "run")
    assert str(refused.exception).split("\n")[1:] == [
        "  $.seed: locked 0, now 4",
        "  $.trainer.epochs: locked 100, now 2",
    ]
    assert not (here / "run").exists()


def test_run_needs_a_spec_or_a_lock(here):
    """And a lock alone cannot be overridden."""
    assert "name SPEC, or a lock" in run_cli("run").output
    run_cli("lock", "spec.json")
    (line,) = str(run_cli("run", "spec.lock.json").exception).splitlines()
    assert line.startswith("spec.lock.json:1:1: $: this is a lock, not a pipeline: `graftwork run --locked LOCK` runs")
    assert "leaves nothing to set" in run_cli("run", "--locked", "spec.lock.json", "--set", "seed=1").output
    assert "no_such.lock.json cannot be read" in str(run_cli("run", "--locked", "no_such.lock.json").exception)
