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
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    declared, works = done.stdout.splitlines()[-2:]
    assert (declared == "nms qnms") == (works == "False")


def test_importing_graftwork_imports_no_torch() -> None:
    """The look-out costs nothing before torchvision is asked for."""
    script = "import sys, graftwork; print({'torch', 'torchvision'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True).stdout == "set()\n"
