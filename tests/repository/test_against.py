"""`benchmarks/against.py`: its statistics, its worktree, and that each side imports its own version."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from graftwork.benchmarks import against
from graftwork.benchmarks.against import (
    CASES,
    OUT,
    SPEC,
    SWEEP,
    TRAININGS,
    Seconds,
    checked_out,
    compare,
    importable,
    in_turn,
    median_interval,
    rows_of,
    timed,
    verdict,
)

IMPORT = {"import": ("-c", "import graftwork")}


def git(folder: Path, *words: str) -> str:
    """As a user of that folder alone."""
    who = ("-c", "user.name=somebody", "-c", "user.email=somebody@example.org")
    done = subprocess.run(["git", "-C", str(folder), *who, *words], check=True, capture_output=True, text=True)
    return done.stdout


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A package whose only commit says 1, and whose working tree says 2."""
    root = tmp_path / "repository"
    root.mkdir()
    git(root, "init", "--quiet")
    (root / "__init__.py").write_text("NUMBER = 1\n")
    git(root, "add", "__init__.py")
    git(root, "commit", "--quiet", "--message", "one")
    (root / "__init__.py").write_text("NUMBER = 2\n")
    return root


def test_the_interval_is_around_the_median_and_the_same_every_time() -> None:
    """A few values far out move it little; equal ones leave no room."""
    values = [1.0, 1.01, 1.02, 0.99, 0.98, 1.0, 1.01, 0.99, 1.0, 30.0]
    middle, low, high = median_interval(values)
    assert 0.98 <= low <= middle <= high <= 1.02
    assert median_interval(values) == (middle, low, high)
    assert median_interval([2.0] * 7) == (2.0, 2.0, 2.0)


def test_more_pairs_make_the_interval_narrower() -> None:
    """Of the same spread."""
    values = [0.9, 0.95, 1.0, 1.05, 1.1]
    _, low, high = median_interval(values)
    _, lower, higher = median_interval(values * 20)
    assert higher - lower < high - low


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (0.7, 0.8, "not worse than 5 %"),
        (0.9, 1.05, "not worse than 5 %"),
        (1.01, 1.08, "not told apart"),
        (1.06, 1.2, "worse"),
    ],
)
def test_the_verdict_follows_the_interval(low: float, high: float, said: str) -> None:
    """Where the bound lies in it, neither is shown."""
    assert verdict(low, high, 5.0) == said


def test_who_goes_first_changes_and_pairs_stay_in_order() -> None:
    """After a call of each that is not counted."""
    order: list[str] = []

    def call(name: str, seconds: Seconds) -> Seconds:
        order.append(name)
        return seconds

    found = in_turn(lambda: call("a", (1.0, 2.0)), lambda: call("b", (3.0, 4.0)), pairs=4)
    assert "".join(order) == "ab" + "ab" + "ba" + "ab" + "ba"
    assert found == [((1.0, 2.0), (3.0, 4.0))] * 4


def test_ratios_are_taken_a_pair() -> None:
    """Load that slows both of a pair leaves their ratio; each clock has a row."""
    pairs: list[tuple[Seconds, Seconds]] = [((1.0, 1.0), (2.0, 1.0)), ((10.0, 3.0), (20.0, 3.0))] * 5
    wall, processor = rows_of("case", pairs, 5.0)
    assert (wall.clock, wall.ratio, wall.low, wall.high, wall.verdict) == ("wall", 2.0, 2.0, 2.0, "worse")
    assert (processor.clock, processor.ratio, processor.verdict) == ("CPU", 1.0, "not worse than 5 %")
    assert (wall.before, wall.after) == (5.5, 11.0)
    assert str(wall) == "| case | wall | 5.500 | 11.000 | 2.000 | 2.000 to 2.000 | worse |"


def test_the_worktree_holds_the_commit_and_goes(repository: Path) -> None:
    """Also where the measurement is interrupted; the working tree stays as it is."""
    seen: list[Path] = []

    def interrupted() -> None:
        with checked_out(repository, "HEAD") as tree:
            seen.append(tree)
            assert (tree / "__init__.py").read_text() == "NUMBER = 1\n"
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert not seen[0].exists()
    assert len(git(repository, "worktree", "list").splitlines()) == 1
    assert (repository / "__init__.py").read_text() == "NUMBER = 2\n"


def test_a_commit_that_is_not_there_is_named(repository: Path) -> None:
    """In git's words."""
    with (
        pytest.raises(click.UsageError, match=r"no worktree of `no-such`.*invalid reference"),
        checked_out(repository, "no-such"),
    ):
        raise AssertionError("unreachable")


def test_each_side_imports_its_own_version(repository: Path, tmp_path: Path) -> None:
    """The commit's and the working tree's, not what is installed."""
    with checked_out(repository, "HEAD") as tree:
        for name, root, number in (("a", tree, 1), ("b", repository, 2)):
            environment = importable(root, tmp_path / name)
            code = f"import graftwork; assert graftwork.NUMBER == {number}"
            assert min(timed(("-c", code), environment, tmp_path / name)) > 0


def test_two_versions_are_compared(repository: Path) -> None:
    """Two pairs of a trivial case."""
    rows = list(compare(repository, "HEAD", IMPORT, pairs=2, bound=5.0))
    assert [(row.case, row.clock) for row in rows] == [("import", "wall"), ("import", "CPU")]
    assert all(0 < row.low <= row.ratio <= row.high for row in rows)


def test_a_case_that_fails_says_what_it_wrote(repository: Path) -> None:
    """The working tree has no such module; nothing is left behind."""
    with pytest.raises(click.ClickException, match=r"(?s)failed: .*No module named 'graftwork.nothing'"):
        list(compare(repository, "HEAD", {"broken": ("-c", "import graftwork.nothing")}, pairs=1, bound=5.0))
    assert len(git(repository, "worktree", "list").splitlines()) == 1


@pytest.mark.parametrize("slower", [False, True])
def test_the_command_prints_rows_and_ends_by_the_verdict(
    repository: Path, monkeypatch: pytest.MonkeyPatch, slower: bool
) -> None:
    """A JSON object a line; exit code 1 where a case is worse."""

    def measured(*given: object) -> Iterator[against.Row]:
        yield from rows_of("import", [((1.0, 1.0), (2.0 if slower else 1.0, 1.0))], 5.0)

    monkeypatch.setattr(against, "compare", measured)
    done = CliRunner().invoke(against.main, ["HEAD", "--only", "import", "--json"])
    assert done.exit_code == int(slower)
    assert [json.loads(line)["ratio"] for line in done.stdout.splitlines()] == [2.0 if slower else 1.0, 1.0]


def test_every_case_runs_here(tmp_path: Path) -> None:
    """Commands and spec are there."""
    environment = importable(against.ROOT, tmp_path / "here")
    for words in CASES.values():
        given = [str(against.ROOT / SPEC) if word == SPEC else word for word in words]
        assert min(timed(given, environment, tmp_path / "here")) > 0


def test_it_is_light_and_runs_by_its_path() -> None:
    """Importing it loads no torch."""
    code = "import sys, graftwork.benchmarks.against; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
    shown = subprocess.run(
        [sys.executable, str(against.__file__), "--help"], check=True, capture_output=True, text=True
    )
    assert "Compare this working tree with COMMIT" in shown.stdout


def test_each_call_of_what_trains_has_a_folder_that_is_not_there_yet(tmp_path: Path) -> None:
    """A sweep would find its points again; the specs are of this repository."""
    asks = "import pathlib, sys; pathlib.Path(sys.argv[1]).mkdir()"
    for _ in range(2):
        timed(("-c", asks, OUT), {}, tmp_path)
    assert all(OUT in words and SWEEP in words for words in TRAININGS.values())
    assert (against.ROOT / SWEEP).is_file()
