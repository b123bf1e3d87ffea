"""``graftwork plugin new``: packages that install, register, validate, pass their own tests and the kit."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Protocol

import pytest
from click.testing import CliRunner

import graftwork
from graftwork.core.cli import cli
from graftwork.core.scaffold.new_plugin import NewPluginError, kinds, new_plugin

from ...support.warm import PYTEST, Warm

KINDS = ("adapter", "captioner", "dataset", "encoder", "expert", "graph", "head", "regularizer", "reporter", "task")


def run(*command: str | Path, site: Path, cwd: Path, code: int = 0) -> str:
    """In a process that finds what was installed into ``site``, and this Graftwork."""
    root = Path(graftwork.__file__).parents[1]
    environment = {**os.environ, "PYTHONPATH": f"{site}{os.pathsep}{root}", "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run([*map(str, command)], cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


class Command(Protocol):
    """Runs ``graftwork`` where plugins are installed."""

    def __call__(self, *arguments: str, site: Path, cwd: Path, code: int = 0) -> str:
        """What it says on both streams."""


@pytest.fixture(scope="session")
def graftwork_command(warm: Warm) -> Command:
    def command(*arguments: str, site: Path, cwd: Path, code: int = 0) -> str:
        start = warm.command(sys.executable, "from graftwork.core.cli import main; main()")
        return run(*start, *arguments, site=site, cwd=cwd, code=code)

    return command


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A package of each kind."""
    out = tmp_path_factory.mktemp("written")
    for kind in KINDS:
        new_plugin(f"acme-{kind}", kind, out)
    return out


@pytest.fixture(scope="module")
def site(written: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All of them, installed by pip into one folder."""
    target = tmp_path_factory.mktemp("site")
    options = ("--no-deps", "--no-build-isolation", "--disable-pip-version-check", "--target", target)
    packages = [written / f"acme-{kind}" for kind in KINDS]
    run(sys.executable, "-m", "pip", "install", "-q", *options, *packages, site=target, cwd=written)
    return target


def test_there_is_a_template_of_each_kind_of_the_issue() -> None:
    assert kinds() == KINDS


def test_the_packages_register_and_their_examples_validate(written: Path, site: Path) -> None:
    """Found by its entry point, as any other: all in one process that finds plugins once."""
    script = """
import sys
from graftwork import Pipeline
for path in sys.argv[1:]:
    Pipeline.from_file(path)
    print(path, "valid")
"""
    examples = [written / f"acme-{kind}" / "example.json" for kind in KINDS]
    found = run(sys.executable, "-c", script, *examples, site=site, cwd=written)
    assert [line for line in found.splitlines() if line.endswith(" valid")] == [f"{path} valid" for path in examples]


#: What all of them are run with.
PLUGINS = ("-p", "graftwork.core.testing.pytest_plugin", "-p", "no:cacheprovider")


def test_the_package_passes_its_own_tests_where_its_author_runs_them(written: Path, site: Path) -> None:
    """In its own folder, with its own settings."""
    told = run(sys.executable, "-m", "pytest", *PLUGINS, "-q", site=site, cwd=written / "acme-head")
    assert " passed" in told
    assert "failed" not in told


@pytest.fixture(scope="module")
def tested(written: Path, site: Path, warm: Warm) -> str:
    """What one session says of the tests of all packages: the kit is imported once."""
    tests = [f"acme-{kind}/tests" for kind in KINDS]
    options = ("--import-mode=importlib", "-v", "--rootdir", written)
    return run(*warm.command(sys.executable, PYTEST), *PLUGINS, *options, *tests, site=site, cwd=written)


@pytest.mark.parametrize("kind", KINDS)
def test_every_package_passes_its_tests_and_the_kit(tested: str, kind: str) -> None:
    """Its property test, the class suite, and the marker over its examples."""
    lines = [line for line in tested.splitlines() if line.startswith(f"acme-{kind}/tests/")]
    passed = [line for line in lines if " PASSED" in line]
    assert [line for line in lines if not (" PASSED" in line or " SKIPPED" in line)] == []
    for of in ("test_property.py::", "test_conformance.py::Test", "test_conformance.py::test_examples["):
        assert any(of in line for line in passed), of


def test_the_example_of_the_adapter_trains(
    written: Path, site: Path, tmp_path: Path, graftwork_command: Command
) -> None:
    """Ten minutes are for reading: a run of a few epochs is seconds."""
    folder = written / "acme-adapter"
    settings = ("--set", "trainer.epochs=2", "--set", "dataset.shots=2")
    told = graftwork_command("run", "example.json", *settings, "--out", str(tmp_path / "run"), site=site, cwd=folder)
    assert "saved in" in told


def test_plugins_check_gives_a_line_a_check(written: Path, site: Path, graftwork_command: Command) -> None:
    """Of an installed plugin, by the name of its distribution; as JSON, the same."""
    told = graftwork_command("plugins", "check", "acme-head", site=site, cwd=written)
    assert "passed   head.acme_head logits\n" in told
    assert told.splitlines()[-1].endswith("checks, 0 to mend")
    found = json.loads(graftwork_command("plugins", "check", "acme-head", "--format", "json", site=site, cwd=written))
    assert {one["status"] for one in found} == {"passed"}


def test_plugins_check_ends_with_1_where_a_check_fails(
    written: Path, site: Path, tmp_path: Path, graftwork_command: Command
) -> None:
    """An installed copy whose adapter shifts before training."""
    broken = tmp_path / "broken"
    (broken / "acme_broken").mkdir(parents=True)
    for name in ("__init__.py", "adapter.py"):
        text = (written / "acme-adapter" / "src" / "acme_adapter" / name).read_text()
        text = text.replace("acme_adapter", "acme_broken").replace("+ self.shift", "+ self.shift + 1")
        (broken / "acme_broken" / name).write_text(text)
    metadata = broken / "acme_broken-1.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-broken\nVersion: 1\n")
    (metadata / "entry_points.txt").write_text("[graftwork.plugins]\nacme_broken = acme_broken\n")
    told = graftwork_command("plugins", "check", "acme-broken", site=broken, cwd=tmp_path, code=1)
    assert "failed   adapter.acme_broken identity_at_start: before training it changes vectors" in told
    assert "2 to mend" in told  # on both of its examples


def test_an_unknown_plugin_is_answered_with_the_nearest(site: Path, tmp_path: Path, graftwork_command: Command) -> None:
    told = graftwork_command("plugins", "check", "acme-hed", site=site, cwd=tmp_path, code=2)
    assert "no plugin is called `acme-hed`; did you mean `acme-head`?" in told


def test_what_is_written_is_lint_clean(written: Path) -> None:
    """By its own settings."""
    for command in (("check",), ("format", "--check")):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *command, "--no-cache", str(written)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        ("a b", "adapter", "`a b` is no name of a package"),
        ("-x", "adapter", "`-x` is no name of a package"),
        ("../up", "adapter", "is no name of a package"),
        ("", "adapter", "`` is no name of a package"),
        ("größe", "adapter", "is no name of a package"),
        ("9lives", "adapter", "a type begins with a letter"),
        ("graftwork", "adapter", "is not graftwork"),
        ("graftwork-bottleneck", "adapter", "Graftwork has its own adapter `bottleneck`"),
        ("acme-x", "adaptor", "no template of kind `adaptor`; did you mean `adapter`?"),
        ("acme-x", "common", "no template of kind `common`"),
    ],
)
def test_wrong_names_and_kinds_say_what_to_do(tmp_path: Path, name: str, kind: str, message: str) -> None:
    """And nothing is written."""
    with pytest.raises(NewPluginError) as raised:
        new_plugin(name, kind, tmp_path)
    assert message in str(raised.value)
    assert list(tmp_path.iterdir()) == []


def test_help_names_every_kind() -> None:
    """As many as there are templates."""
    told = CliRunner().invoke(cli, ["plugin", "new", "--help"]).stdout
    assert f"What it brings: {', '.join(KINDS)}." in " ".join(told.split())


def test_a_folder_that_is_there_is_left_alone(tmp_path: Path) -> None:
    new_plugin("acme-x", "adapter", tmp_path)
    with pytest.raises(NewPluginError, match="is there already"):
        new_plugin("acme-x", "head", tmp_path)
    assert not (tmp_path / "acme-x" / "src" / "acme_x" / "head.py").exists()


def test_the_type_may_be_named(tmp_path: Path) -> None:
    """The package is called one thing, and the component another."""
    folder = new_plugin("acme-gates", "adapter", tmp_path, "gated_mlp")
    assert json.loads((folder / "example.json").read_text())["adapter"] == {"type": "gated_mlp"}
    assert '\nacme_gates = "acme_gates"\n' in (folder / "pyproject.toml").read_text()
    assert "class GatedMlp(Adapter)" in (folder / "src" / "acme_gates" / "adapter.py").read_text()
    with pytest.raises(NewPluginError, match="--type `Gated` is no type"):
        new_plugin("acme-other", "adapter", tmp_path, "Gated")
    with pytest.raises(NewPluginError, match="a type has one owner; name one with --type"):
        new_plugin("acme-other", "adapter", tmp_path, "none")


def test_a_type_of_another_kind_is_free(tmp_path: Path) -> None:
    assert new_plugin("graftwork-bottleneck", "head", tmp_path).is_dir()
