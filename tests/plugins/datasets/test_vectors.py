"""Data set ``vectors``: what other programs made, by file; no model, and every adapter on features."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pytest
from pyarrow import parquet

from graftwork import Pipeline, evaluate, load
from graftwork.core.data.given_items import name_of_row
from graftwork.core.data.items import DataError, DatasetContent
from graftwork.core.export.export_run import export
from graftwork.core.export.push import push
from graftwork.plugins.datasets import VectorsSpec
from graftwork.plugins.datasets.records.vectors import Vectors
from graftwork.registry.errors import UserError

Array = np.ndarray[Any, Any]
ROWS = 40


def made() -> tuple[Array, Array]:
    """Two clouds that can be told apart, [40, 6], and their classes."""
    labels = np.arange(ROWS) % 2
    return np.random.default_rng(0).normal(size=(ROWS, 6)) + 3 * np.eye(6)[labels], labels


def saved(folder: Path, **arrays: Array) -> Path:
    np.savez(folder / "v.npz", **arrays)
    return folder / "v.npz"


def content(file: Path, **fields: Any) -> DatasetContent:
    return Vectors(VectorsSpec(file=str(file), **fields)).load()


def test_three_kinds_of_files_hold_the_same(tmp_path: Path) -> None:
    """Vectors, classes, ids and texts; an npy file has its labels beside it."""
    vectors, labels = made()
    names, ids = np.array(["cat", "dog"])[labels], np.array([f"row-{n}" for n in range(ROWS)])
    npz = saved(tmp_path, X=vectors, y=names, ids=ids, texts=ids)
    np.save(tmp_path / "v.npy", vectors)
    np.save(tmp_path / "labels.npy", names)
    columns = {"embedding": list(vectors), "label": names, "id": ids, "text": ids}
    parquet.write_table(pyarrow.table(columns), tmp_path / "v.parquet")
    one, two = content(npz), content(tmp_path / "v.parquet")
    three = content(tmp_path / "v.npy", labels=str(tmp_path / "labels.npy"))
    assert one.splits.keys() == {"train", "val", "test"}
    assert one.class_names == two.class_names == three.class_names == ("cat", "dog")
    assert [i.id for i in one.splits["train"]] == [i.id for i in two.splits["train"]]
    assert [i.target for i in one.splits["test"]] == [i.target for i in two.splits["test"]]
    assert {i.modalities["text"].read() for items in one.splits.values() for i in items} == set(ids)
    for some in (one, two, three):
        digests = {i.modalities["vector"].digest for items in some.splits.values() for i in items}
        assert digests == {i.modalities["vector"].digest for items in one.splits.values() for i in items}


def test_splits_names_and_unlabelled_ones_as_said(tmp_path: Path) -> None:
    """A split a row; -1 is unlabelled; numbers have the names that the spec gives."""
    vectors, labels = made()
    labels[:4] = -1
    splits = np.array(["train"] * 20 + ["valid"] * 10 + ["test"] * 10)
    found = content(
        saved(tmp_path, a=vectors, b=labels, splits=splits),
        columns={"vector": "a", "label": "b"},
        class_names=["x", "y"],
    )
    assert {name: len(items) for name, items in found.splits.items()} == {"train": 20, "val": 10, "test": 10}
    assert [item.target for item in found.splits["train"][:6]] == [None] * 4 + [0, 1]
    assert found.class_names == ("x", "y")


def changed(row: int, value: float) -> Array:
    vectors, _ = made()
    vectors[row] = value
    return vectors


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"vectors": changed(3, np.nan), "labels": made()[1]}, "row 3: is NaN"),
        ({"vectors": changed(4, 0.0), "labels": made()[1]}, "row 4: is zero"),
        ({"vectors": changed(5, 1e300), "labels": made()[1]}, "row 5: .*beyond what float32 holds"),
        ({"vectors": made()[0][0], "labels": made()[1]}, r"shape \(6,\); \[N, d\]"),
        ({"vectors": made()[0], "labels": made()[1][:7]}, r"labels of shape \(7,\) for 40 vectors"),
        ({"vectors": made()[0], "labels": made()[1] / 2}, "whole numbers or names, not float64$"),
        ({"vectors": made()[0], "labels": made()[1] / 1}, r"not float64; these are whole: .* \(labels.astype\(int\)\)"),
        ({"vectors": made()[0], "labels": 2 * made()[1] - 1}, "labels are -1 and 1, and -1 is an item without a label"),
        ({"vectors": made()[0]}, "holds no labels"),
        ({"labels": made()[1]}, "holds no vectors"),
        ({"vectors": np.array([["a"] * 3] * ROWS), "labels": made()[1]}, "vectors are numbers"),
        ({"vectors": made()[0].astype(object), "labels": made()[1]}, "Python objects, which are never opened"),
        ({"vectors": made()[0], "labels": made()[1], "ids": np.array(["a"] * ROWS)}, "ids stand there twice"),
        ({"vectors": made()[0], "labels": made()[1], "splits": np.array(["other"] * ROWS)}, "split 'other' is none of"),
        ({"vectors": made()[0], "labels": made()[1] - 2}, "label -2 is no class"),
        ({"vectors": made()[0], "labels": made()[1].astype(np.uint64) + np.uint64(2**63)}, "label 9223.* is no class"),
        ({"vectors": made()[0][:1], "labels": made()[1][:1]}, "only vector of its class"),
        ({"vectors": made()[0], "labels": np.array(["a"] * 39 + ["b"])}, "is the only vector of its class"),
    ],
)
def test_what_cannot_be_used_is_said_with_its_row(tmp_path: Path, arrays: dict[str, Any], said: str) -> None:
    """One line: the file, the row, what is wrong."""
    with pytest.raises(DataError, match=said):
        content(saved(tmp_path, **arrays))


def test_files_that_are_none_are_refused(tmp_path: Path) -> None:
    """Another suffix, no archive, a file that is not there, a column that is not there."""
    (tmp_path / "v.npz").write_bytes(b"nothing")
    with (tmp_path / "array.npz").open("wb") as file:
        np.save(file, made()[0])
    (tmp_path / "v.parquet").write_bytes(b"nothing")
    for name, said in (
        ("v.txt", "read from"),
        ("v.npz", "cannot be read"),
        ("array.npz", "no archive of arrays"),
        ("v.parquet", "cannot be read"),
        ("w.npy", "No such"),
    ):
        with pytest.raises(DataError, match=said):
            content(tmp_path / name)
    with pytest.raises(DataError, match="there is no label `z`; there are: vectors"):
        content(saved(tmp_path, vectors=made()[0]), columns={"label": "z"})


@pytest.mark.parametrize("adapter", ["none", "bottleneck", "clip_adapter", "ga_net", "diffusion"])
def test_every_adapter_on_features_runs_on_them_and_predicts(tmp_path: Path, adapter: str) -> None:
    """Without a model; new vectors by array and by file; a plan says what would be done."""
    vectors, labels = made()
    spec = {
        "dataset": {"type": "vectors", "file": str(saved(tmp_path, vectors=vectors, labels=labels))},
        "encoder": "given",
        "graph": {"type": "similarity", "nodes": "vector", "threshold": 0.3},
        "adapter": adapter,
        "task": {"type": "classification", "head": "logistic_regression"},
        "trainer": {"epochs": 2},
        "reporters": [],
    }
    pipeline = Pipeline.from_dict(spec)
    assert pipeline.plan(tmp_path / "store").frozen == 0
    run = pipeline.run(tmp_path / "run", tmp_path / "store")
    assert run.result["test"]["accuracy"]["mean"] > 0.8
    predictor = load(run.folder)
    answers = predictor.predict(vectors=vectors[:4])
    assert [one.label for one in answers] == list("0101")
    assert predictor.predict(vectors=vectors[0])[0].label == "0"
    np.save(tmp_path / "new.npy", vectors[:4])
    rows = predictor.named([str(tmp_path / "new.npy")], (), ())
    assert name_of_row(rows[1], 1) == f"{tmp_path / 'new.npy'} row 1"
    (tmp_path / "folder").mkdir()
    shutil.copy(tmp_path / "new.npy", tmp_path / "folder")
    assert len(predictor.named([str(tmp_path / "folder")], (), ())) == 4
    assert [one.label for one in predictor.predict(vectors=[row["vector"] for row in rows])] == list("0101")
    with pytest.raises(DataError, match="is NaN"):
        predictor.predict(vectors=vectors[:1] * np.nan)


def test_a_run_on_vectors_is_evaluated_on_a_file_and_exported(tmp_path: Path) -> None:
    """The file alone names other data; vectors of another width are refused wherever they come in."""
    vectors, labels = made()
    spec = {
        "dataset": {"type": "vectors", "file": str(saved(tmp_path, vectors=vectors, labels=labels))},
        "encoder": "given",
        "adapter": "bottleneck",
        "task": {"type": "classification", "head": "logistic_regression"},
        "trainer": {"epochs": 2},
        "reporters": [],
    }
    run = Pipeline.from_dict(spec).run(tmp_path / "run", tmp_path / "store").folder
    with pytest.raises(UserError, match="a widget shows a picture, a text or a sound, and this run reads vectors"):
        push(run, "owner/name", example="v.npz", dry_run=True)
    np.savez(tmp_path / "all.npz", vectors=vectors, labels=labels, splits=np.array(["train"] * 4 + ["test"] * 36))
    evaluated = evaluate(run, tmp_path / "all.npz", store=tmp_path / "store")
    answers = [int(one.label) for one in load(run).predict(vectors=vectors[4:])]
    assert evaluated.items == 36
    assert evaluated.figures["accuracy"] == pytest.approx(np.mean(np.array(answers) == labels[4:]))
    np.savez(tmp_path / "other.npz", vectors=vectors[:, :4], labels=labels)
    refused = "items have 4 numbers each, and the run was trained on 6"
    with pytest.raises(DataError, match=refused):
        evaluate(run, tmp_path / "other.npz", store=tmp_path / "store")
    with pytest.raises(DataError, match=refused):
        load(run).predict(vectors=vectors[:1, :4])
    assert "vector float32 [items, 6]" in export(run, "torch", tmp_path / "run.pt2").note
