"""`graftwork bench`: what it lists, measures, leaves out and refuses."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner, Result

from graftwork.benchmarks import BENCHMARKS, Setting, tables
from graftwork.benchmarks.case import Candidate, Case
from graftwork.benchmarks.features import clip_like, clusters_in_turn, random_graph, threshold_for
from graftwork.benchmarks.measure import alternate, machine, run_cases, table
from graftwork.benchmarks.similarity_graph import cases, triangle
from graftwork.core.cli import cli
from graftwork.core.training.devices import DeviceError
from graftwork.triton_kernels import similarity_graph

from ..support.paths import ROOT


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the command sets for its own process is put back."""
    monkeypatch.setenv("OMP_WAIT_POLICY", "passive")


def nothing(name: str) -> Candidate:
    return Candidate(name, lambda _: lambda: None)


def bench(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["bench", *arguments])


def test_without_a_name_the_benchmarks_are_listed() -> None:
    """On standard output names and what they measure, on standard error what to do next."""
    result = bench()
    assert result.exit_code == 0
    cells = [line.split("│")[1].strip() for line in result.stdout.splitlines() if line.startswith("│")]
    assert [name for name in cells if name] == list(BENCHMARKS)
    assert "graftwork bench all" in result.stderr


def test_a_quick_benchmark_prints_its_tables_and_writes_them(tmp_path: Path) -> None:
    """Markdown on standard output and in the file, progress on standard error."""
    out = tmp_path / "graph.md"
    result = bench("similarity_graph", "--quick", "--out", str(out))
    assert result.exit_code == 0, result.output
    assert out.read_text("utf-8") == result.stdout
    assert "| candidate | CPU ms (median) | ratio to ours | of the limit | peak MB |" in result.stdout
    assert re.search(r"^\| similarity_graph \| [\d,.]+ \| 1\.00 \|", result.stdout, re.MULTILINE)
    assert "round 1 of 3" in result.stderr
    assert "round" not in result.stdout


def test_one_case_is_measured_alone() -> None:
    """By what its title holds, in either case; the others are named and take no time."""
    result = bench("pipeline", "--quick", "--only", "adapters 512")
    assert result.exit_code == 0, result.output
    assert [line for line in result.stdout.splitlines() if line.startswith("### ")] == [
        "### Adapters 512 -> 64 -> 512, forward and backward: N = 1,024, degree 32"
    ]
    assert "passed over: Encoding 1,797 digits with the pocket CLIP, wall seconds" in result.stderr


@pytest.mark.parametrize("name", BENCHMARKS)
def test_a_title_that_is_not_there_is_refused_and_those_that_are_named(name: str) -> None:
    """Of every benchmark: nothing is measured."""
    result = bench(name, "--quick", "--only", "no such case")
    assert result.exit_code == 2
    assert "### " not in result.stdout
    assert "passed over: " in result.stderr
    assert "no title holds 'no such case'; those above were passed over" in " ".join(result.stderr.split())


@pytest.mark.parametrize("name", [name for name in BENCHMARKS if name not in ("similarity_graph", "growth")])
@pytest.mark.filterwarnings("ignore:Sparse:UserWarning", "ignore:.*torch-?sparse.*")
def test_every_benchmark_runs(name: str) -> None:
    """Small, but the whole of it: each table has rows."""
    pytest.importorskip("torch_geometric")
    for text in tables(name, Setting(quick=True), lambda line: None):
        assert text.startswith("### ")
        assert sum(line.startswith("| ") for line in text.splitlines()) >= 2


def test_a_missing_peer_is_left_out_with_a_line_that_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rest is measured; the line names the extra to install."""
    monkeypatch.setitem(sys.modules, "faiss", None)
    theirs = next(one for one in cases(Setting(quick=True))[0].candidates if one.needs == "faiss")
    case = Case("t", lambda: None, (nothing("limit"), nothing("ours"), theirs), rounds=1)
    said: list[str] = []
    (text,) = run_cases("similarity_graph", [case], Setting(quick=True), said.append)
    line = "faiss IndexFlatIP.range_search: faiss is not installed (pip install 'graftwork[bench]')"
    assert f"Left out: {line}." in text
    assert f"left out: {line}" in said
    assert re.search(
        r"^\| ours \| [\d.]+ \| 1\.00 \| [\d.]+ \| – \|$", text, re.MULTILINE
    )  # no memory where it is quick


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["propagat"], "no benchmark is called 'propagat'; did you mean 'propagate'?"),
        (
            ["xyz"],
            f"there are {', '.join(BENCHMARKS)} and all",
        ),
        (["propagate", "--out", "/no/such/folder/file.md"], "cannot be written: No such file or directory"),
    ],
)
def test_mistakes_are_refused_before_anything_is_measured(arguments: list[str], message: str) -> None:
    result = bench(*arguments)
    assert result.exit_code == 2
    assert message in " ".join(result.stderr.split())


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU is there")
def test_a_device_that_is_not_there_is_named() -> None:
    assert isinstance(bench("propagate", "--device", "cuda").exception, DeviceError)


def test_candidates_alternate_and_ratios_are_taken_a_round() -> None:
    """Load that slows one round slows both of its candidates, and their ratio stays."""
    order: list[str] = []
    seconds = alternate({name: (lambda name=name: order.append(name)) for name in "ab"}, rounds=3)
    assert order == list("abababab")
    assert {name: len(values) for name, values in seconds.items()} == {"a": 3, "b": 3}
    case = Case("t", lambda: None, (nothing("limit"), nothing("ours")))
    text = table(case, {"limit": [1.0, 10.0, 1.0], "ours": [2.0, 20.0, 2.5]}, {"ours": 12.3})
    assert "| limit | 1,000.0 | 0.50 | 1.00 | – |" in text
    assert "| ours | 2,500.0 | 1.00 | 0.50 | 12 |" in text


def test_peak_memory_is_what_a_process_of_its_own_takes_over_its_inputs() -> None:
    """Dense torch at N = 8,192: 268 MB of products, a mask of 67 MB, and the places; no inputs, no libraries."""
    code = "from graftwork.benchmarks.memory import main; main('similarity_graph', '0', {!r}, 'cpu')"
    done = subprocess.run(
        [sys.executable, "-c", code.format("dense torch, (x @ x.T >= tau).nonzero()")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert 330 < float(done.stdout) < 420


def test_the_inputs_are_what_the_tables_say() -> None:
    """Unit rows, mean degree about 32, symmetric graphs with loops; the same every time."""
    for features in (clip_like, clusters_in_turn):
        x = features(2048)
        assert torch.equal(x, features(2048))
        torch.testing.assert_close(x.norm(dim=1), torch.ones(2048))
        assert 25 < similarity_graph(x, threshold_for(x)).num_edges / 2048 < 42
    graph = random_graph(1000)
    assert graph.symmetric
    assert 30 < graph.num_edges / 1000 < 34
    assert int((graph.row == graph.col).sum()) == 1000


def test_the_limit_leaves_the_threads_as_they_were() -> None:
    threads = torch.get_num_threads()
    triangle(torch.randn(700, 8))
    assert torch.get_num_threads() == threads


def test_no_layer_below_names_the_benchmarks() -> None:
    """The command finds them by name: core does not depend on what measures it."""
    for folder in ("core", "plugins", "registry", "triton_kernels"):
        for path in (ROOT / folder).rglob("*.py"):
            assert not re.search(r"^\s*(from|import) .*\bbenchmarks\b", path.read_text("utf-8"), re.MULTILINE), path


def test_the_machine_is_described_in_one_line() -> None:
    line = machine(Setting())
    assert re.match(r"\d{4}-\d\d-\d\d, .*threads, Python 3.*, torch ", line)
    assert "\n" not in line
