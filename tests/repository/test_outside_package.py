"""`examples/graftwork-prefix-tuning` as its users have it: a wheel in a fresh environment, found by entry point."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from ..support.paths import ROOT

PACKAGE = ROOT / "examples" / "graftwork-prefix-tuning"


def run(*command: str | Path, cwd: Path, code: int = 0) -> tuple[str, str]:
    """Standard output and error; without PYTHONPATH, so that only what is installed is found."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(
        [*map(str, command)], cwd=cwd, capture_output=True, text=True, timeout=500, check=False, env=environment
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout, done.stderr


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built by the package's own pyproject, from a copy."""
    folder = tmp_path_factory.mktemp("prefix")
    shutil.copytree(PACKAGE, folder / "source", ignore=shutil.ignore_patterns("__pycache__", "build", "*.egg-info"))
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "wheel", "--no-deps", "--no-build-isolation")
    run(*pip, "--wheel-dir", folder, folder / "source", cwd=folder)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory, wheel: Path) -> Path:
    """A new environment with the wheel; Graftwork is this tree, torch and the others are those of this environment."""
    venv = tmp_path_factory.mktemp("outside") / "venv"
    run(sys.executable, "-m", "venv", "--without-pip", venv, cwd=venv.parent)
    pip = (sys.executable, "-m", "pip", "--python", venv / "bin" / "python", "--disable-pip-version-check")
    run(*pip, "install", "--no-deps", "--no-index", wheel, cwd=venv.parent)
    here = venv.parent / "here"
    here.mkdir()
    (here / "graftwork").symlink_to(ROOT)
    (site,) = venv.glob("lib/python3*/site-packages")
    (site / "others.pth").write_text(f"{here}\n{sysconfig.get_path('purelib')}\n")
    return venv


def graftwork(fresh: Path, *arguments: str | Path, code: int = 0) -> tuple[str, str]:
    script = "import sys; from graftwork.core.cli import main; sys.argv[0] = 'graftwork'; main()"
    return run(fresh / "bin" / "python", "-c", script, *arguments, cwd=fresh.parent, code=code)


def test_the_wheel_holds_the_package_and_its_entry_point(wheel: Path) -> None:
    """Three modules and the door; no tests."""
    with zipfile.ZipFile(wheel) as opened:
        names = [name for name in opened.namelist() if ".dist-info/" not in name]
        (points,) = (opened.read(name).decode() for name in opened.namelist() if name.endswith("entry_points.txt"))
    assert sorted(Path(name).stem for name in names) == ["__init__", "attention", "prefix"]
    assert points.strip() == "[graftwork.plugins]\nprefix_tuning = graftwork_prefix_tuning"


def test_it_is_found_shown_and_left_out(fresh: Path) -> None:
    """First-class: listed with its distribution, shown with fields and example, in the schema; gone on request."""
    (row,) = (
        one
        for one in json.loads(graftwork(fresh, "plugins", "list", "--format", "json")[0])
        if one["name"] == "prefix_tuning"
    )
    assert (row["distribution"], row["version"], row["api"]) == ("graftwork-prefix-tuning", "0.1.0", 1)
    assert (row["components"], row["failure"], row["notes"]) == (["adapter.prefix"], None, [])
    page = json.loads(graftwork(fresh, "components", "show", "adapter", "prefix", "--format", "json")[0])
    length = next(field for field in page["fields"] if field["name"] == "length")
    assert (length["takes"], length["required"]) == ("integer, at least 1, at most 4096 or null", False)
    assert (page["example"], page["distribution"]) == ({"type": "prefix"}, "graftwork-prefix-tuning")
    assert Path(page["file"]).is_relative_to(fresh)
    _, err = graftwork(fresh, "--no-plugins", "components", "show", "adapter", "prefix", code=2)
    assert "plugin graftwork-prefix-tuning 0.1.0 is left out by --no-plugins" in err


def test_its_pipeline_runs(fresh: Path, tmp_path: Path) -> None:
    """Its example, smaller: trained inside both towers, tested, saved; a misspelt field gets the nearest."""
    sizes = {"dataset.train": 32, "dataset.val": 8, "dataset.test": 8, "trainer.epochs": 1, "evaluation.seeds": "[0]"}
    settings = [part for key, value in sizes.items() for part in ("--set", f"{key}={value}")]
    spec = PACKAGE / "pipeline.json"
    out, _ = graftwork(fresh, "run", spec, *settings, "--set", "reporters=[]", "--out", tmp_path / "run")
    assert out.strip() == str(tmp_path / "run")
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    assert (result["adapter"]["type"], result["adapter"]["spec"]["length"]) == ("prefix", 8)
    assert result["adapter"]["parameters"] > 0
    _, err = graftwork(fresh, "validate", spec, "--set", "adapter.lenght=3", code=2)
    assert "did you mean `length`?" in err


def test_its_own_tests_pass(fresh: Path) -> None:
    """As its author runs them."""
    tests = fresh.parent / "tests"
    shutil.copytree(PACKAGE / "tests", tests, ignore=shutil.ignore_patterns("__pycache__"))
    python = fresh / "bin" / "python"
    out, _ = run(python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "ignore", tests, cwd=fresh.parent)
    assert " passed" in out
    assert "failed" not in out
