"""What works without any extra, and that what does not says the command: in an environment that really lacks them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import sysconfig
import tomllib
from pathlib import Path

import pytest

from graftwork.registry.errors import EXTRAS

from ..support.paths import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
#: Module to the distribution that brings it, where their names differ.
PACKAGES = {"open_clip": "open_clip_torch", "resvg_py": "resvg-py", "sklearn": "scikit-learn"}
PROBE = {
    "name": "probe",
    "dataset": {"type": "emoji", "shots": 2},
    "encoder": {"type": "transformers", "model": "nowhere"},
    "adapter": {"type": "none"},
    "task": {"type": "classification", "head": {"type": "logistic_regression"}},
}
SCRIPT = """
import importlib.util, sys
from graftwork import Pipeline, SpecError
from graftwork.core.cli import main
from graftwork.registry.build import build
from graftwork.registry.discovery import default_catalogue
from graftwork.registry.errors import EXTRAS, MissingExtra

assert [name for name in EXTRAS if importlib.util.find_spec(name)] == [], "the environment lacks every extra"

import torch, transformers
from graftwork.core.graft import GraftedTowers, Tower, builder
from graftwork.plugins.adapters.hmmoe import HMMoESpec

vision = transformers.CLIPVisionModel(transformers.CLIPVisionConfig(
    hidden_size=32, intermediate_size=32, num_attention_heads=2, image_size=32, patch_size=8, num_hidden_layers=2))
text = transformers.BertModel(transformers.BertConfig(
    vocab_size=50, hidden_size=32, intermediate_size=32, num_attention_heads=2, num_hidden_layers=2))
grafted = GraftedTowers([Tower.of("image", vision), Tower.of("text", text)])
grafted.add_adapter("default", HMMoESpec(rank=4, layer_map="stride"), builder())
inputs = {"image": {"pixel_values": torch.randn(2, 3, 32, 32)}, "text": {"input_ids": torch.randint(0, 50, (2, 9))}}
out = grafted(inputs)
(out.outputs["image"].pooler_output.mean() + out.auxiliary_loss()).backward()
print("grafted", sum(one.grad is not None for one in grafted.parameters()) > 0)

from graftwork.core.roles import Dataset
from graftwork.plugins.datasets import DigitsSpec
try:
    build(Dataset, default_catalogue(), DigitsSpec()).load()
except MissingExtra as error:
    print(error)
for arguments in (["validate", "probe.json"], ["components", "list", "--format", "json", "-q"], ["doctor"],
                  ["run", "probe.json", "--set", 'encoder={"type": "open_clip"}']):
    sys.argv = ["graftwork", *arguments]
    try:
        main()
    except SystemExit as end:
        print("code", end.code)
"""


def test_every_extra_is_declared_and_brings_its_module() -> None:
    """The command that is said installs it; `all` has each, and `dev` has `all`."""
    extras = PROJECT["optional-dependencies"]
    for module, extra in EXTRAS.items():
        names = {re.split(r"[^\w-]", one)[0].lower() for one in extras[extra]}
        assert PACKAGES.get(module, module).lower() in names, module
    (everything,) = extras["all"]
    named = set(re.findall(r"\w+", everything.partition("[")[2]))
    assert named == set(extras) - {"all", "bench", "dev", "docs", "testing"}
    assert any("all" in re.findall(r"\w+", one) for one in extras["dev"] if one.startswith("graftwork["))


@pytest.fixture
def core_alone(tmp_path: Path) -> dict[str, str]:
    """An environment in which every installed package is but those that extras bring."""
    site, lacks = tmp_path / "site", {*EXTRAS, *PACKAGES.values()}
    site.mkdir()
    for path in Path(sysconfig.get_path("purelib")).iterdir():
        name = re.split(r"[-.]", path.name)[0].lower()
        if name not in {one.lower().replace("-", "_") for one in lacks} and path.suffix not in (".pth", ".egg-link"):
            (site / path.name).symlink_to(path)
    (site / "graftwork").unlink(missing_ok=True)
    (site / "graftwork").symlink_to(ROOT, target_is_directory=True)
    return {**os.environ, "PYTHONPATH": str(site), "GRAFTWORK_CACHE": str(tmp_path / "cache"), "OMP_NUM_THREADS": "1"}


def test_towers_are_grafted_and_commands_answer_without_any_extra(core_alone: dict[str, str], tmp_path: Path) -> None:
    """What needs more says what and how; nothing is a traceback."""
    (tmp_path / "probe.json").write_text(json.dumps(PROBE))
    done = subprocess.run(
        [sys.executable, "-S", "-W", "error::ImportWarning", "-c", SCRIPT],
        capture_output=True,
        text=True,
        check=False,
        env=core_alone,
        cwd=tmp_path,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert "grafted True\n" in done.stdout
    assert 'dataset `digits` needs sklearn, which is not installed: pip install "graftwork[probes]"\n' in done.stdout
    assert "probe.json: valid\n" in done.stdout
    assert '(pip install "graftwork[all]")' in done.stdout
    assert done.stdout.endswith("code 2\n")
    assert 'error: encoder `open_clip` needs open_clip, which is not installed: pip install "graftwork[clip]"\n' in (
        done.stderr
    )
