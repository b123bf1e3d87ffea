"""Names in a stranger's files never act on a terminal: what it would act upon is printed as escapes."""

from __future__ import annotations

import ast
import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from rich.console import Console as Terminal

from graftwork.core import events
from graftwork.core.cli.say import print_json, print_table, say
from graftwork.core.storage.manifest import seal
from graftwork.core.storage.run_folder import RunFolderError, read_json_file, write_json
from graftwork.core.testing.checks.reporters import RESULT
from graftwork.plugins.reporters.console import Console
from graftwork.plugins.reporters.specs import ConsoleSpec
from graftwork.registry.errors import one_line, printable

from ...repository.test_packaging import modules
from ...support.command_answers import answer
from ...support.paths import ROOT
from ...support.strangers.small_runs import adapter_of

#: A colour, a title, a carriage return, the eight-bit form of an escape, letters that turn what follows, a rubout.
ACTS = "\x1b[31m", "\x1b]0;x\x07", "a\rb", "\x9b31m", "\u202etxt", "\u2066x\u2069", "\x7f", "\x08", "\u200b", "\ud800"
EVIL = "x".join(ACTS)
#: What prints: all else of the package gives its words to these.
#: The verb of PEFT that is named after it prints, too.
PRINTERS = {
    "core/cli/say.py",
    "core/graft/grafted_model.py",
    "plugins/reporters/console.py",
    "plugins/reporters/progress.py",
}


def harmless(text: str) -> bool:
    return all(letter.isprintable() or letter in "\n\t" for letter in text)


@pytest.mark.parametrize("text", ACTS)
def test_what_acts_on_a_terminal_is_printed_as_an_escape(text: str) -> None:
    """By every letter that does."""
    assert harmless(printable(f"before {text} after"))
    assert not harmless(text)


@pytest.mark.parametrize("text", ["two\nlines\tof it", "größer – ∞", "日本\u3000語", "1\xa0000", "🐱", ""])
def test_what_does_not_is_printed_as_it_is(text: str) -> None:
    """Line breaks, tabs, letters of every script, wide and unbreakable spaces."""
    assert printable(text) == text
    assert one_line(text) == text.replace("\n", "\\n").replace("\t", "\\t")


def test_words_of_our_errors_are_printable() -> None:
    """Whoever prints them: a traceback, a notebook, the command line."""
    assert str(RunFolderError(f"a\n{EVIL}")) == f"a\n{printable(EVIL)}"


def test_what_commands_print_is_printable(capsys: pytest.CaptureFixture[str]) -> None:
    """Lines, tables with their titles; JSON holds the same value."""
    say(EVIL)
    say(EVIL, err=True)
    print_table((EVIL,), [(EVIL,)], EVIL)
    written = capsys.readouterr()
    assert harmless(written.out)
    assert harmless(written.err)
    for value in ({EVIL: [EVIL]}, {"größer": "日本"}):
        print_json(value)
        text = capsys.readouterr().out
        assert harmless(text)
        assert json.loads(text) == value


def _prints(node: ast.AST) -> bool:
    if not isinstance(node, ast.Call):
        return False
    called = ast.unparse(node.func)
    return called in ("print", "click.echo", "click.secho", "Console", "Terminal") or called.endswith(
        (".stdout.write", ".stderr.write", "terminal.print", "console.print")
    )


def test_nothing_else_prints() -> None:
    """What makes the pocket models and the excerpt is ours alone; benchmarks name no file of anybody's."""
    ours = (
        "plugins/pocket/",
        "plugins/datasets/registries/build_emoji_excerpt.py",
        "benchmarks/",
        "core/scaffold/templates/",
        "docs/",
        "examples/",
    )
    found = {
        name
        for name in modules()
        if not name.startswith(ours) and any(map(_prints, ast.walk(ast.parse((ROOT / name).read_text("utf-8")))))
    }
    assert found <= PRINTERS


def test_predict_prints_names_of_classes_and_files_as_escapes(tmp_path: Path) -> None:
    """Of what is read and of what is not; JSON gives them as they are."""
    folder, names = adapter_of("layers", tmp_path), [EVIL.replace("\ud800", ""), "b\nforged: 1.000", "c"]
    config = read_json_file(folder / "adapter_config.json")
    config["graftwork"]["class_names"] = names
    write_json(folder / "adapter_config.json", config)
    seal(folder)
    picture, broken = tmp_path / "a\x1b[2J.png", tmp_path / "b\x1b[2J.png"
    Image.new("RGB", (8, 8)).save(picture)
    broken.write_bytes(b"no picture")
    said = ["--text", "a", "--text", "b", "--device", "cpu"]
    given = answer(["predict", str(folder), str(picture), str(broken), *said])
    assert given["code"] == 2
    assert harmless(given["out"] + given["err"])
    assert given["out"].count("\n") == 1
    assert "a\\x1b[2J.png: " in given["out"]
    assert "b\\x1b[2J.png: not a readable image" in given["err"]
    as_json = answer(["predict", str(folder), str(picture), "--text", "a", "--device", "cpu", "--format", "json"])
    assert set(json.loads(as_json["out"])[0]["probabilities"]) == set(names)


@pytest.mark.parametrize("arguments", [["validate"], ["run"], ["compare"], ["predict"], [], ["plugins", "check"]])
def test_arguments_are_printed_as_escapes(arguments: list[str]) -> None:
    """A shell makes them of the names of files that lie about."""
    given = answer([*arguments, "\x1b[31mx\u202e"])
    assert given["code"] in (1, 2)
    assert harmless(given["out"] + given["err"])


@pytest.mark.parametrize("interactive", [False, True])
def test_the_console_reporter_prints_names_as_escapes(interactive: bool, tmp_path: Path) -> None:
    """Of everything that happens in a run, on a terminal and in a pipe; square brackets are no markup."""
    evil: Any = f"{EVIL.replace(chr(0xD800), '')}[/nothing][bold]"
    result = json.loads(json.dumps(RESULT))
    result |= {"name": evil, "test": {"accuracy": RESULT["test"]["accuracy"], evil: RESULT["test"]["accuracy"]}}
    result |= {"chosen": {"adapter.bottleneck": evil}, "examples": [{"id": evil, "source": evil, "description": evil}]}
    result["dataset"]["split_id"] = evil
    written = StringIO()
    terminal = Terminal(file=written, force_terminal=interactive, color_system=None, width=4000, highlight=False)
    reporter = Console(ConsoleSpec(), tmp_path, terminal)
    for event in (
        events.RunStarted(evil, evil, 1),
        events.StageStarted(evil, 2, 1),
        events.StageAdvanced(evil, 2),
        events.Note(evil),
        events.TrainingFinished(1, 0, {evil: evil}, 1, 0.5, 1.0),
        events.RunFinished(evil, result),
    ):
        reporter.hear(event)
    reporter.close()
    text = written.getvalue()
    assert "[bold]" in text
    for one in ACTS[:-1]:
        assert one not in text
