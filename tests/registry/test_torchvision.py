"""torchvision's missing operators are declared for whoever imports it, before any plugin or tower."""

from __future__ import annotations

import subprocess
import sys

import pytest

ROADS = {
    "the first block of docs/towers.md": "import torch, transformers; from graftwork.core.graft import Tower\n"
    "transformers.CLIPVisionModel",
    "timm at the top of a plugin": "import graftwork\nimport timm",
    "a part of torchvision": "import graftwork\nfrom torchvision.transforms import functional",
    "open_clip, then timm": "from graftwork.plugins.encoders.open_clip.encoder import import_open_clip as o\n"
    "from graftwork.plugins.encoders.timm.encoder import import_timm as t\no(), t()",
    "peft, then transformers": "from graftwork.plugins.adapters.lora.layers import import_peft as p\np()\n"
    "from graftwork.plugins.checkpoints.libraries import transformers as t\nt().CLIPVisionModel",
}


@pytest.mark.parametrize("road", ROADS)
def test_torchvision_can_be_imported_by_any_road(road: str) -> None:
    """In a process that has called nothing of ours; what is declared is known, so that `doctor` tells it."""
    tell = "from graftwork.registry.importing import declared_operators as d; print(*d)"
    probe = "from torchvision.extension import _has_ops; print(_has_ops())"
    done = subprocess.run(
        [sys.executable, "-c", f"{ROADS[road]}\n{tell}\n{probe}"],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    declared, works = done.stdout.splitlines()[-2:]
    assert (declared == "nms qnms") == (works == "False")


#: Import every module of the built-in plugin, in an order by ``sys.argv[1]``.
EVERY = """
import importlib, pathlib, pkgutil, random, sys
import graftwork
here = pathlib.Path(graftwork.__file__).parent / "plugins"
names = sorted(one.name for one in pkgutil.walk_packages([str(here)], "graftwork.plugins."))
random.Random(int(sys.argv[1])).shuffle(names)
for name in names:
    if not name.endswith(".command"):
        importlib.import_module(name)
print(len(names))
"""


@pytest.mark.parametrize("order", [0])
def test_the_modules_of_the_built_in_plugin_are_imported_in_any_order(order: int) -> None:
    """Whichever comes first to torch, torchvision or a library on them."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", EVERY, str(order)], capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 150


def test_importing_graftwork_imports_no_torch() -> None:
    """The look-out costs nothing before torchvision is asked for."""
    script = "import sys, graftwork; print({'torch', 'torchvision'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True).stdout == "set()\n"
