"""Bad specs of several files, settings and locks, with every word that the user reads, in ``golden/bad_specs.json``.

After an intended change: GRAFTWORK_REGENERATE=1 .venv/bin/pytest tests/core/spec/test_bad_specs.py
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from graftwork import Pipeline, SpecError
from graftwork.core.cli import cli
from graftwork.core.run.lock import LockError, read_lock
from graftwork.core.spec.load_spec import load_spec
from graftwork.core.spec.overrides import parse_set
from graftwork.core.storage.sealed import sealed
from graftwork.registry.catalogue import Catalogue, Plugin
from graftwork.registry.discovery import default_catalogue

from ...support.paths import GOLDEN as GOLDEN_FOLDER

GOLDEN = GOLDEN_FOLDER / "bad_specs.json"

BASE = """{
  "dataset": {"type": "digits", "shots": 16},
  "encoder": {"type": "open_clip", "model": "pocket"},
  "graph": {"type": "similarity", "threshold": 0.8},
  "adapter": {"type": "ga_net", "bottleneck": 32}
}
"""
BROKEN = Plugin("prefix", "graftwork-prefix-tuning", "0.3", failure="ImportError: cannot import name 'AdapterSpce'")
#: Ten thousand and one combinations are too many; these are 11^4.
GRID = ", ".join(
    f'"graph.{key}": [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 0.05]' if key in ("threshold", "temperature")
    else f'"graph.{key}": [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]'
    for key in ("threshold", "temperature", "max_degree", "fusion_rank")
)  # fmt: skip


@dataclass(frozen=True)
class Case:
    """Files to write (``spec`` is validated), settings, and what the lock says instead."""

    files: Mapping[str, str]
    settings: tuple[str, ...] = ()
    lock: Mapping[str, Any] = field(default_factory=dict)


def spec(text: str, *settings: str, **files: str) -> Case:
    """A spec, and what it extends."""
    return Case({"base": BASE, "spec": text, **files}, settings)


def base(old: str, new: str, *settings: str) -> Case:
    """The base alone with one passage replaced."""
    assert BASE.count(old) == 1
    return Case({"spec": BASE.replace(old, new)}, settings)


def locked(**lock: Any) -> Case:
    """The base, held to a lock with other values."""
    return Case({"spec": BASE}, (), lock)


CASES = {
    "a type of a plugin that could not be loaded": base("ga_net", "prefix_tuning"),
    "a misspelt type": base("ga_net", "ganet"),
    "a type of another kind": base("ga_net", "linear"),
    "a stray key of another section": base('"bottleneck": 32', '"threshold": 0.5'),
    "four mistakes in four sections": base(
        '"shots": 16', '"shots": "16"', "graph.threshold=7", "adapter.x=1", "seed=-1"
    ),
    "no JSON": spec("dataset: digits\n"),
    "a comment": base("{\n", "{ // a pipeline\n"),
    "a key twice": base('"threshold": 0.8', '"threshold": 0.8, "threshold": 0.9'),
    "NaN": base("0.8", "NaN"),
    "a variable in a model's name": base('"pocket"', '"${MODEL}"'),
    "a variable in a path": base('{"type": "digits", "shots": 16}', '{"type": "image_folder", "root": "$HOME/pets"}'),
    "a path that is a URL": base('"digits", "shots": 16', '"image_folder", "root": "https://example.org/pets.zip"'),
    "extends what is not there": spec('{\n  "extends": "bas.json"\n}'),
    "extends a number": spec('{"extends": ["base.json", 3]}'),
    "extends a URL": spec('{"extends": "https://example.org/base.json"}'),
    "extends an absolute path": spec('{"extends": "/etc/passwd"}'),
    "extends what lies outside": spec('{"extends": "../base.json"}'),
    "extends with a variable": spec('{"extends": "${CONFIGS}/base.json"}'),
    "extends with backslashes": spec('{"extends": "parts\\\\base.json"}'),
    "extends itself through another": spec('{"extends": "other.json"}', other='{"extends": "spec.json"}'),
    "extends a broken file": spec('{"extends": "other.json"}', other='{\n  "graph": {,}\n}'),
    "extends a list": spec('{"extends": "other.json"}', other="[1, 2]"),
    "mistakes in three files": spec(
        '{"extends": ["base.json", "other.json"], "sed": 1}', other='{\n  "graph": {"threshold": "high"}\n}'
    ),
    "a base that is not a whole pipeline": spec('{"extends": "other.json"}', other='{"dataset": {"type": "digits"}}'),
    "a type that changes leaves its fields behind": spec(
        '{"extends": "base.json",\n "adapter": {"type": "bottleneck", "norm": "sym"}}'
    ),
    "a merged value that contradicts the base": spec('{"extends": "base.json",\n "graph": null}'),
    "appended to what is no list": base("0.8", "0.8", "graph+=1"),
    "an appended item of no known type": base("0.8", "0.8", 'reporters+={"type": "consle"}'),
    "removed what is not there": base("0.8", "0.8", "graph.treshold-"),
    "set through a number": base("0.8", "0.8", "graph.threshold.tau=1"),
    "a search without end": base("{\n", f'{{"search": {{{GRID}}},\n'),
    "a search that would append": base("{\n", '{"search": {"reporters+": [[{"type": "jsonl"}]]},\n'),
    "a lock of another pipeline": locked(pipeline={"seed": 1, "graph": {"threshold": 0.5}}),
    "a lock of other versions": locked(graftwork="0.0.1", versions={"pluggy": "0.1"}),
    "a lock of a plugin that is not here": locked(plugins={"acme": {"distribution": "acme-adapters", "version": "2"}}),
    "a lock of other data": locked(data_fingerprint="0" * 64),
    "a lock of a broken plugin": locked(plugins={"prefix": {"distribution": BROKEN.distribution, "version": "0.3"}}),
    "a lock that was edited": locked(sha256="0" * 64),
    "a lock of a later format": locked(lock=2, graftwork="9.9"),
}


def laid_over(below: Any, above: Any) -> Any:
    """``above`` over ``below``, key by key."""
    if not (isinstance(below, dict) and isinstance(above, dict)):
        return above
    return {**below, **{key: laid_over(below.get(key), value) for key, value in above.items()}}


def said(case: Case, folder: Path) -> list[str]:
    """Every line that the user reads. The folder and the versions of this machine are left out."""
    for name, text in case.files.items():
        (folder / f"{name}.json").write_text(text, "utf-8")
    catalogue = Catalogue([*default_catalogue().plugins, BROKEN])
    with pytest.raises((SpecError, LockError)) as error:  # noqa: PT012 (each case stops at its own step)
        spec = load_spec(folder / "spec.json", parse_set(case.settings), catalogue)
        pipeline = Pipeline(spec, catalogue)
        lock = laid_over(pipeline.lock(folder / "store"), case.lock)
        path = folder / "spec.lock.json"
        path.write_text(json.dumps(lock if "sha256" in case.lock else sealed(lock)))
        pipeline.locked_by(path).run(folder / "run", folder / "store")
    assert error.value.exit_code == 2
    lines = str(error.value).replace(f"{folder}/", "").replace(str(folder), "FOLDER").split("\n")
    return [line.split(", now ")[0] + ", now ..." if "locked " in line else line for line in lines]


@pytest.fixture(scope="module")
def golden() -> Iterator[dict[str, list[str]]]:
    """What was said when the file was last regenerated."""
    found: dict[str, list[str]] = json.loads(GOLDEN.read_text("utf-8")) if GOLDEN.exists() else {}
    yield found
    if os.environ.get("GRAFTWORK_REGENERATE"):
        kept = {name: found[name] for name in CASES if name in found}
        GOLDEN.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n", "utf-8")


@pytest.mark.parametrize("name", CASES)
def test_every_word_is_pinned(tmp_path, golden, name):
    """Place, path, reason and remedy of every problem, and nothing else."""
    lines = said(CASES[name], tmp_path)
    if os.environ.get("GRAFTWORK_REGENERATE"):
        golden[name] = lines
    assert lines == golden[name]


def test_the_golden_file_holds_these_cases_and_no_others(golden):
    """A case that is renamed takes its words with it."""
    assert list(golden) == list(CASES)
    assert len(CASES) >= 30


def test_problems_as_json_name_the_file_that_each_stands_in(tmp_path):
    """`validate --format json`: one object a problem, for editors and scripts."""
    case = CASES["mistakes in three files"]
    for name, text in case.files.items():
        (tmp_path / f"{name}.json").write_text(text)
    result = CliRunner().invoke(cli, ["validate", str(tmp_path / "spec.json"), "--format", "json"])
    answer = json.loads(result.stdout)
    assert (result.exit_code, answer["valid"]) == (2, False)
    assert [(Path(one["source"]).name, one["line"], one["json_path"]) for one in answer["problems"]] == [
        ("other.json", 2, "$.graph.threshold"),
        ("spec.json", 1, "$.sed"),
    ]


def test_an_unaltered_lock_reads_back(tmp_path):
    """The cases above fail for their own reason, not for how they are written."""
    (tmp_path / "spec.json").write_text(BASE)
    path = tmp_path / "spec.lock.json"
    path.write_text(json.dumps(sealed(Pipeline.from_file(tmp_path / "spec.json").lock(tmp_path))))
    assert read_lock(path)[0].lock == 1
