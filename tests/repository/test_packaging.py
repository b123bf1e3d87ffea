"""What ships: the wheel holds the folders and nothing else, and works where only the wheel is installed."""

import json
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import zipfile
from pathlib import Path

import pytest

from ..support.paths import ROOT

#: Folders with Python files that are not part of the package.
NOT_SHIPPED = {"tests", "examples", "docs"}
DATA = {
    "py.typed",
    "triton_kernels/configurations.json",
    "core/report/templates",
    "core/scaffold/plugin_templates",
    "plugins/datasets/registries/emoji_excerpt.tar",
    "plugins/datasets/registries/emoji_excerpt.NOTICE",
    "plugins/suites",
    *(f"plugins/pocket/{name}/weights" for name in ("clip", "llava", "towers")),
}


def tracked() -> list[str]:
    """What a commit of the working tree would hold: tracked files and new ones that git does not ignore."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return [name for name in listed.split("\0") if name and (ROOT / name).is_file()]


def modules() -> list[str]:
    """Python files of the package, relative to the root; ``.typing`` is a link to the root and holds none."""
    hidden = [name for name in tracked() if name.startswith(".") or "/." in name]
    return [
        name
        for name in tracked()
        if name.endswith(".py") and name not in hidden and name.split("/")[0] not in NOT_SHIPPED
    ]


def run(*command: str | Path, cwd: Path, timeout: float = 120) -> str:
    done = subprocess.run([*map(str, command)], cwd=cwd, capture_output=True, text=True, timeout=timeout)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy of the tree, so that nothing is written into the repository."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in tracked():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, source / name)
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", out, source, cwd=source)
    (built,) = out.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory, wheel: Path) -> Path:
    """A new environment with the wheel; torch and the other packages are those of this one."""
    venv = tmp_path_factory.mktemp("fresh") / "venv"
    run(sys.executable, "-m", "venv", "--without-pip", venv, cwd=venv.parent)
    pip = (sys.executable, "-m", "pip", "--python", venv / "bin" / "python", "--disable-pip-version-check")
    run(*pip, "install", "--no-deps", "--no-index", wheel, cwd=venv.parent)
    (site,) = venv.glob("lib/python3*/site-packages")
    (site / "third_party.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return venv


def python(fresh: Path, script: str) -> str:
    """Run a script there, isolated from this directory and from PYTHONPATH."""
    return run(fresh / "bin" / "python", "-I", "-c", script, cwd=fresh.parent)


def test_pyproject_names_every_folder_with_modules() -> None:
    """A folder that is forgotten there would be missing from the wheel."""
    folders = {Path(name).parent for name in modules()}
    expected = {".".join(("graftwork", *folder.parts)) for folder in folders}
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    assert sorted(listed) == sorted(expected)


def test_every_package_has_an_init() -> None:
    """Namespace packages would be found in the working tree and lost in the wheel."""
    names = set(modules())
    for folder in {Path(name).parent for name in names}:
        assert (folder / "__init__.py").as_posix() in names


def test_the_root_holds_the_package_and_its_command() -> None:
    """Any other Python file at the root would ship in the wheel."""
    assert [name for name in modules() if "/" not in name] == ["__init__.py", "__main__.py"]


def test_the_wheel_holds_the_folders_and_nothing_else(wheel: Path) -> None:
    """Every module, the marker of types, the pocket CLIP; no test, no example, no build file."""
    data = [name for name in tracked() if any(name == one or name.startswith(f"{one}/") for one in DATA)]
    expected = {f"graftwork/{name}" for name in (*modules(), *data)}
    with zipfile.ZipFile(wheel) as opened:
        found = {name for name in opened.namelist() if ".dist-info/" not in name}
    assert found == expected
    assert "graftwork/py.typed" in found
    pocket = {name for name in found if name.startswith("graftwork/plugins/pocket/clip/weights/")}
    assert {Path(name).name for name in pocket} >= {
        "open_clip_config.json",
        "open_clip_model.safetensors",
        "bpe_vocabulary.txt.gz",
    }


def test_the_wheel_declares_plugin_command_and_licence(wheel: Path) -> None:
    """The built-ins come in by the door that is open to everyone."""
    with zipfile.ZipFile(wheel) as opened:
        named = {Path(name).name: name for name in opened.namelist() if ".dist-info/" in name}
        points = opened.read(named["entry_points.txt"]).decode()
    assert "[graftwork.plugins]\nbuiltin = graftwork.plugins" in points
    assert "[console_scripts]\ngraftwork = graftwork.core.cli:main" in points
    assert {"LICENSE", "emoji_excerpt.NOTICE"} <= named.keys()


def test_no_shipped_file_names_this_machine(wheel: Path) -> None:
    """Neither the repository's path nor the home folder nor the environment."""
    local = [str(ROOT), f"{Path.home()}/", sys.prefix, sys.base_prefix]
    with zipfile.ZipFile(wheel) as opened:
        for name in opened.namelist():
            content = opened.read(name)
            assert [path for path in local if path.encode() in content] == [], name


def test_every_module_imports_from_the_wheel_alone(fresh: Path) -> None:
    """In an environment where graftwork is the wheel, every module in it imports, and comes from there."""
    script = """
import importlib, json, pkgutil, sys
import graftwork
names = ["graftwork", *(found.name for found in pkgutil.walk_packages(graftwork.__path__, "graftwork."))]
print(json.dumps({name: importlib.import_module(name).__file__ for name in names}))
"""
    found = json.loads(python(fresh, script).splitlines()[-1])
    expected = {
        ".".join(("graftwork", *Path(name).with_suffix("").parts)).removesuffix(".__init__") for name in modules()
    }
    assert set(found) == expected
    assert {path for path in found.values() if not Path(path).is_relative_to(fresh)} == set()


def test_the_command_line_works_from_the_wheel_alone(fresh: Path) -> None:
    """``--help``, and ``components list`` through the entry point of the wheel."""
    graftwork = fresh / "bin" / "graftwork"
    assert "Graft small trainable adapters" in run(graftwork, "--help", cwd=fresh.parent)
    listed = run(graftwork, "components", "list", cwd=fresh.parent)
    assert all(name in listed for name in ("ga_net", "open_clip", "digits", "ewc", "classification"))


def test_the_pocket_clip_works_from_the_wheel_alone(fresh: Path) -> None:
    """Configuration, weights and vocabulary arrived: a text of the default encoder has a vector."""
    script = """
import torch
from graftwork.plugins.encoders import OpenClipSpec
from graftwork.plugins.encoders.open_clip.encoder import OpenClip
print(tuple(OpenClip(OpenClipSpec(), torch.device("cpu")).encode("text", ["a photo of a 3."]).shape))
"""
    assert python(fresh, script).splitlines()[-1] == "(1, 128)"
