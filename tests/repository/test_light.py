"""Light is light: what says so, and what every command imports, imports no library of models."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

from ..support.paths import ROOT

#: What every command would wait for.
HEAVY = ["torch", "transformers", "open_clip", "torch_geometric", "triton", "timm", "torchvision"]
#: Light without saying so: what the commands that only read a spec import, and what declares components.
ENTRIES = re.compile(
    r"registry/|core/(cli|spec)/|core/(events|roles/__init__|storage/run_folder)\.py|core/testing/pytest_plugin\.py"
    r"|plugins/(\w+/)*(__init__|specs?)\.py"
)
#: Each module in a child of its own, in which the light ones before it stand already: quick, and nothing hides.
EACH = """
import json, os, sys
from importlib import import_module
heavy, names = set(json.loads(sys.argv[1])), json.loads(sys.argv[2])
for name in names:
    if child := os.fork():
        light = os.waitpid(child, 0)[1] == 0
        import_module(name) if light else print(name)
        continue
    import_module(name)
    os._exit(bool(heavy & sys.modules.keys()))
"""


def is_to_be_light(file: Path) -> bool:
    """By its place, or because its docstring says so."""
    place, text = file.relative_to(ROOT).as_posix(), file.read_text("utf-8")
    return (
        ENTRIES.match(place) is not None
        or re.search(r"\bLight\b", ast.get_docstring(ast.parse(text)) or "") is not None
    )


def heavy_among(names: list[str]) -> list[str]:
    """Those that import a library of models, or cannot be imported."""
    given = (json.dumps(HEAVY), json.dumps(names))
    done = subprocess.run([sys.executable, "-c", EACH, *given], capture_output=True, text=True, check=True, timeout=120)
    return done.stdout.split()


def test_what_says_that_it_is_light_is_light() -> None:
    """Modules that say so in their docstring, and entry modules; a hundred and more."""
    folders = [ROOT / name for name in ("benchmarks", "core", "plugins", "registry", "triton_kernels")]
    files = [file for folder in folders for file in sorted(folder.rglob("*.py")) if is_to_be_light(file)]
    parts = [("graftwork", *file.relative_to(ROOT).with_suffix("").parts) for file in files]
    names = [".".join(one).removesuffix(".__init__") for one in parts]
    assert len(names) > 100
    assert heavy_among(names) == []


def test_a_heavy_module_is_found_out() -> None:
    """Also behind a light one."""
    assert heavy_among(["graftwork.core.events", "graftwork.core.roles.adapter"]) == ["graftwork.core.roles.adapter"]
