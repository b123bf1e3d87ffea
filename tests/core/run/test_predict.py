"""A saved run in use: pictures it never saw, other processes, damaged folders, and the command line."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw
from safetensors import safe_open
from safetensors.torch import load_file

from graftwork import Pipeline, load
from graftwork.core.cli import main
from graftwork.core.data.items import DataError
from graftwork.core.storage.run_folder import RunFolderError
from graftwork.core.training.devices import DeviceError
from graftwork.core.training.predictor import Predictor
from graftwork.registry.errors import UserError

from ...conftest import save_tiny_clip
from ...support.small_pipeline import catalogue, pipeline

ADAPTER_FILES = (
    "README.md",
    "adapter_config.json",
    "adapter_model.safetensors",
    "pipeline.json",
    "support.safetensors",
)


def spec_of(model: Path, **more: Any) -> dict[str, Any]:
    return {
        "version": 1,
        "name": "predicting",
        "dataset": {"type": "digits", "shots": 8},
        "encoder": {"type": "open_clip", "model": f"local-dir:{model}", "batch_size": 4},
        "graph": {"type": "similarity", "threshold": 0.9, "pool": "train", "max_degree": 6},
        "adapter": {"type": "ga_net", "bottleneck": 8},
        "task": {"type": "classification", "head": {"type": "cosine", "train_scale": True}},
        "trainer": {"epochs": 10, "keep": "last", "optimizer": {"type": "adamw", "lr": 0.01}},
        "reporters": [{"type": "jsonl"}],
        **more,
    }


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny CLIP of this module's own, so that a test may change its weights."""
    return save_tiny_clip(tmp_path_factory.mktemp("model"), seed=1)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, model: Path) -> Path:
    """A finished run: GA-Net on digits, unlabelled training images in the graph."""
    folder = tmp_path_factory.mktemp("predict")
    return Pipeline.from_dict(spec_of(model)).run(folder / "run", folder / "store").folder


@pytest.fixture(scope="module")
def predictor(run: Path) -> Predictor:
    return load(run)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """PNG files drawn here: no data set ever held them. Of several sizes and colour modes."""
    folder, paths = tmp_path_factory.mktemp("drawn"), []
    for number, mode in enumerate(("L", "RGB", "RGBA", "P", "L", "1", "RGB")):
        side = 8 + 5 * number
        picture = Image.new("RGB", (side, side + number))
        ImageDraw.Draw(picture).ellipse((1, 2, side - 2 - number, side - 1), outline=(255, 255 - 20 * number, 200))
        paths.append(folder / f"drawn-{number}.png")
        picture.convert(mode).save(paths[-1])
    return paths


def test_pictures_from_files_get_labels_and_probabilities(predictor: Predictor, pictures: list[Path]) -> None:
    """One prediction a picture, in order; probabilities of every class, the most probable first, adding up to 1."""
    predictions = predictor.predict(pictures)
    assert len(predictions) == len(pictures)
    for prediction, logits in zip(predictions, predictor.logits(pictures), strict=True):
        assert set(prediction.probabilities) == set("0123456789")
        shares = list(prediction.probabilities.values())
        assert sum(shares) == pytest.approx(1)
        assert shares == sorted(shares, reverse=True)
        assert prediction.label == predictor.class_names[int(logits.argmax())] == next(iter(prediction.probabilities))
        assert prediction.probability == shares[0] == pytest.approx(float(logits.softmax(-1).max()))


def test_predictions_name_the_neighbours_that_were_heard(predictor: Predictor, pictures: list[Path]) -> None:
    """At most ``max_degree`` training items, nearest first, all above the threshold; unlabelled ones say so."""
    predictions = predictor.predict(pictures)
    heard = [near for prediction in predictions for near in prediction.neighbours]
    assert heard
    for prediction in predictions:
        cosines = [near.similarity for near in prediction.neighbours]
        assert len(cosines) <= 6
        assert cosines == sorted(cosines, reverse=True)
        assert all(cosine >= 0.9 - 1e-6 for cosine in cosines)
    assert all(near.id.startswith("digits/") for near in heard)
    assert None in {near.label for near in heard}
    assert {near.label for near in heard} <= {None, *"0123456789"}


def test_a_prediction_does_not_depend_on_the_others(predictor: Predictor, pictures: list[Path]) -> None:
    """Alone, in a batch and in any order: the same neighbours and label, and logits equal to 1e-5."""
    logits, together = predictor.logits(pictures), predictor.predict(pictures)
    order = [3, 0, 6, 2, 5, 1, 4]
    shuffled = [pictures[index] for index in order]
    torch.testing.assert_close(predictor.logits(shuffled), logits[order], atol=1e-5, rtol=0)
    for place, prediction in zip(order, predictor.predict(shuffled), strict=True):
        assert [near.id for near in prediction.neighbours] == [near.id for near in together[place].neighbours]
    for index, picture in enumerate(pictures):
        (alone,) = predictor.predict([picture])
        assert alone.label == together[index].label
        assert [near.id for near in alone.neighbours] == [near.id for near in together[index].neighbours]
        torch.testing.assert_close(predictor.logits([picture])[0], logits[index], atol=1e-5, rtol=0)


def test_paths_pictures_and_arrays_are_the_same(predictor: Predictor, pictures: list[Path]) -> None:
    """A string, a ``Path``, a ``PIL.Image`` and uint8 arrays of the same content: the same logits."""
    path = pictures[0]
    picture = Image.open(path)
    grey = np.asarray(picture)
    forms: list[Any] = [path, str(path), picture, grey, np.stack([grey] * 3, axis=-1)]
    first, *others = (predictor.logits([form]) for form in forms)
    for other in others:
        assert torch.equal(other, first)


def test_nothing_to_predict_is_an_empty_list(predictor: Predictor) -> None:
    """No image, no prediction, no error."""
    assert predictor.predict([]) == []


@pytest.mark.parametrize("image", [np.zeros((4, 4)), 3.5, np.zeros(4, np.uint8)], ids=["floats", "number", "flat"])
def test_what_is_no_picture_is_refused(predictor: Predictor, image: Any) -> None:
    """The message says what a picture may be."""
    with pytest.raises(DataError, match="a picture is a path, a PIL image or a uint8 array"):
        predictor.predict([image])


def test_a_new_process_gives_bit_equal_logits(run: Path, predictor: Predictor, pictures: list[Path]) -> None:
    """Loaded elsewhere from disk alone: every bit of every logit."""
    script = """
import sys
from graftwork import load
run, *pictures = sys.argv[1:]
print(load(run).logits(pictures).numpy().tobytes().hex())
"""
    command = [sys.executable, "-c", script, str(run), *map(str, pictures)]
    found = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120).stdout.split()[-1]
    assert found == predictor.logits(pictures).numpy().tobytes().hex()


ADAPTERS = ({"type": "none"}, {"type": "bottleneck"}, {"type": "ga_net"})
HEADS = ({"type": "cosine"}, {"type": "cosine", "train_scale": True}, {"type": "linear"})


@pytest.mark.parametrize(
    "head", [*HEADS, {"type": "linear", "init": "prompts"}], ids=lambda head: str([*head.values()])
)
@pytest.mark.parametrize("adapter", ADAPTERS, ids=lambda adapter: adapter["type"])
def test_what_was_measured_is_what_predicts(tmp_path: Path, adapter: dict[str, Any], head: dict[str, Any]) -> None:
    """Every adapter with every head, saved and loaded: the test split through ``predict`` has the accuracy of
    ``result.json``.
    """
    finished = pipeline(adapter=adapter, task__head=head, trainer__epochs=20).run(tmp_path / "run")
    content = pipeline().catalogue.find("dataset", "few_digits")
    test = content.load()(finished_spec(finished.folder).dataset).load().splits["test"]
    predictions = finished.load().predict([item.modalities["image"].read() for item in test])
    right = [int(one.label) == item.target for one, item in zip(predictions, test, strict=True)]
    assert sum(right) / len(right) == pytest.approx(finished.result["test"]["accuracy"]["mean"])
    assert all(bool(one.neighbours) == (adapter["type"] == "ga_net") for one in predictions)
    if head["type"] == "linear":
        assert sum(right) / len(right) > 0.3


def finished_spec(folder: Path) -> Any:
    return Pipeline.from_file(folder / "adapter" / "pipeline.json", catalogue=catalogue()).spec


def copy_of(run: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(run, tmp_path / "copy"))


def test_the_adapter_folder_alone_is_enough(
    run: Path, predictor: Predictor, pictures: list[Path], tmp_path: Path
) -> None:
    """Moved elsewhere without the rest of the run, it predicts the same bits."""
    alone = shutil.copytree(run / "adapter", tmp_path / "alone")
    assert torch.equal(load(alone).logits(pictures), predictor.logits(pictures))


@pytest.mark.parametrize("name", ADAPTER_FILES)
def test_a_missing_file_is_named(run: Path, tmp_path: Path, name: str) -> None:
    """Each file of the adapter folder, and what to do."""
    copy = copy_of(run, tmp_path)
    (copy / "adapter" / name).unlink()
    with pytest.raises(RunFolderError, match=f"{name} is missing; restore it or run the pipeline again"):
        load(copy)


@pytest.mark.parametrize("name", ADAPTER_FILES)
def test_an_altered_file_is_named(run: Path, tmp_path: Path, name: str) -> None:
    """One flipped bit in the middle of the file, which safetensors itself would not notice."""
    copy = copy_of(run, tmp_path)
    content = bytearray((copy / "adapter" / name).read_bytes())
    content[len(content) // 2] ^= 1
    (copy / "adapter" / name).write_bytes(content)
    with pytest.raises(RunFolderError, match=f"{name} was altered after the run"):
        load(copy)


def test_a_run_without_its_manifest_is_not_finished(run: Path, tmp_path: Path) -> None:
    """The manifest is written last: without it nothing vouches for the rest."""
    copy = copy_of(run, tmp_path)
    (copy / "adapter" / "manifest.json").unlink()
    with pytest.raises(RunFolderError, match=r"manifest\.json is missing"):
        load(copy)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    """And the message says what would be a run."""
    with pytest.raises(RunFolderError, match=r"nowhere is no folder; name a finished run"):
        load(tmp_path / "nowhere")


def test_changed_weights_behind_a_run_are_found(tmp_path: Path) -> None:
    """The frozen model is known by its content: other weights under the same path are refused."""
    folder = tmp_path / "model"
    folder.mkdir()
    save_tiny_clip(folder, seed=2)
    few = {"type": "few_digits", "train": 2, "val": 1, "test": 1}
    encoder = {"type": "open_clip", "model": f"local-dir:{folder}"}
    finished = pipeline(encoder=encoder, dataset=few, trainer__epochs=1).run(tmp_path / "run")
    finished.load()
    save_tiny_clip(folder, seed=3)
    with pytest.raises(RunFolderError, match="its weights have changed"):
        finished.load()


def tensors_of(path: Path) -> dict[str, torch.Tensor]:
    return load_file(path)


def test_no_weight_of_the_backbone_is_saved(run: Path, model: Path) -> None:
    """Only ``adapter.`` and ``head.`` tensors, none of them in the encoder, all together far smaller than it."""
    saved = tensors_of(run / "adapter" / "adapter_model.safetensors")
    assert saved
    assert all(name.startswith(("adapter.", "head.")) for name in saved)
    backbone = {tensor.numpy().tobytes() for tensor in tensors_of(model / "open_clip_model.safetensors").values()}
    everything = [tensor for file in run.rglob("*.safetensors") for tensor in tensors_of(file).values()]
    assert not backbone & {tensor.numpy().tobytes() for tensor in everything if tensor.numel() > 1}
    size = sum(path.stat().st_size for path in run.rglob("*") if path.is_file())
    assert size < (model / "open_clip_model.safetensors").stat().st_size / 5


def test_nothing_in_a_run_folder_is_a_pickle(run: Path) -> None:
    """Text and safetensors alone: no protocol header, no zip (torch.save's), no other suffix."""
    files = [path for path in run.rglob("*") if path.is_file()]
    assert {path.suffix for path in files} == {".json", ".jsonl", ".md", ".safetensors"}
    for path in files:
        content = path.read_bytes()
        assert not content.startswith((b"\x80", b"PK\x03\x04", b"\x93NUMPY"))
        if path.suffix == ".safetensors":
            with safe_open(path, "pt") as opened:
                assert list(opened.keys())
        else:
            content.decode("utf-8")


def test_the_config_has_the_keys_that_peft_reads(run: Path, model: Path) -> None:
    """And a type of its own, so that another library does not take it for one of its adapters."""
    config = json.loads((run / "adapter" / "adapter_config.json").read_text())
    assert {"peft_type", "task_type", "base_model_name_or_path", "revision", "inference_mode"} <= set(config)
    assert config["peft_type"] == "GRAFTWORK"
    assert config["base_model_name_or_path"] == f"local-dir:{model}"
    assert config["graftwork"]["class_names"] == list("0123456789")


def test_peft_refuses_the_folder_cleanly(run: Path) -> None:
    """A foreign loader must not half-load it: an error before any weight is touched."""
    peft = pytest.importorskip("peft", reason="peft is not installed: nothing to try the folder with")
    with pytest.raises((KeyError, ValueError, TypeError)):
        peft.PeftConfig.from_pretrained(str(run / "adapter"))


def folder_of_texts(root: Path) -> Path:
    """An image folder whose pictures bring their own descriptions."""
    root.mkdir()
    rows = []
    for number in range(24):
        label = ("dark", "bright")[number % 2]
        Image.new("L", (8, 8), 20 + 10 * number + 100 * (number % 2)).save(root / f"{number}.png")
        rows.append({"file_name": f"{number}.png", "label": label, "text": f"a {label} picture"})
    (root / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return root


@pytest.fixture(scope="module")
def worded(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    """A run whose nodes fuse pictures with texts that the data set brought: no captioner."""
    folder = tmp_path_factory.mktemp("worded")
    dataset = {"type": "image_folder", "root": str(folder_of_texts(folder / "pictures"))}
    run = pipeline(dataset=dataset, graph__nodes="fused", trainer__epochs=20).run(folder / "run", folder / "store")
    return run.load()


def test_texts_are_given_where_no_captioner_writes_them(worded: Predictor) -> None:
    """With the right description a picture of either class is told."""
    images = [np.full((8, 8), value, np.uint8) for value in (60, 200)]
    predictions = worded.predict(images, texts=["a dark picture", "a bright picture"])
    assert [one.label for one in predictions] == ["dark", "bright"]


def test_missing_texts_are_asked_for(worded: Predictor) -> None:
    """The message shows the call."""
    with pytest.raises(DataError, match=r"give predict\(images, texts=\[\.\.\.\]\)"):
        worded.predict([np.zeros((8, 8), np.uint8)])


def test_as_many_texts_as_images(worded: Predictor) -> None:
    """Both numbers stand in the message."""
    with pytest.raises(DataError, match="2 texts for 1 image"):
        worded.predict([np.zeros((8, 8), np.uint8)], texts=["a", "b"])


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has the device that the test asks for in vain")
def test_a_device_that_is_not_there_is_an_error(run: Path) -> None:
    """The message lists what is there and says what to set."""
    with pytest.raises(DeviceError, match=r'device "cuda" is not there; this machine has cpu.*"device": "auto"'):
        load(run, device="cuda")


@pytest.mark.parametrize("name", ["meta", "xla", "cpu:0", "gpu", "cuda:-1", "cuda:x", "cpu\n", ""])
def test_a_word_that_is_no_device_is_the_users_mistake(run: Path, name: str) -> None:
    """Whatever torch would make of it."""
    with pytest.raises(UserError, match="is none that a run computes on; say auto, cpu, mps, cuda or cuda:N"):
        load(run, device=name)


@pytest.mark.parametrize("index", [127, 128, 255, 256, 10**9, 10**30])
def test_an_index_that_torch_does_not_hold_is_a_device_that_is_not_there(run: Path, index: int) -> None:
    """It keeps 8 bits of one."""
    with pytest.raises(DeviceError, match=f'device "cuda:{index}" is not there'):
        load(run, device=f"cuda:{index}")


def graftwork(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    """The command line in this process; returns the exit code."""
    monkeypatch.setattr(sys, "argv", ["graftwork", *map(str, arguments)])
    try:
        main()
    except SystemExit as end:
        return int(end.code or 0)
    return 0


Capture = pytest.CaptureFixture[str]
Patch = pytest.MonkeyPatch


def test_predict_on_the_command_line_prints_a_line_a_picture(
    run: Path, predictor: Predictor, pictures: list[Path], capsys: Capture, monkeypatch: Patch
) -> None:
    """Path, label, probability, and the next classes."""
    assert graftwork(monkeypatch, "predict", run, *pictures[:2]) == 0
    lines = capsys.readouterr().out.splitlines()
    for line, path, one in zip(lines, pictures, predictor.predict(pictures[:2]), strict=False):
        assert line.startswith(f"{path}: {one.label} {one.probability:.3f}  (")
    assert len(lines) == 2


def test_predict_as_json_is_what_the_object_says(
    run: Path, predictor: Predictor, pictures: list[Path], capsys: Capture, monkeypatch: Patch
) -> None:
    """``--format json --top 2``: image, label, probability, the two most probable classes, neighbours."""
    assert graftwork(monkeypatch, "predict", run, *pictures[:2], "--format", "json", "--top", 2) == 0
    found = json.loads(capsys.readouterr().out)
    expected = predictor.predict(pictures[:2])
    assert [one["image"] for one in found] == [str(path) for path in pictures[:2]]
    assert [one["label"] for one in found] == [one.label for one in expected]
    assert [one["probability"] for one in found] == [one.probability for one in expected]
    assert [list(one["probabilities"]) for one in found] == [list(one.probabilities)[:2] for one in expected]
    assert [[near["id"] for near in one["neighbours"]] for one in found] == [
        [near.id for near in one.neighbours] for one in expected
    ]


def test_unreadable_pictures_are_named_and_the_others_predicted(
    run: Path, pictures: list[Path], tmp_path: Path, capsys: Capture, monkeypatch: Patch
) -> None:
    """Text that calls itself PNG, half a PNG, and no file at all: exit code 2, one line each."""
    text, half, nowhere = (tmp_path / name for name in ("text.png", "half.png", "nowhere.png"))
    text.write_text("no picture")
    half.write_bytes(pictures[-1].read_bytes()[: pictures[-1].stat().st_size // 2])
    assert graftwork(monkeypatch, "predict", run, text, pictures[0], half, nowhere) == 2
    output = capsys.readouterr()
    assert [line.split(":")[0] for line in output.out.splitlines()] == [str(pictures[0])]
    errors = output.err.splitlines()
    assert len(errors) == 3
    for line, path in zip(errors, (text, half, nowhere), strict=True):
        assert line.startswith(f"error: {path}: ")


def test_no_readable_picture_is_exit_code_2(run: Path, tmp_path: Path, capsys: Capture, monkeypatch: Patch) -> None:
    """Nothing on standard output, the reason on standard error."""
    assert graftwork(monkeypatch, "predict", run, tmp_path / "nowhere.png") == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert "nowhere.png" in output.err


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has the device that the test asks for in vain")
def test_a_missing_device_is_exit_code_1(run: Path, pictures: list[Path], capsys: Capture, monkeypatch: Patch) -> None:
    """The environment is at fault, not the input; one line with the remedy."""
    assert graftwork(monkeypatch, "predict", run, pictures[0], "--device", "cuda:3") == 1
    error = capsys.readouterr().err
    assert error.startswith('error: device "cuda:3" is not there')
    assert "auto" in error


def test_a_damaged_run_is_exit_code_2(
    run: Path, pictures: list[Path], tmp_path: Path, capsys: Capture, monkeypatch: Patch
) -> None:
    """One line that names the file."""
    copy = copy_of(run, tmp_path)
    (copy / "adapter" / "support.safetensors").unlink()
    assert graftwork(monkeypatch, "predict", copy, pictures[0]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "support.safetensors is missing" in line


def test_texts_on_the_command_line_follow_their_images(
    model: Path, tmp_path: Path, capsys: Capture, monkeypatch: Patch
) -> None:
    """``--text``, one an image in order: an unreadable image takes its text with it; another number is refused."""
    root = folder_of_texts(tmp_path / "pictures")
    dataset = {"type": "image_folder", "root": str(root)}
    spec = spec_of(model) | {"dataset": dataset, "graph": {"type": "similarity", "threshold": 0.5, "nodes": "fused"}}
    run = Pipeline.from_dict(spec).run(tmp_path / "run", tmp_path / "store")
    shown = [root / "0.png", tmp_path / "nowhere.png", root / "1.png"]
    texts = ["a dark picture", "lost", "a bright picture"]
    given = [word for text in texts for word in ("--text", text)]
    assert graftwork(monkeypatch, "predict", run.folder, *shown, *given, "--format", "json") == 2
    found = json.loads(capsys.readouterr().out)
    expected = run.load().predict([shown[0], shown[2]], texts=[texts[0], texts[2]])
    assert [one["probability"] for one in found] == [one.probability for one in expected]
    assert graftwork(monkeypatch, "predict", run.folder, shown[0], *given) == 2
    assert "3 texts for 1 image" in capsys.readouterr().err


def test_no_item_has_no_logits(predictor: Predictor) -> None:
    """A tensor of no rows, as there is a list of no answers."""
    assert predictor.logits([]).shape == (0, len(predictor.class_names))


def test_one_picture_alone_is_one_item(predictor: Predictor, pictures: list[Path]) -> None:
    """As a string, a ``Path``, a picture and an array: not its letters, not its rows, and not an error."""
    (expected,) = predictor.predict([pictures[0]])
    opened = Image.open(pictures[0])
    for alone in (str(pictures[0]), pictures[0], opened, np.asarray(opened.convert("RGB"))):
        assert predictor.predict(alone) == [expected]


def test_what_it_must_be_given_is_told_and_asked_for(predictor: Predictor, worded: Predictor) -> None:
    """Pictures, or pictures with texts; an answer is of the whole item."""
    assert (predictor.modalities, set(worded.modalities)) == (("image",), {"image", "text"})
    with pytest.raises(DataError, match="hears image: give images"):
        predictor.predict(texts=["a picture"])
    (answer,) = worded.predict(np.full((1, 8, 8), 60, np.uint8), "a dark picture")
    assert answer.each() == (answer,)


def test_a_run_on_pictures_refuses_sounds_on_the_command_line(
    run: Path, pictures: list[Path], capsys: Capture, monkeypatch: Patch
) -> None:
    """Exit code 2, and nothing is predicted."""
    assert graftwork(monkeypatch, "predict", run, pictures[0], "--sound", "a.wav") == 2
    output = capsys.readouterr()
    assert (output.out, output.err) == ("", "error: this run hears no sounds\n")
