"""`"$schema"` in a real editor's language server: completion, hover and underlines, third-party types included.

The server is VS Code's own (npm's vscode-langservers-extracted). Install it anywhere and name it:

    npm install --prefix DIR vscode-langservers-extracted
    export GRAFTWORK_JSON_LANGUAGE_SERVER=DIR/node_modules/.bin/vscode-json-language-server
    pytest tests/repository/test_editor.py
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from graftwork.core.spec.pipeline_spec import PipelineSpec
from graftwork.plugins.adapters import GANetSpec
from graftwork.registry.field_docs import field_doc
from graftwork.registry.schema import export_schema

from ..support.language_server import PROGRAM, VARIABLE, LanguageServer, server_program
from ..support.small_pipeline import catalogue

SERVER = server_program()
pytestmark = pytest.mark.skipif(
    SERVER is None, reason=f"needs node and npm's vscode-langservers-extracted: {PROGRAM} on the path, or {VARIABLE}"
)

GOOD = """{
  "$schema": "./graftwork.schema.json",
  "dataset": {"type": "few_digits", "train": 12},
  "encoder": {"type": "pixels"},
  "graph": {"type": "similarity", "threshold": 0.5},
  "adapter": {"type": "ga_net", "bottleneck": 8},
  "trainer": {"optimizer": {"lr": 0.1}},
  "reporters": [{"type": "hearing"}]
}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With the schema of what is installed and a third party's types, as `graftwork schema` prints it."""
    folder = tmp_path_factory.mktemp("editor")
    (folder / "graftwork.schema.json").write_text(json.dumps(export_schema(PipelineSpec, catalogue())))
    return folder


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[LanguageServer]:
    """One server for all tests."""
    assert SERVER is not None
    with LanguageServer(SERVER, folder) as server:
        yield server


class Document:
    """A spec that is open in the editor."""

    def __init__(self, server: LanguageServer, folder: Path, name: str, text: str) -> None:
        self.server, self.path, self.text = server, folder / f"{name}.json", text
        self.path.write_text(text)
        self.underlined = sorted((self._between(one["range"]), one["message"]) for one in server.open(self.path, text))

    def complete(self, passage: str, into: int) -> dict[str, str]:
        """What is offered so many letters into that passage."""
        return self.server.complete(self.path, *self._at(passage, into))

    def hover(self, passage: str, into: int = 1) -> str:
        """What is shown there, without Markdown's escapes."""
        return self.server.hover(self.path, *self._at(passage, into)).replace("\\", "")

    def _at(self, passage: str, into: int) -> tuple[int, int]:
        assert self.text.count(passage) == 1
        before = self.text[: self.text.index(passage) + into]
        return before.count("\n"), len(before) - before.rfind("\n") - 1

    def _between(self, where: dict[str, dict[str, int]]) -> str:
        start, end = where["start"], where["end"]
        return self.text.split("\n")[start["line"]][start["character"] : end["character"]]


def test_a_valid_spec_has_no_underline(server, folder):
    """With third-party types, and an optimizer that names no type."""
    assert Document(server, folder, "good", GOOD).underlined == []


def test_completion_lists_third_party_types_with_their_documentation(server, folder):
    """Beside the built-in ones, in their own kind alone."""
    spec = Document(server, folder, "types", GOOD.replace("few_digits", ""))
    offered = spec.complete('"type": ""', 9)
    assert offered['"few_digits"'] == "a few of the digits"
    assert offered['"digits"'] == "1,797 real handwritten digits (8x8)"
    assert '"pixels"' not in offered


def test_completion_lists_the_fields_of_the_type_that_is_written(server, folder):
    """A third party's own and those of its role; not those of other types."""
    spec = Document(server, folder, "fields", GOOD.replace('"train": 12', '""'))
    offered = spec.complete('""', 1)
    assert {"shots", "train", "val", "test", "labelled_shots"} <= offered.keys()
    assert not offered.keys() & {"root", "split_file", "type"}
    assert spec.complete('"lr"', 1).keys() >= {"weight_decay"}  # the default optimizer's


def test_hover_shows_the_documentation(server, folder):
    """Of a type its summary, of a field its sentence, of a section its component."""
    spec = Document(server, folder, "hover", GOOD)
    assert "`few_digits`: a few of the digits" in spec.hover("few_digits")
    assert "`ga_net`: GA-Net's graph bottleneck" in spec.hover("ga_net")
    assert "The first digits of each class and split" in spec.hover('"dataset"')
    assert spec.hover('"bottleneck"') == field_doc(GANetSpec, "bottleneck")


def test_what_is_wrong_is_underlined_and_nothing_else(server, folder):
    """Each value by itself, with a message about the type that is written."""
    bad = (
        GOOD.replace('"train": 12', '"train": "12"')
        .replace('"threshold": 0.5', '"threshold": 2')
        .replace('"bottleneck": 8', '"botleneck": 8')
        .replace('"hearing"}', '"morse"}, {}')
        .replace('"pixels"', '"few_digits"')
    )
    spec = Document(server, folder, "bad", bad.replace('"lr": 0.1', '"lr": "x"'))
    assert dict(spec.underlined).keys() == {'"12"', "2", '"botleneck"', '"morse"', "{", '"few_digits"', '"x"'}
    said = dict(spec.underlined)
    assert said['"12"'] == 'Incorrect type. Expected "integer".'
    assert said["2"] == "Value is above the maximum of 1."
    assert said['"botleneck"'] == "Property botleneck is not allowed."
    assert said['"morse"'] == 'Value is not accepted. Valid values: "console", "fragile", "hearing", "jsonl".'
    assert said["{"] == 'Missing property "type".'
    assert len(spec.underlined) == 7


def test_a_missing_section_is_underlined_unless_the_file_extends_another(server, folder):
    """What stands in the other file cannot be seen from here."""
    part = '{\n "$schema": "./graftwork.schema.json",\n "graph": {"threshold": 0.5},\n "adapter": {"type": "ga_net"}}'
    alone = Document(server, folder, "alone", part)
    assert {said for _, said in alone.underlined} == {
        'Missing property "dataset".',
        'Missing property "encoder".',
        'Missing property "type".',
    }
    extending = part.replace('"graph"', '"extends": "good.json",\n "graph"')
    assert Document(server, folder, "extending", extending).underlined == []
    wrong = Document(server, folder, "wrong", extending.replace('"ga_net"', '"ga_net", "norm": 3, "x": 1'))
    assert {where for where, _ in wrong.underlined} == {"3", '"x"'}
