"""The report of finished runs: what it says is what the run says, and it asks nothing of anyone."""

from __future__ import annotations

import base64
import io
import itertools
import json
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from PIL import Image

from graftwork import Pipeline
from graftwork.core.cli import cli
from graftwork.core.cli.runs.report import GENERATOR
from graftwork.core.report.report import report
from graftwork.core.run.run import Run
from graftwork.core.storage.run_folder import RunFolderError
from graftwork.core.studies.paired import interval_of, scores_of
from graftwork.registry.errors import UserError

from ...support.models.tiny_encoders import save_tiny_encoder
from ...support.small_layers import pipeline as layered
from ...support.small_layers import with_little_data
from ...support.small_pipeline import catalogue, pipeline

#: Elements that have no end, in HTML and in SVG as it is written.
VOID = {"meta", "link", "img", "br"}


class Page(HTMLParser):
    """Reads a page strictly: every element is closed in its order, every id is there once."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text, self.open, self.ids = text, list[str](), list[str]()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.rows: list[list[str]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self.ids += [value for name, value in attrs if name == "id" and value]
        self.open += [tag] * (tag not in VOID)
        if tag == "tr":
            self.rows.append([])
        if tag in ("th", "td"):
            self.rows[-1].append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self.ids += [value for name, value in attrs if name == "id" and value]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("style", "script"):
            self.words.append(data)
        if "tr" in self.open and self.rows and self.rows[-1]:
            self.rows[-1][-1] += data.strip()

    @property
    def said(self) -> str:
        return " ".join(" ".join(self.words).split())

    def row(self, name: str) -> list[str]:
        return next(row for row in self.rows if row and row[0] == name)

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """With a graph, two seeds, a search over three thresholds, curves."""
    folder = tmp_path_factory.mktemp("reported")
    return pipeline(
        evaluation__seeds=[0, 1],
        dataset__shots=4,
        search={"graph.threshold": [0.7, 0.8, 0.9]},
        reporters=[{"type": "jsonl"}],
        device="cpu",
    ).run(folder / "run", folder / "store")


@pytest.fixture(scope="module")
def page(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Page:
    return read(run.folder, to=tmp_path_factory.mktemp("page"))


def read(*runs: Path, to: Path, **more: Any) -> Page:
    out = report(*runs, out=to / "report.html", store=to / "store", **{"catalogue": catalogue(), **more})
    return Page(out.read_text("utf-8"))


def test_the_numbers_are_those_of_the_result(run: Run, page: Page) -> None:
    """Every metric, seed by seed; the interval; parameters; stages; the right answers on the diagonal."""
    result = run.typed
    for name, score in result.test.items():
        assert page.row(name) == [name, *(f"{one:.4f}" for one in (score.mean, score.std, *score.per_seed))]
    low, high = interval_of(scores_of(run.folder, result))
    assert f"95 % interval over items and seeds: {low:.4f} to {high:.4f}" in page.said
    assert page.row("trainable") == ["trainable", f"{result.parameters.trainable:,}"]
    for name, stage in result.stages.items():
        assert page.row(name) == [name, f"{stage.seconds:.2f}", f"{stage.peak_memory_mb:.0f}"]
    names = list(result.dataset.class_names)
    matrix = page.rows[page.rows.index(["class", *names]) + 1 :][: len(names)]
    diagonal = sum(int(row[1 + names.index(row[0])]) for row in matrix)
    assert diagonal / sum(int(one) for row in matrix for one in row[1:]) == pytest.approx(result.test["accuracy"].mean)
    assert page.row("graftwork")[1] == result.graftwork


def test_all_parts_are_there(page: Page, run: Run) -> None:
    """Of a run with a graph and a search; what no such run has is said."""
    headings = [
        "Result",
        "Learning curves",
        "Score against what was varied",
        "By class",
        "Confusions",
        "Calibration",
        "The worst items",
        "Graph",
        "Parameters, time and memory",
        "Versions and spec",
        "Not in this report",
    ]
    assert [word for word in page.words if word in headings][-len(headings) :] == headings
    assert "Experts: no experts are mixed" in page.said
    assert "It heard, nearest first:" in page.said
    assert len(page.of("svg")) == 5
    assert all(one["aria-hidden"] == "true" for one in page.of("svg"))


def test_it_asks_nothing_of_anyone(page: Page) -> None:
    """No address but those within the page, and a policy that forbids any; the script is the one that is allowed."""
    assert not re.search(r"https?://|@import", page.text)
    addresses = [one[key] or "" for _, one in page.elements for key in ("src", "href", "xlink:href") if key in one]
    assert addresses
    assert all(one.startswith(("#", "data:")) for one in addresses)
    assert {one[1:] for one in addresses if one.startswith("#")} <= set(page.ids)
    assert len(set(page.ids)) == len(page.ids)
    policy = next(one["content"] or "" for one in page.of("meta") if "content" in one and "http-equiv" in one)
    assert policy.startswith("default-src 'none'; img-src data:; ")


def test_who_does_not_see_it_can_read_it(page: Page) -> None:
    """Landmarks, headings without a leap, captions, headers with a scope, names of pictures and charts."""
    tags = [tag for tag, _ in page.elements]
    assert {"header", "nav", "main"} <= set(tags)
    levels = [int(tag[1]) for tag in tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))
    assert tags.count("caption") == tags.count("table")
    assert all(one.get("scope") in ("row", "col") for one in page.of("th"))
    assert all(one.get("alt") for one in page.of("img"))
    assert all(one.get("aria-label") for one in page.of("div") if one.get("role") == "img")
    assert any(one.get("aria-sort") == "none" for one in page.of("th"))


def test_thumbnails_are_the_items(page: Page) -> None:
    """Pictures that open, of the size that is meant."""
    sources = [one["src"] or "" for one in page.of("img")]
    opened = [Image.open(io.BytesIO(base64.b64decode(one.partition(",")[2]))) for one in sources]
    assert opened
    assert {one.format for one in opened} == {"WEBP"}
    assert max(max(one.size) for one in opened) <= 192


def test_names_from_data_are_only_words(run: Run, tmp_path: Path) -> None:
    """A class, a run, an item and a setting that look like HTML, and one that looks like mathematics."""
    evil = "<script>alert(1)</script>\"'&$x^2$"
    folder = tmp_path / "run"
    shutil.copytree(run.folder, folder)
    for name in ("manifest.json", "adapter"):  # what was altered is refused where a manifest knows it
        shutil.rmtree(folder / name) if (folder / name).is_dir() else (folder / name).unlink()
    result = json.loads((folder / "result.json").read_text())
    first = result["dataset"]["class_names"][0]
    lines = (folder / "predictions.jsonl").read_text().replace(f'"{first}"', json.dumps(evil))
    lines = lines.replace('"id": "', '"id": "<img src=x onerror=alert(1)>')
    result["name"], result["dataset"]["class_names"][0], result["dataset"]["notes"] = evil, evil, [evil]
    (folder / "result.json").write_text(json.dumps(result))
    (folder / "predictions.jsonl").write_text(lines)
    page = read(folder, to=tmp_path)
    assert len(page.of("script")) == 1
    assert not any("onerror" in one for _, one in page.elements)
    assert evil in page.row(evil)[0]
    assert "<img src=x onerror=alert(1)>" in page.said


def test_a_data_set_that_is_gone_is_said(run: Run, tmp_path: Path) -> None:
    """Here its plugin is not installed: the page has no picture, and everything else."""
    out = report(run.folder, out=tmp_path / "report.html", store=tmp_path / "store")
    page = Page(out.read_text("utf-8"))
    assert "its data set cannot be read any more" in page.said
    assert page.of("img") == []
    assert page.row("accuracy")[1] == f"{run.typed.test['accuracy'].mean:.4f}"


def test_items_that_changed_are_not_shown(run: Run, tmp_path: Path) -> None:
    """The same ids with other labels: no picture stands beside what was said of another content."""
    folder = tmp_path / "run"
    shutil.copytree(run.folder, folder)
    (folder / "manifest.json").unlink()
    shutil.rmtree(folder / "adapter")
    page = read(folder, to=tmp_path)
    assert "its data set cannot be read any more: the run folder holds no pipeline.json" in page.said


def test_several_runs_are_compared(run: Run, tmp_path: Path) -> None:
    """Paired item by item; what they do not share; each has its chapter."""
    other = pipeline(
        evaluation__seeds=[0, 1], dataset__shots=4, adapter={"type": "none"}, graph=None, name="plain", device="cpu"
    ).run(tmp_path / "other", tmp_path / "store")
    page = read(run.folder, other.folder, to=tmp_path)
    assert "Comparison" in page.words
    verdicts = [row[-1] for row in page.rows if row[0] == "plain" and len(row) == 5]
    assert len(verdicts) == 1
    assert verdicts[0] in ("ahead", "behind", "not told apart")
    assert "Settings in which their specs differ" in page.said
    scores = {row[0]: row[1] for row in page.rows if len(row) == 7}
    assert scores["plain"] == f"{other.typed.test['accuracy'].mean:.4f}"


def test_runs_of_other_data_share_no_column(run: Run, tmp_path: Path) -> None:
    """A run through towers, of another task: tables of their own, said; a part a run lacks is said, too."""
    encoder = {"type": "transformers", "model": str(save_tiny_encoder("clip", tmp_path / "model"))}
    spec = layered("vqa", "vqa", encoder, {"type": "hmmoe", "rank": 4})
    other = Pipeline(spec, with_little_data()).run(tmp_path / "other", tmp_path / "store")
    page = read(run.folder, other.folder, to=tmp_path)
    assert "Not comparable in one column" in page.said
    assert len([one for one in page.rows if one[1:3] == ["test accuracy", "s.d."]]) == 1
    assert len([one for one in page.rows if one[1:3] == ["test vqa_score", "s.d."]]) == 1
    usage = other.typed.adapter
    assert usage is not None
    shares = next(iter(usage.usage[0].values()))
    assert any(row[1:] == [f"{one:.3f}" for one in shares] for row in page.rows)
    assert "Learning curves: the run folder holds no epochs" in page.said


def test_a_sweep_and_a_comparison_are_runs(tmp_path: Path) -> None:
    """Of a sweep the point that validation chose, with the whole sweep."""
    small = pipeline(device="cpu", trainer__epochs=1)
    done = small.sweep({"graph.threshold": [0.7, 0.9]}, out=tmp_path / "sweep", store=tmp_path / "store")
    page = read(tmp_path / "sweep", to=tmp_path)
    assert "The sweep that this run is a point of" in page.said
    assert {row[0] for row in page.rows if "best on validation" in row} == {
        f"{done.sweep.chosen.values['graph.threshold']}" if done.sweep.chosen else ""
    }


@pytest.mark.parametrize("size", [1000])
def test_a_thousand_items_are_under_two_megabytes(run: Run, tmp_path: Path, size: int) -> None:
    """Of all that grows with the items and classes: answers of a hundred classes, thousand items."""
    folder = tmp_path / "run"
    shutil.copytree(run.folder, folder)
    (folder / "manifest.json").unlink()
    shutil.rmtree(folder / "adapter")
    names = [f"class number {n}" for n in range(100)]
    result = json.loads((folder / "result.json").read_text())
    result["dataset"]["class_names"] = names
    one = json.loads(
        next(line for line in (folder / "predictions.jsonl").read_text().splitlines() if '"split": "test"' in line)
    )
    lines = []
    for seed in result["seeds"]:
        for n in range(size):
            said = {names[(n * 7 + k) % 100]: 0.2 for k in range(5)}
            own = {"id": f"item {n}", "seed": seed, "label": names[n % 100], "prediction": next(iter(said))}
            lines.append(one | own | {"score": float(own["label"] == own["prediction"]), "probabilities": said})
    (folder / "predictions.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (folder / "result.json").write_text(json.dumps(result))
    page = read(folder, to=tmp_path)
    assert "The pairs that are confused most, of 100 classes" in page.said
    assert len(page.text.encode()) < 1_000_000


def test_what_is_no_run_is_refused(run: Run, tmp_path: Path) -> None:
    """No folder, an empty one, an altered run, none at all: a line that says which."""
    (tmp_path / "empty").mkdir()
    for given, said in ((tmp_path / "empty", "holds no finished run"), (tmp_path / "no", "is not there")):
        with pytest.raises(RunFolderError, match=said):
            report(given, out=tmp_path / "report.html")
    with pytest.raises(UserError, match="a report needs a run"):
        report(out=tmp_path / "report.html")
    shutil.copytree(run.folder, tmp_path / "altered")
    with (tmp_path / "altered" / "predictions.jsonl").open("a") as file:
        file.write("{}\n")
    with pytest.raises(RunFolderError, match="was altered"):
        report(tmp_path / "altered", out=tmp_path / "report.html")
    assert not (tmp_path / "report.html").exists()


def test_the_command_prints_the_file(run: Run, tmp_path: Path) -> None:
    """And nothing else."""
    out = tmp_path / "page.html"
    done = CliRunner().invoke(cli, ["report", str(run.folder), "--out", str(out), "--worst", "0"])
    assert (done.exit_code, done.stdout) == (0, f"{out}\n")
    assert GENERATOR in out.read_bytes()[:2048]
    assert (
        CliRunner().invoke(cli, ["report", str(run.folder), "--out", str(out), "--worst", "0", "--force"]).exit_code
        == 0
    )


def test_without_matplotlib_the_command_is_named(run: Run, tmp_path: Path) -> None:
    """In a process of its own, where it cannot be imported."""
    hidden = "import sys; sys.modules['matplotlib'] = None; from graftwork.core.cli import main; main()"
    command = [sys.executable, "-c", hidden, "report", str(run.folder), "--out", str(tmp_path / "page.html")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert 'pip install "graftwork[charts]"' in done.stderr
    assert "Traceback" not in done.stderr
