"""Every block of code in the documentation is checked; the tutorial and the how-tos are followed to the letter."""

from __future__ import annotations

import importlib.util
import os
import pkgutil
import re
import subprocess
import sys
import sysconfig
from doctest import ELLIPSIS, NORMALIZE_WHITESPACE, OutputChecker
from pathlib import Path
from typing import Any

import pytest

from ..support.code_blocks import LANGUAGES, Block, blocks_of, check_bash, check_json, check_toml, run_python
from ..support.paths import ROOT
from ..support.warm import PYTEST, Warm

DOCS = ROOT / "docs"
#: Followed step by step in an environment of their own: files are written, commands run, their output compared.
WALKS = [DOCS / "tutorial.md", *sorted((DOCS / "how_to").glob("*.md"))]
PAGES = [
    one
    for folder in ("docs", "plugins", "examples", ".")
    for one in sorted((ROOT / folder).glob("*.md" if folder == "." else "**/*.md"))
    if one not in WALKS and "changes" not in one.parts
]
SPEC_AND_PICTURE = """
import json, pathlib, PIL.Image
spec = {"name": "small", "dataset": {"type": "digits", "shots": 1}, "encoder": {"type": "open_clip"},
        "adapter": {"type": "none"}, "trainer": {"epochs": 1}, "reporters": []}
pathlib.Path("spec.json").write_text(json.dumps(spec))
PIL.Image.new("L", (8, 8)).save("mine.png")
"""
#: As the README's: pictures with words. Its own would encode for a minute.
WORDS_AND_PICTURES = """
import json, pathlib, PIL.Image
for at, split in enumerate(("train", "val", "test")):
    items = [{"image": f"{at}{n}.png", "text": "ab"[n], "label": "ab"[n]} for n in (0, 1)]
    pathlib.Path(f"{split}.jsonl").write_text("\\n".join(map(json.dumps, items)))
    for n in (0, 1):
        PIL.Image.new("L", (8, 8), 100 * n + at).save(f"{at}{n}.png")
spec = {"name": "small", "dataset": {"type": "json_lines", "root": "."}, "encoder": {"type": "open_clip"},
        "graph": {"type": "similarity", "nodes": "fused", "fusion": "concat", "threshold": 0.5},
        "adapter": {"type": "none"}, "trainer": {"epochs": 1}, "reporters": []}
pathlib.Path("spec.json").write_text(json.dumps(spec))
PIL.Image.new("L", (8, 8)).save("mine.png")
"""
#: What a page takes for granted before its first block: the reader's own files and objects.
BEFORE = {
    "README.md": WORDS_AND_PICTURES,
    "docs/reference/python.md": SPEC_AND_PICTURE,
    "docs/conformance.md": """
import graftwork_shift
(component,) = graftwork_shift.graftwork_components()
""",
    # peft asks the transformers of today for a name of yesterday's.
    "docs/from_peft.md": "import warnings\nwarnings.filterwarnings('ignore', '`is_gradient_checkpointing`')\n",
    "docs/pocket.md": "import torch\n",
    "plugins/pocket/towers/weights/ast/README.md": "import numpy\nwave = numpy.zeros(16_000, dtype='float32')\n",
    "plugins/pocket/llava/weights/README.md": "import PIL.Image\npicture = PIL.Image.new('RGB', (32, 32))\n",
    "plugins/pocket/towers/weights/scene_clip/README.md": (
        "import PIL.Image\npicture = PIL.Image.new('RGB', (48, 48))\n"
    ),
    "plugins/pocket/towers/weights/vilt/README.md": "import PIL.Image\npicture = PIL.Image.new('RGB', (48, 48))\n",
}


#: Columns of a line of Python or JSON: what a page shows without scrolling.
WIDEST = 90
#: Pages whose blocks hold lines that cannot be broken: JSON lines, docstrings, signatures.
UNBROKEN = {
    "docs/datasets.md",
    "docs/encoders.md",
    "docs/from_peft.md",
    "docs/how_to/adapter.md",
    "docs/how_to/expert.md",
    "docs/how_to/kernel.md",
    "docs/kernels.md",
}


def pages_with(language: str) -> list[Any]:
    """A parameter a page."""
    return [
        pytest.param(page, id=page.relative_to(ROOT).as_posix())
        for page in PAGES
        if any(block.language == language for block in blocks_of(page))
    ]


def of(page: Path, language: str) -> list[Block]:
    return [block for block in blocks_of(page) if block.language == language]


@pytest.mark.parametrize("page", [*PAGES, *WALKS], ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_block_says_what_it_is(page: Path) -> None:
    """And so has a check, or is `text`. What stands in braces is Sphinx's, which checks it in `make docs`."""
    strange = [block for block in blocks_of(page) if not block.language.startswith("{")]
    assert [f"{block} `{block.language}`" for block in strange if block.language not in LANGUAGES] == []


@pytest.mark.usefixtures("encoded_once")
@pytest.mark.parametrize("page", pages_with("python"))
def test_python_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page's blocks in order, where `plugins/` and `examples/` are those of the repository."""
    for name in ("plugins", "examples"):
        (tmp_path / name).symlink_to(ROOT / name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    for block in of(DOCS / "plugins.md", "python"):
        if block.file:  # the package that other pages speak of
            (tmp_path / block.file).parent.mkdir(exist_ok=True)
            (tmp_path / block.file).write_text(block.code, "utf-8")
    names: dict[str, Any] = {"__name__": "a_page"}
    exec(BEFORE.get(page.relative_to(ROOT).as_posix(), ""), names)
    run_python(of(page, "python"), names)


@pytest.mark.parametrize("page", pages_with("json"))
def test_json_validates(page: Path, tmp_path: Path) -> None:
    """Pipelines, parts of them, components, items."""
    for block in of(page, "json"):
        check_json(block, tmp_path)


@pytest.mark.parametrize("page", pages_with("bash"))
def test_commands_are_there(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With their options."""
    for block in of(page, "bash"):
        check_bash(block, ROOT, monkeypatch)


@pytest.mark.parametrize("page", pages_with("toml"))
def test_toml_parses(page: Path) -> None:
    """As it stands."""
    for block in of(page, "toml"):
        check_toml(block)


@pytest.mark.usefixtures("encoded_once")
@pytest.mark.parametrize("page", WALKS, ids=lambda page: page.relative_to(DOCS).as_posix())
def test_a_walk_leads_where_it_says(page: Path, tmp_path: Path, warm: Warm) -> None:
    """A block under the name of a file is written there; bash runs; `text` after it is what comes out."""
    walk = Walk(tmp_path, warm)
    for block in blocks_of(page):
        if block.file:
            walk.write(block)
        elif block.language == "bash":
            walk.run(block)
        elif block.language == "text":
            walk.compare(block)
        else:
            raise AssertionError(f"{block}: neither a file, nor a command, nor its output")


class Walk:
    """A reader: an environment in which Graftwork is installed, and a folder where she is.

    `graftwork` and `pytest` begin with torch imported; `python` is the environment's own.
    """

    def __init__(self, folder: Path, warm: Warm) -> None:
        self._place, self._said = folder / "work", ""
        self._place.mkdir()
        venv = folder / "venv"
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
        python, scripts = venv / "bin" / "python", venv / "bin"
        (site,) = venv.glob("lib/python3*/site-packages")
        (site / "others.pth").write_text(f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})\n")
        (folder / "graftwork").symlink_to(ROOT)
        (site / "tree.pth").write_text(f"{folder}\n")
        commands = {
            "graftwork": warm.shell(python, "from graftwork.core.cli import main; main()"),
            "pytest": f"{warm.shell(python, PYTEST)} -p no:cacheprovider",
            "pip": f"{sys.executable} -m pip --python {python} --disable-pip-version-check",
        }
        for name, command in commands.items():
            (scripts / name).write_text(f'#!/bin/sh\nexec {command} "$@"\n')
            (scripts / name).chmod(0o755)
        # pip must build with what is here, and ask no index.
        offline = {"PIP_NO_BUILD_ISOLATION": "0", "PIP_NO_INDEX": "1", "COLUMNS": "200"}
        kept = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "PYTEST_ADDOPTS")}
        self._environment = {**kept, **offline, "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}"}

    def write(self, block: Block) -> None:
        """Below where the reader is."""
        assert block.file is not None
        path = self._place / block.file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block.code, "utf-8")

    def run(self, block: Block) -> None:
        """`# exit code N` says how the block ends; where it ends is where the next begins."""
        where = self._place / ".where"
        done = subprocess.run(
            ["bash", "-e", "-c", f"trap 'pwd > {where}' EXIT\n{block.code}"],
            cwd=self._place,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        expected = re.search(r"# exit code (\d+)", block.code)
        assert done.returncode == (int(expected[1]) if expected else 0), f"{block}:\n{done.stdout}"
        self._place, self._said = Path(where.read_text().strip()), done.stdout
        where.unlink()

    def compare(self, block: Block) -> None:
        """`...` stands for anything; white space is folded."""
        same = OutputChecker().check_output(block.code, self._said, ELLIPSIS | NORMALIZE_WHITESPACE)
        assert same, f"{block}: expected\n{block.code}\ngot\n{self._said}"


def test_code_is_read_without_scrolling() -> None:
    """Python and JSON of every page that a reader is led to."""
    wide = {
        page.relative_to(ROOT).as_posix()
        for page in (*PAGES, *WALKS)
        for block in blocks_of(page)
        if block.language in ("python", "json") and any(len(line) > WIDEST for line in block.code.splitlines())
    }
    assert wide == UNBROKEN


def test_the_pictures_are_those_of_their_script() -> None:
    """`python docs/_ext/pictures.py` draws them anew."""
    spec = importlib.util.spec_from_file_location("pictures", DOCS / "_ext" / "pictures.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found = {path.name: path.read_text("utf-8") for path in (DOCS / "pictures").glob("*.svg")}
    assert found == {name: draw() for name, draw in module.PICTURES.items()}


def test_what_the_page_on_the_surface_names_is_there() -> None:
    """Every module, and every name of one."""
    page = (DOCS / "reference" / "surface.md").read_text("utf-8")
    for name in re.findall(r"`(graftwork[.\w]*)`", page):
        pkgutil.resolve_name(name)
