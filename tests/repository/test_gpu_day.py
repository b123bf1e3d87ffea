"""A day with a GPU, dry: it runs from a copied folder, goes on where it was stopped, and takes only what was timed."""

import json
import os
import platform
import shutil
import subprocess
import sys
import zipfile
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from graftwork.benchmarks.gpu import day

from ..support.paths import ROOT
from .test_packaging import modules

CARD = {"card": "A card", "key": "sm_90, Triton 3.6"}


def row(took: float | None, right: bool = True, rows: int = 8, **more: Any) -> dict[str, Any]:
    return {"kernel": "messages", "key": "64 4", "cut": {"ROWS": rows}, "ms": took, "right": right, **more}


def test_the_fastest_right_cut_is_taken_for_this_card_alone() -> None:
    tried = [row(2.0, rows=4), row(1.0, rows=8), row(0.5, right=False, rows=16), row(None, rows=32)]
    table = {"sm_80, Triton 3.6": {"up": {}}, CARD["key"]: {"up": {"64 ieee": {"BM": 64}}}}
    found = day.chosen({"card": [CARD], "messages": tried}, table)
    kept = {"up": {"64 ieee": {"BM": 64}}, "messages": {"64 4": {"ROWS": 8}}}
    assert found == {"sm_80, Triton 3.6": {"up": {}}, CARD["key"]: kept}


def test_what_was_not_timed_changes_no_configuration() -> None:
    assert day.chosen({"card": [CARD], "messages": [row(None)]}, {}) == {}


def test_the_page_names_card_versions_and_what_failed() -> None:
    facts = {**CARD, "torch": "2.11", "triton": "3.6"}
    text = day.page({"card": [facts], "messages": [row(1.0), row(None, right=False, failed="spilt")]}, dry=False)
    assert text.startswith("# On A card")
    assert "torch 2.11, Triton 3.6" in text
    assert "| 1.000 | True |" in text
    assert "spilt" in text


def test_wheels_that_lie_there_are_imported_where_their_package_is_not_installed(tmp_path: Path) -> None:
    """By a process that has the folders on its path; of what is installed, the installed one stays."""
    place = f"linux_{platform.machine()}"
    wheels = {
        "graftwork_absent": "py3-none-any",
        "torch": "py3-none-any",
        "elsewhere": "cp311-cp311-x",
        "too_new": f"cp3999-abi3-{place}",
        "graftwork_lasting": f"cp310-abi3-{place}",
        "graftwork_own": f"cp3{sys.version_info.minor}-cp3{sys.version_info.minor}-{place}",
    }
    for package, tag in wheels.items():
        with zipfile.ZipFile(tmp_path / f"{package}-1.0-{tag}.whl", "w") as wheel:
            wheel.writestr(f"{package}/__init__.py", "answer = 7")
    folders = day.unpacked(tmp_path)
    assert [Path(one).name.partition("-")[0] for one in folders] == [
        "graftwork_absent",
        "graftwork_lasting",
        "graftwork_own",
    ]
    folder = folders[0]
    assert day.unpacked(tmp_path) == folders
    command = [sys.executable, "-c", "import graftwork_absent; print(graftwork_absent.answer)"]
    environment = {**os.environ, "PYTHONPATH": folder}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "7\n"
    assert day.unpacked(tmp_path / "nowhere") == []


def test_in_a_copied_folder_the_built_ins_are_found_as_in_an_installation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By an entry point that loads, where no installation names one."""

    def absent(name: str) -> metadata.Distribution:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(day.metadata, "distribution", absent)
    monkeypatch.setattr(day.tempfile, "gettempdir", lambda: str(tmp_path))
    (folder,) = day._import_folders()
    (found,) = metadata.distributions(path=[folder])
    (point,) = found.entry_points.select(group="graftwork.plugins")
    assert (point.name, point.load().__name__) == ("builtin", "graftwork.plugins")


@pytest.mark.parametrize("name", ["other-name"])
def test_it_runs_dry_from_a_copied_folder_and_goes_on(name: str, tmp_path: Path) -> None:
    """Without git, under another name, without what only the rest of Graftwork needs; in few files. A section that the
    end of a run cut short is no failure, and is done anew."""
    pytest.importorskip("triton", "3.7", reason="no wheel for this machine, or one that cannot interpret our loops")
    copied, out = tmp_path / name, tmp_path / "out"
    wanted = [
        one for one in modules() if one.split("/")[0] in ("__init__.py", "registry", "triton_kernels", "benchmarks")
    ]
    for one in (*wanted, "triton_kernels/configurations.json"):
        (copied / one).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / one, copied / one)
    for blocked in ("pydantic", "open_clip", "hypothesis", "click", "pluggy"):  # what that machine lacks
        (copied / "absent" / blocked).mkdir(parents=True)
        (copied / "absent" / blocked / "__init__.py").write_text(f"raise ImportError('no {blocked} here')")
    environment = {**os.environ, "PYTHONPATH": str(copied / "absent")}
    command = [sys.executable, str(copied / "benchmarks/gpu/day.py"), str(out), "--dry", "--seconds"]
    short = [*command, "0.3", "--only", "card", "--only", "adapters"]
    done = subprocess.run(short, env=environment, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 3, done.stderr
    assert "left, for the same command again: card, adapters" in done.stdout
    assert json.loads((out / "results.json").read_text()) == {"card": [day.CUT_SHORT]}
    command.append("500")
    sections: list[str] = []
    for section in ("card", "adapters"):
        sections += ["--only", section]
        done = subprocess.run([*command, *sections], env=environment, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr + (out / "day.log").read_text()
    assert "card" not in done.stdout.split(";")[0]  # it was done
    found = json.loads((out / "results.json").read_text())
    assert list(found) == ["card", "adapters"]
    assert {one.get("ms") for rows in found.values() for one in rows} == {None}
    assert any(one.get("right") for one in found["adapters"])
    shipped = json.loads((ROOT / "triton_kernels/configurations.json").read_text())
    assert json.loads((out / "configurations.json").read_text()) == shipped
    assert (out / "page.md").read_text().startswith("# A dry run: nothing was timed")
    assert len(list(out.iterdir())) <= 8
