"""Runs in other programs' formats: each asked by its own runtime, equal to the run; what cannot leave is refused."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from click.testing import CliRunner

from graftwork import Pipeline, load
from graftwork.core.cli import cli
from graftwork.core.export import export_run
from graftwork.core.export.export_run import ExportError, export
from graftwork.core.training.predictor import Predictor
from graftwork.plugins.adapters.bottleneck import Bottleneck
from graftwork.plugins.adapters.lora.layers import import_peft
from graftwork.registry.errors import MissingExtra, UserError

from ...support import small_layers, small_pipeline

CATALOGUE = small_pipeline.catalogue()
#: The runs that leave: adapters without a graph, heads alone, blended with the frozen model's own logits.
LEAVE: dict[str, dict[str, Any]] = {
    "bottleneck": {"adapter": {"type": "bottleneck", "bottleneck": 8}},
    "clip_adapter": {"adapter": {"type": "clip_adapter"}, "task__head": {"type": "cosine"}, "task__blend": 0.5},
    "linear": {"adapter": {"type": "none"}},
    "tip_adapter": {"adapter": {"type": "none"}, "task__head": {"type": "tip_adapter"}},
}


def run_of(folder: Path, **fields: Any) -> Path:
    return small_pipeline.pipeline(**fields).run(out=folder / "run", store=folder / "store").folder


def unit(count: int, width: int = small_pipeline.WIDTH) -> torch.Tensor:
    torch.manual_seed(count)
    return torch.nn.functional.normalize(torch.randn(count, width), dim=-1)


@torch.no_grad()
def said(predictor: Predictor, vectors: torch.Tensor) -> torch.Tensor:
    logits: torch.Tensor = predictor.module(image=vectors)
    return logits


@pytest.mark.parametrize("name", LEAVE)
def test_onnx_says_what_the_run_says(name: str, tmp_path: Path) -> None:
    """In onnxruntime, for any number of items; the file knows its classes."""
    run = run_of(tmp_path, graph=None, **LEAVE[name])
    done = export(run, "onnx", catalogue=CATALOGUE)
    assert done.paths == (tmp_path / "run.onnx",)
    assert done.difference is not None
    predictor = load(run, catalogue=CATALOGUE)
    session = onnxruntime.InferenceSession(str(done.paths[0]))
    for count in (1, 4, 33):
        vectors = unit(count)
        (logits,) = session.run(["logits"], {"image": vectors.numpy()})
        expected = said(predictor, vectors).numpy()
        np.testing.assert_allclose(logits, expected, rtol=1e-5, atol=1e-5 * max(1, np.abs(expected).max()))
    about = {one.key: json.loads(one.value) for one in onnx.load(str(done.paths[0])).metadata_props}
    assert about["class_names"] == list(predictor.class_names)
    assert about["inputs"] == {"image": small_pipeline.WIDTH}


def test_a_torch_program_says_what_the_run_says(tmp_path: Path) -> None:
    """Loaded by torch alone; plain tensors and JSON, no pickle."""
    run = run_of(tmp_path, graph=None, **LEAVE["bottleneck"])
    done = export(run, "torch", tmp_path / "mine.pt2", CATALOGUE)
    files = {"class_names": ""}
    program = torch.export.load(done.paths[0], extra_files=files).module()
    predictor = load(run, catalogue=CATALOGUE)
    for count in (1, 5):
        torch.testing.assert_close(program(unit(count)), said(predictor, unit(count)))
    assert json.loads(files["class_names"]) == list(predictor.class_names)
    with zipfile.ZipFile(done.paths[0]) as archive:
        assert not any(archive.read(name).startswith((b"\x80", b"PK")) for name in archive.namelist())


def test_two_inputs_have_their_names(tmp_path: Path) -> None:
    """Vectors of pictures and of their texts, in one program."""
    graph = {"type": "similarity", "threshold": 0.8, "nodes": "fused"}
    captioner = {"type": "brightness"}
    run = run_of(tmp_path, graph=graph, captioner=captioner, adapter={"type": "bottleneck", "bottleneck": 8})
    done = export(run, "onnx", catalogue=CATALOGUE)
    session = onnxruntime.InferenceSession(str(done.paths[0]))
    given = {"image": unit(3), "text": unit(4)[:3]}
    (logits,) = session.run(None, {name: one.numpy() for name, one in given.items()})
    with torch.no_grad():
        expected = load(run, catalogue=CATALOGUE).module(**given)
    np.testing.assert_allclose(logits, expected.numpy(), atol=1e-4)


def test_what_depends_on_data_is_refused(tmp_path: Path) -> None:
    """A graph that new items are attached to; nothing is left behind."""
    run = run_of(tmp_path)
    for to in ("onnx", "torch"):
        with pytest.raises(ExportError, match="adapter `ga_net` hears neighbours: which support items a new item"):
            export(run, to, tmp_path / "out", CATALOGUE)
    with pytest.raises(ExportError, match="adapter `ga_net` works on vectors, and PEFT's adapters sit inside models"):
        export(run, "peft", tmp_path / "out", CATALOGUE)
    assert not (tmp_path / "out").exists()


def test_what_an_exporter_cannot_follow_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An adapter of somebody's that branches by its data."""
    run = run_of(tmp_path, graph=None, **LEAVE["bottleneck"])
    monkeypatch.setattr(Bottleneck, "forward", lambda self, x, graph=None: x if bool(x.sum() > 0) else -x)
    with pytest.raises(ExportError, match="torch cannot hold adapter `bottleneck` and its head: what they compute"):
        export(run, "torch", catalogue=CATALOGUE)
    assert not (tmp_path / "run.pt2").exists()


def test_an_export_that_differs_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The check is real: of a program that says something else no file is left."""
    run = run_of(tmp_path, graph=None, **LEAVE["linear"])
    monkeypatch.setitem(
        export_run._MAKE, "torch", lambda given: (b"program", lambda x: given.module(*x).detach() + 0.01)
    )
    with pytest.raises(ExportError, match=r"differs from the run by 0\.01, so nothing was kept"):
        export(run, "torch", catalogue=CATALOGUE)
    assert not (tmp_path / "run.pt2").exists()


def test_a_missing_extra_says_its_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    run = run_of(tmp_path, graph=None, **LEAVE["linear"])
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(MissingExtra, match=r'ONNX takes onnxscript: pip install "graftwork\[export\]"'):
        export(run, "onnx", catalogue=CATALOGUE)


def lora_run(folder: Path, adapter: dict[str, Any]) -> Path:
    spec = small_layers.pipeline("vqa", "vqa", {"type": "open_clip", "model": "pocket"}, adapter)
    encoder = {
        "type": "dual",
        "image": {"type": "transformers", "model": "pocket:scene_clip"},
        "text": {"type": "transformers", "model": "pocket:scene_clip"},
    }
    spec["encoder"] = encoder
    pipeline = Pipeline.from_dict(spec, catalogue=small_layers.with_little_data())
    return pipeline.run(out=folder / "run", store=folder / "store").folder


def test_a_lora_run_goes_to_peft(tmp_path: Path) -> None:
    """A folder a tower, which real peft loads to the same vectors; a run of another adapter is refused."""
    run = lora_run(tmp_path, {"type": "lora", "rank": 2})
    done = export(run, "peft", catalogue=small_layers.with_little_data())
    assert [path.relative_to(tmp_path).as_posix() for path in done.paths] == ["run-peft/image", "run-peft/text"]
    assert done.difference is not None
    assert done.difference < 1e-5
    for path in done.paths:
        assert import_peft().PeftConfig.from_pretrained(str(path)).r == 2
    with pytest.raises(ExportError, match=r"adapter `lora` in them, which stop .*module, or --to peft"):
        export(run, "onnx", catalogue=small_layers.with_little_data())
    with pytest.raises(ExportError, match="exists already"):
        export(run, "peft", catalogue=small_layers.with_little_data())


def test_the_command_says_where_and_how_near(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Paths on standard output; the difference and what it takes beside it; a misspelt format names the nearest."""
    run = run_of(tmp_path, graph=None, **LEAVE["linear"])
    monkeypatch.setattr(export_run, "load", lambda run, **how: load(run, **(how | {"catalogue": CATALOGUE})))
    answered = CliRunner().invoke(cli, ["export", str(run), "--to", "torch"])
    assert answered.exit_code == 0, answered.exception
    assert answered.stdout.split() == [str(tmp_path / "run.pt2")]
    assert "largest difference from the run: " in answered.stderr
    assert "takes image float32 [items, 64], as the frozen encoder gives them: pictures" in answered.stderr
    for to, said_ in (("onx", "did you mean `onnx`"), ("tflite", "there are: onnx, torch, peft")):
        failed = CliRunner().invoke(cli, ["export", str(run), "--to", to])
        assert isinstance(failed.exception, UserError)
        assert f"--to: there is no format `{to}`; {said_}" in str(failed.exception)
