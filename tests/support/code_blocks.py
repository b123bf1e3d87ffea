"""The fenced blocks of a page, and what each language is checked for.

`python` runs, a page's blocks one after the other in one namespace. `json` is a pipeline, part of one, a component, or
items of a data set, and validates. `bash` parses, and every `graftwork` command in it is one that there is. `toml`
parses. `mermaid` is the drawing that `test_layout` holds against the contract. `text` is for people: output, drawings.
There are no others.
"""

from __future__ import annotations
import __future__

import json
import shlex
import subprocess
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import click
import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token
from pydantic import ValidationError

from graftwork import Pipeline
from graftwork.core.cli import cli
from graftwork.core.spec.pipeline_spec import PipelineSpec
from graftwork.plugins.captioners.captions_table import read_rows
from graftwork.plugins.datasets.json_lines.line import read_lines
from graftwork.registry.discovery import default_catalogue

LANGUAGES = {"python", "json", "bash", "toml", "mermaid", "text"}
#: Of the files that a block may be the content of.
SUFFIXES = {"python": ".py", "json": ".json", "toml": ".toml"}
#: What a part of a pipeline is completed by.
BASE = {"dataset": {"type": "digits"}, "encoder": {"type": "open_clip"}, "adapter": {"type": "none"}}


@dataclass(frozen=True)
class Block:
    """One fenced block."""

    page: Path
    #: Of its first line of code, from 1.
    line: int
    language: str
    code: str
    #: The path that the paragraph before it begins with in code font: what it is the content of.
    file: str | None

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


@cache
def blocks_of(page: Path) -> tuple[Block, ...]:
    """In order; indented blocks count, and have no language."""
    tokens = MarkdownIt().parse(page.read_text("utf-8"))
    return tuple(
        Block(page, token.map[0] + 2, token.info, token.content, _file_named(token, tokens[max(0, number - 2)]))
        for number, token in enumerate(tokens)
        if token.type in ("fence", "code_block") and token.map is not None
    )


def _file_named(fence: Token, paragraph: Token) -> str | None:
    first = next(iter(paragraph.children or ()), None) if paragraph.type == "inline" else None
    if first is None or first.type != "code_inline" or fence.info not in SUFFIXES:
        return None
    return first.content if first.content.endswith(SUFFIXES[fence.info]) else None
    named = (
        first is not None and first.type == "code_inline" and Path(first.content).suffix in (".py", ".json", ".toml")
    )
    return first.content if named and first is not None else None


def run_python(blocks: list[Block], names: dict[str, Any]) -> None:
    """Annotations are not evaluated: a page may show a signature."""
    for block in blocks:
        code = "\n" * (block.line - 1) + block.code
        exec(
            compile(code, str(block.page), "exec", flags=__future__.annotations.compiler_flag, dont_inherit=True), names
        )


def check_json(block: Block, folder: Path) -> None:
    """Each of its values."""
    text = block.code.strip()
    if text.startswith('"'):  # sections of a pipeline, without the braces
        text = f"{{{text}}}"
    for value in _values(text):
        assert isinstance(value, dict), f"{block}: {value!r} is no object"
        _check_value(block, value, folder)


def _values(text: str) -> Iterator[Any]:
    decoder = json.JSONDecoder()
    while text:
        value, end = decoder.raw_decode(text)
        yield value
        text = text[end:].lstrip()


def _check_value(block: Block, value: dict[str, Any], folder: Path) -> None:
    sections = {field.alias or name for name, field in PipelineSpec.model_fields.items()}
    if "type" in value:
        _check_component(block, value)
    elif "extends" in value:
        (folder / value["extends"]).write_text(json.dumps({**BASE, "graph": {"type": "similarity"}}))
        (folder / "spec.json").write_text(json.dumps(value))
        Pipeline.from_file(folder / "spec.json")
    elif set(BASE) <= set(value) <= sections:
        Pipeline.from_dict(value)
    elif set(value) <= sections:
        PipelineSpec.model_validate({**BASE, **value}, context={"catalogue": default_catalogue()})
    elif "file_name" in value:
        (folder / "captions.jsonl").write_text(json.dumps(value))
        read_rows(folder / "captions.jsonl")
    else:
        (folder / "items.jsonl").write_text(json.dumps(value))
        list(read_lines(folder / "items.jsonl"))


def _check_component(block: Block, value: dict[str, Any]) -> None:
    catalogue = default_catalogue()
    kinds = [kind for kind in catalogue.kinds() if value["type"] in catalogue.types(kind)]
    assert kinds, f"{block}: no component is called {value['type']}"
    wrong = []
    for kind in kinds:
        try:
            catalogue.find(kind, value["type"]).spec.model_validate(value, context={"catalogue": catalogue})
        except ValidationError as error:
            wrong.append(error)
    if len(wrong) == len(kinds):
        raise wrong[0]


def check_bash(block: Block, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is run: bash reads it, click reads the arguments of our commands, make has the targets."""
    subprocess.run(["bash", "-n"], input=block.code, text=True, check=True)
    targets = {line.partition(":")[0] for line in (root / "Makefile").read_text("utf-8").splitlines()}
    for line in block.code.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        if words[:1] == ["make"]:
            assert set(words[1:]) <= targets, f"{block}: no such target: {line}"
        if words[:1] == ["graftwork"]:
            end = next((number for number, word in enumerate(words) if word in (">", "|", "&&")), len(words))
            _parse(words[1:end], block, monkeypatch)


def _parse(arguments: list[str], block: Block, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(click.Command, "invoke", lambda self, ctx: None)  # groups have their own, and go on to this one
        try:
            cli.main(arguments, prog_name="graftwork", standalone_mode=False)
        except click.ClickException as error:
            raise AssertionError(f"{block}: graftwork {' '.join(arguments)}: {error.format_message()}") from error


def check_toml(block: Block) -> None:
    """It parses."""
    tomllib.loads(block.code)
