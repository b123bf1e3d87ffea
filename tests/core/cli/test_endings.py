"""How a command ends that is asked to, and that nobody reads or that cannot write: nothing is lost, and it is said."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

import click
import pytest
import torch
from PIL import Image

from graftwork.core.cli import COMMANDS, main, signals
from graftwork.core.storage.result import Result
from graftwork.registry.build import BuildError
from graftwork.registry.errors import MissingExtra

from ...support.command_answers import answer, signals_as_in_a_terminal
from ...support.small_pipeline import SMALL, Pixels, catalogue, pipeline
from ...support.stored_evidence import COMMAND, SPEC

CODES = {"SIGINT": 130, "SIGTERM": 143, "SIGHUP": 129}
SAID = "what was encoded so far is stored\n"
MAIN = "graftwork.core.cli"


@pytest.fixture(autouse=True)
def as_in_a_terminal() -> Iterator[None]:
    """Signals are not ignored."""
    with signals_as_in_a_terminal():
        yield


@pytest.fixture
def spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A pipeline of a second with components of the tests, which the command line knows as if they were installed."""
    monkeypatch.setattr("graftwork.core.pipeline.default_catalogue", catalogue)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "spec.json").write_text(json.dumps(SMALL | {"encoder": {"type": "pixels", "batch_size": 16}}))
    Pixels.encoded.clear()
    return tmp_path / "spec.json"


@pytest.mark.parametrize("name", CODES)
def test_a_signal_keeps_what_was_encoded(name: str, spec: Path) -> None:
    """Each as Ctrl-C, with a code of its own; the next start takes the place and encodes the rest."""
    reporter = json.dumps([{"type": "fragile", "breaks_on": "StageAdvanced", "error": name}])
    said = answer(["run", str(spec), "--out", "x", "--set", f"reporters={reporter}"])
    assert (said["code"], said["out"]) == (CODES[name], "")
    go_on = "; the same command with --resume goes on with it\n"
    assert said["err"].strip("\n") + "\n" == f"{signals.WORDS[name]}; {SAID.strip()}{go_on}"
    assert len(Pixels.encoded) == 16
    assert sorted(path.name for path in spec.parent.iterdir()) == ["spec.json", "x.partial"]
    assert answer(["run", str(spec), "--out", "x"])["code"] == 0
    result = Result.read(spec.parent / "x" / "result.json")
    assert len(Pixels.encoded) == sum(result.dataset.sizes.values())
    assert sorted(path.name for path in spec.parent.iterdir()) == ["spec.json", "x"]


def command_that(act: Callable[[], object], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A command of the command line that does so."""
    module = ModuleType(f"{MAIN}.odd")
    module.command = click.Command("odd", callback=act)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setitem(COMMANDS, "odd", "odd")
    return ["odd"]


@pytest.mark.parametrize("error", [ImportError("initialization failed"), MissingExtra("a package more"), SystemExit(2)])
@pytest.mark.parametrize("name", CODES)
def test_what_a_library_makes_of_a_signal_is_still_one(
    name: str, error: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As pybind11 does while a module is imported."""

    def swallowing() -> None:
        try:
            signal.raise_signal(signal.Signals[name])
        except KeyboardInterrupt as interrupt:
            raise error from interrupt

    said = answer(command_that(swallowing, monkeypatch))
    assert (said["code"], said["err"]) == (CODES[name], f"{signals.WORDS[name]}; {SAID}")


@pytest.mark.parametrize("name", CODES)
def test_a_signal_waits_while_c_code_is_imported(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A frame as Python's own, which may pass nothing on; then the command ends at once, and once."""
    went_on: list[str] = []

    def load_it() -> None:
        for _ in range(3):  # impatience changes nothing
            signal.raise_signal(signal.Signals[name])
            time.sleep(0.03)
        went_on.append("to the end of the import")

    code: CodeType = load_it.__code__.replace(co_qualname="ExtensionFileLoader.exec_module")
    loading = FunctionType(code, globals(), closure=load_it.__closure__)

    def importing() -> None:
        loading()
        time.sleep(30)
        went_on.append("after it")

    began = time.monotonic()
    said = answer(command_that(importing, monkeypatch))
    assert time.monotonic() - began < 10
    assert went_on == ["to the end of the import"]
    assert said["code"] == CODES[name]
    time.sleep(0.05)  # nothing comes later


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_a_signal_that_is_ignored_stays_so(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As `nohup` asks; handlers are put back afterwards."""
    before = signal.signal(signal.Signals[name], signal.SIG_IGN)
    try:
        assert answer(command_that(lambda: signal.raise_signal(signal.Signals[name]), monkeypatch))["code"] == 0
        assert signal.getsignal(signal.Signals[name]) == signal.SIG_IGN
    finally:
        signal.signal(signal.Signals[name], before)


#: A command that the signal ``sys.argv[1]`` ends, and each of them again while its process ends.
ENDED_TWICE = f"""
import atexit, signal, sys, types, click
from graftwork.core.cli import COMMANDS, main
names = {list(CODES)}
module = types.ModuleType("{MAIN}.odd")
module.command = click.Command("odd", callback=lambda: signal.raise_signal(signal.Signals[name]))
sys.modules[module.__name__], COMMANDS["odd"], name = module, "odd", sys.argv[1]
atexit.register(lambda: [signal.raise_signal(signal.Signals[one]) for one in names] and print("whole"))
for one in names:
    signal.signal(signal.Signals[one], signal.SIG_DFL)
sys.argv[1:] = ["odd"]
try:
    main()
finally:
    for one in names:
        signal.raise_signal(signal.Signals[one])
"""


@pytest.mark.parametrize("name", CODES)
def test_a_second_signal_changes_nothing_to_the_end_of_the_process(name: str) -> None:
    """Neither after the command nor while Python ends: no traceback, and the code is that of the first."""
    ended = subprocess.run([sys.executable, "-c", ENDED_TWICE, name], capture_output=True, text=True, timeout=600)
    assert (ended.returncode, ended.stderr.lstrip("\n")) == (CODES[name], f"{signals.WORDS[name]}; {SAID}")
    assert ended.stdout == "whole\n"


#: The installed command, which the signal ``sys.argv[1]`` reaches as it begins to import the module ``sys.argv[2]``.
STARTED = """
import os, signal, sys
number, place = signal.Signals[sys.argv[1]], sys.argv[2]
for one in ("SIGINT", "SIGTERM", "SIGHUP"):
    signal.signal(getattr(signal, one), signal.default_int_handler if one == "SIGINT" else signal.SIG_DFL)

class Sends:
    def find_spec(self, name, path, target=None):
        if name == place:
            os.kill(os.getpid(), number)

import graftwork
sys.meta_path.insert(0, Sends())
sys.argv = ["graftwork", "validate", "nowhere.json"]
from graftwork.core.cli import main
main()
"""
#: What a command imports, in its order, once signals are caught.
PLACES = ("graftwork.core.cli.streams", "graftwork.core.cli.commands", "click", "graftwork.core.cli.say")
PLACES += ("graftwork.core.cli.specs.validate", "graftwork.core.pipeline", "pydantic", "graftwork.core.spec.load_spec")


ARRIVALS = [*itertools.product(["SIGINT"], PLACES), *itertools.product(["SIGTERM", "SIGHUP"], PLACES[:1] + PLACES[-1:])]


@pytest.mark.parametrize(("name", "place"), ARRIVALS)
def test_a_signal_while_the_command_starts_is_no_traceback(name: str, place: str) -> None:
    """From the moment that signals are caught, wherever it has come to: its code, one word, nothing else."""
    ended = subprocess.run([sys.executable, "-c", STARTED, name, place], capture_output=True, text=True, timeout=600)
    said = ended.stderr.strip("\n")
    assert (ended.returncode, said.split(";")[0], ended.stdout) == (CODES[name], signals.WORDS[name], "")
    assert said in (signals.WORDS[name], f"{signals.WORDS[name]}; {SAID.strip()}")


def test_little_is_imported_before_signals_are_caught() -> None:
    """What of ours, and nothing of others: until then Ctrl-C is a traceback of Python's, which nobody can prevent."""
    code = (
        "import sys; before = set(sys.modules); import graftwork.core.cli, graftwork.core.cli.signals; "
        "print(*sorted(name for name in set(sys.modules) - before if name not in sys.stdlib_module_names "
        "and name.partition('.')[0] not in sys.stdlib_module_names))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=600)
    ours = {"graftwork", "graftwork.core", "graftwork.core.cli", "graftwork.core.cli.signals"}
    assert set(found.stdout.split()) <= ours | {"graftwork.registry", "graftwork.registry.importing"}


def test_an_error_without_a_signal_is_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing() -> None:
        raise BuildError("it cannot be imported")

    said = answer(command_that(failing, monkeypatch))
    assert (said["code"], said["err"]) == (1, "error: it cannot be imported\n")


@pytest.mark.parametrize(
    ("ask", "asked"),
    [(lambda: torch.zeros(1 << 53), f"allocate {4 << 53} bytes"), (lambda: bytearray(1 << 60), "MemoryError")],
    ids=["torch", "Python"],
)
def test_memory_that_runs_out_is_told_with_the_size_that_was_asked_for(
    ask: Callable[[], object], asked: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = answer(command_that(ask, monkeypatch))
    assert said["code"] == 1
    assert said["err"].startswith("error: memory ran out: ")
    assert asked in said["err"]
    assert said["err"].endswith("a smaller batch_size, fewer items or fewer edges take less\n")


def started(*arguments: str, **streams: Any) -> subprocess.Popen[bytes]:
    """A command in a process of its own."""
    return subprocess.Popen([sys.executable, "-c", COMMAND, *arguments], **streams)


def closed_pipe() -> int:
    """The end to write into of a pipe that nobody reads."""
    reading, writing = os.pipe()
    os.close(reading)
    return writing


def test_progress_that_nobody_reads_costs_no_run(tmp_path: Path) -> None:
    """``run SPEC 2>&1 | head -1``: the run is finished, and the exit code is that of a run."""
    for number, name in enumerate(itertools.product(("train", "val", "test"), "ab", "12")):
        path = tmp_path.joinpath("pictures", *name[:2], f"{name[2]}.png")
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (8, 8), number).save(path)
    spec = SPEC | {"dataset": {"type": "image_folder", "root": "pictures"}, "reporters": [{"type": "console"}]}
    (tmp_path / "spec.json").write_text(json.dumps(spec))
    pipe = closed_pipe()
    running = started("run", "spec.json", "--out", "x", cwd=tmp_path, stdout=pipe, stderr=pipe)
    os.close(pipe)
    assert running.wait(timeout=600) == 0
    assert Result.read(tmp_path / "x" / "result.json").name == "small"


UNREAD = {"closed pipe": closed_pipe, "full disk": lambda: os.open("/dev/full", os.O_WRONLY)}


@pytest.mark.parametrize("kind", UNREAD)
def test_progress_that_nobody_reads_costs_no_run_in_python(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where no command line looks after the streams: the console falls silent, and other reporters go on."""
    stream = open(UNREAD[kind](), "w", buffering=1)  # noqa: SIM115  # its closing fails
    monkeypatch.setattr(sys, "stderr", stream)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a reporter failed and is silent from now on
        run = pipeline(reporters=[{"type": "console"}, {"type": "jsonl"}]).run(tmp_path / "x", show=True)
    assert (run.folder / "events.jsonl").read_text().count("RunFinished") == 1
    with contextlib.suppress(OSError):
        stream.close()


@pytest.mark.parametrize("kind", UNREAD)
def test_words_on_standard_error_cost_nothing(kind: str) -> None:
    """Whatever is wrong with it."""
    stream = UNREAD[kind]()
    with started("validate", "nowhere.json", stdout=subprocess.PIPE, stderr=stream) as running:
        os.close(stream)
        assert running.wait(timeout=600) == 2


@pytest.mark.parametrize(
    "arguments", [("schema",), ("components", "list"), ("plugins", "list"), ("--help",), ("--version",)], ids=str
)
def test_results_that_cannot_be_written_are_said(arguments: tuple[str, ...]) -> None:
    """``graftwork schema > /dev/full``: in words, and no result is claimed."""
    with open("/dev/full", "wb") as full, started(*arguments, stdout=full, stderr=subprocess.PIPE) as running:
        said = running.communicate(timeout=600)[1].decode()
    told = "error: cannot write to standard output: No space left on device; what follows is lost\n"
    assert (running.returncode, said) == (1, told)


@pytest.mark.parametrize("arguments", [("schema",), ("components", "list"), ("--help",)], ids=str)
def test_results_that_nobody_reads_end_well(arguments: tuple[str, ...]) -> None:
    pipe = closed_pipe()
    with started(*arguments, stdout=pipe, stderr=subprocess.PIPE) as running:
        os.close(pipe)
        assert (running.communicate(timeout=600)[1], running.returncode) == (b"", 0)


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-"])
def test_streams_that_are_closed_are_as_pipes_that_nobody_reads(closed: str, tmp_path: Path) -> None:
    """As some managers of services start a command: JSON, a table and lines cost nothing, and no file is mixed up."""
    (tmp_path / "spec.json").write_text(json.dumps(SPEC))
    shell = f'for one in "schema" "components list" "lock spec.json"; do "$0" -c "$1" $one {closed} || exit; done'
    with subprocess.Popen(
        ["bash", "-c", shell, sys.executable, COMMAND], stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=tmp_path
    ) as running:
        out, err = (said.decode() for said in running.communicate(timeout=600))
    assert (running.returncode, "Traceback" in err) == (0, False)
    assert bool(out) == (">&-" not in closed.replace("2>&-", ""))
    assert "pipeline" in json.loads((tmp_path / "spec.lock.json").read_text())


EMPTY = {
    "run": ["run", "{}", "--out", ""],
    "sweep": ["sweep", "{}", "--out", ""],
    "compare": ["compare", "{}", "--out", ""],
    "lock": ["lock", "{}", "-o", ""],
    "cache": ["run", "{}", "--cache", ""],
    "bench": ["bench", "all", "--out", ""],
    "plugin": ["plugin", "new", "graftwork-x", "--kind", "adapter", "--out", ""],
}


@pytest.mark.parametrize("name", EMPTY)
def test_an_empty_path_is_no_default(name: str, spec: Path) -> None:
    """As a shell makes it of a variable that is not set; nothing is written."""
    said = answer([one.format(spec) for one in EMPTY[name]])
    assert (said["code"], "the path is empty; name one, or leave the option out" in said["err"]) == (2, True)
    assert [path.name for path in spec.parent.iterdir()] == ["spec.json"]


@pytest.mark.parametrize("command", ["run", "plan", "validate", "sweep", "doctor"])
def test_a_working_folder_that_is_gone_is_said(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By every command, before it does anything."""
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    said = answer([command, *([] if command == "doctor" else [str(tmp_path / "spec.json")])])
    os.chdir(tmp_path)
    assert (said["code"], said["err"]) == (1, "error: the working folder was removed; cd to one that exists\n")


@pytest.mark.parametrize("name", ["a.partial", "a.PARTIAL", "a.b.partial"])
def test_no_run_is_called_as_an_unfinished_one(name: str, spec: Path) -> None:
    said = answer(["validate", str(spec), "--set", f"name={name}"])
    assert (said["code"], "is an unfinished run's; leave `.partial` away" in said["err"]) == (2, True)


def test_main_is_what_the_console_script_calls() -> None:
    """It puts the streams back, and handlers where no signal came."""
    before = sys.stdout, sys.stderr, *(signal.getsignal(signal.Signals[one]) for one in CODES)
    with pytest.raises(SystemExit):
        sys_argv(["graftwork", "nothing"])
    assert (sys.stdout, sys.stderr, *(signal.getsignal(signal.Signals[one]) for one in CODES)) == before


def sys_argv(arguments: list[str]) -> None:
    kept, sys.argv = sys.argv, arguments
    try:
        main()
    finally:
        sys.argv = kept
