"""Pipes, sockets and devices are refused by name wherever a path is read: nothing waits for one."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from graftwork.core.data.items import DataError
from graftwork.core.data.pictures import open_picture
from graftwork.core.data.sounds import open_sound
from graftwork.core.roles import Captioner, Dataset, Encoder, PictureKey, WrittenCaptions
from graftwork.core.storage.files import StorageError, irregular_in, open_regular, read_regular, write_whole
from graftwork.plugins.captioners.specs import CaptionsFileSpec, TransformersCaptionerSpec
from graftwork.plugins.datasets import HuggingFaceSpec, ImageFolderSpec, JsonLinesSpec, WebDatasetSpec
from graftwork.plugins.encoders.open_clip.spec import OpenClipSpec
from graftwork.plugins.encoders.transformers.spec import TransformersSpec
from graftwork.registry.build import build
from graftwork.registry.discovery import default_catalogue
from graftwork.registry.errors import GraftworkError

from ...support.command_answers import answer
from ...support.strangers.model_folders import pocket_folder
from ...support.strangers.small_runs import adapter_of

SECONDS = 60


@pytest.fixture(autouse=True)
def never_waits() -> Iterator[None]:
    """A test that hangs fails."""

    def fail(*_: object) -> None:
        raise TimeoutError("it waits")

    before = signal.signal(signal.SIGALRM, fail)
    signal.alarm(SECONDS)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def pipe(path: Path) -> Path:
    os.mkfifo(path)
    return path


def device(path: Path) -> Path:
    path.symlink_to("/dev/zero")
    return path


def own_device(path: Path) -> Path:
    """A device of this folder's own, so that a mistake harms no machine."""
    try:
        os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(1, 3))
    except PermissionError:
        pytest.skip("devices are made by root alone")
    return path


def pipe_behind_links(path: Path) -> Path:
    pipe(path.with_name("behind"))
    path.with_name("between").symlink_to("behind")
    path.symlink_to("between")
    return path


def link_to_itself(path: Path) -> Path:
    path.symlink_to(path)
    return path


def folder(path: Path) -> Path:
    path.mkdir()
    return path


def listening(path: Path) -> Path:
    """A socket; its name must be short."""
    short = Path(f"/tmp/graftwork-{os.getpid()}-{abs(hash(path))}")
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(short))
    shutil.move(short, path)
    return path


IRREGULAR = [pipe, device, listening]
Made = Callable[[Path], Path]


@pytest.mark.parametrize("make", IRREGULAR)
def test_what_is_no_regular_file_is_not_opened(make: Made, tmp_path: Path) -> None:
    """Nor is a folder; a link to a file is one."""
    with pytest.raises(OSError, match="is no regular file"):
        open_regular(make(tmp_path / "x"))
    with pytest.raises(IsADirectoryError):
        read_regular(tmp_path)
    (tmp_path / "y").write_bytes(b"abc")
    (tmp_path / "z").symlink_to(tmp_path / "y")
    assert read_regular(tmp_path / "z", 3) == b"abc"
    with pytest.raises(OSError, match="larger than 2 bytes"):
        read_regular(tmp_path / "z", 2)
    assert irregular_in(tmp_path) == tmp_path / "x"


@pytest.mark.parametrize("make", [pipe, own_device, listening, pipe_behind_links, link_to_itself, folder])
def test_what_is_no_regular_file_is_not_replaced(make: Made, tmp_path: Path) -> None:
    """All stay what they were, and nothing is left beside them."""
    path = make(tmp_path / "x")
    before = {one.name: one.lstat() for one in tmp_path.iterdir()}
    with pytest.raises(StorageError, match=r"cannot write .*/x: (is no reg|Is a dir|Too many).*; name another file"):
        write_whole(path, b"new")
    after = {one.name: one.lstat() for one in tmp_path.iterdir()}
    assert {name: (one.st_ino, one.st_mode) for name, one in after.items()} == {
        name: (one.st_ino, one.st_mode) for name, one in before.items()
    }


@pytest.mark.parametrize("there", [True, False])
def test_of_a_link_the_file_that_it_leads_to_is_written(there: bool, tmp_path: Path) -> None:
    """Through links of links, into another folder, whether it is there or not; a file is replaced, never written in."""
    (tmp_path / "far").mkdir()
    path, target = tmp_path / "link", tmp_path / "far" / "x.json"
    path.symlink_to("between")
    (tmp_path / "between").symlink_to("far/x.json")
    if there:
        target.write_bytes(b"old")
        os.link(target, tmp_path / "kept")
    write_whole(path, b"new")
    assert target.read_bytes() == b"new"
    assert not target.is_symlink()
    assert (os.readlink(path), os.readlink(tmp_path / "between")) == ("between", "far/x.json")
    assert [one.name for one in target.parent.iterdir()] == ["x.json"]
    assert not there or (tmp_path / "kept").read_bytes() == b"old"


COMMANDS: dict[str, list[str]] = {
    "a spec": ["validate", "{}"],
    "a spec that is planned": ["plan", "{}"],
    "a lock": ["run", "--locked", "{}"],
    "a run": ["predict", "{}", "a.png"],
    "what is compared": ["compare", "{}", "--out", "{}.out"],
}


@pytest.mark.parametrize("make", IRREGULAR)
@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_refuses_it(name: str, make: Made, tmp_path: Path) -> None:
    """Whatever it takes it for, in a line."""
    path = make(tmp_path / "given.json")
    given = answer([one.format(path) for one in COMMANDS[name]])
    assert given["code"] == 2
    assert "Traceback" not in given["err"]
    assert str(path) in given["err"]


@pytest.mark.parametrize("make", IRREGULAR)
def test_predict_names_it_and_answers_for_the_others(make: Made, tmp_path: Path) -> None:
    """As any file that cannot be read."""
    folder, path, picture = adapter_of("layers", tmp_path), make(tmp_path / "a.png"), tmp_path / "b.png"
    Image.new("RGB", (8, 8)).save(picture)
    said = ["--text", "a", "--text", "b", "--device", "cpu"]
    given = answer(["predict", str(folder), str(path), str(picture), *said])
    assert given["code"] == 2
    assert f"{path}: cannot be read: is no regular file" in given["err"]
    assert given["out"].startswith(f"{picture}: ")


@pytest.mark.parametrize("make", IRREGULAR)
@pytest.mark.parametrize("open_", [open_picture, open_sound])
def test_media_are_regular_files(open_: Callable[[Any], Any], make: Made, tmp_path: Path) -> None:
    """Pictures and sounds."""
    with pytest.raises(DataError, match="x: cannot be read: is no regular file"):
        open_(make(tmp_path / "x"))


def picture_folder(root: Path) -> Path:
    for name in ("red", "blue"):
        (root / name).mkdir(parents=True)
        for number in range(6):
            Image.new("RGB", (4, 4), (number, 0, 200)).save(root / name / f"{number}.png")
    return root


def load(spec: Any) -> Any:
    return build(Dataset, default_catalogue(), spec).load()


@pytest.mark.parametrize("make", IRREGULAR)
def test_a_picture_of_a_folder_that_is_none_is_passed_over_and_told(make: Made, tmp_path: Path) -> None:
    """As files of other kinds."""
    root = picture_folder(tmp_path / "pictures")
    make(root / "red" / "x.png")
    assert "1 .png that" in " ".join(load(ImageFolderSpec(root=str(root))).notes)


@pytest.mark.parametrize("make", IRREGULAR)
def test_lists_of_a_data_set_are_regular_files(make: Made, tmp_path: Path) -> None:
    """Split file, JSON lines, class names, captions."""
    root, path = picture_folder(tmp_path / "pictures"), make(tmp_path / "list.jsonl")
    specs: list[Any] = [
        ImageFolderSpec(root=str(root), split_file=str(path)),
        JsonLinesSpec(root=str(tmp_path), splits={"train": path.name}),
        WebDatasetSpec(shards={"train": str(path)}, class_names_file=str(path)),
        WebDatasetSpec(shards={"train": str(path)}),
    ]
    for spec in specs:
        with pytest.raises(GraftworkError, match=r"list\.jsonl"):
            load(spec)
    captions = build(WrittenCaptions, default_catalogue(), CaptionsFileSpec(file=str(path)))
    with pytest.raises(GraftworkError, match=r"list\.jsonl"):
        captions.look_up([PictureKey("1", "0" * 64, "1.png")])


@pytest.mark.parametrize("make", IRREGULAR)
def test_a_folder_of_the_datasets_library_holds_regular_files(make: Made, tmp_path: Path) -> None:
    """As a file by itself is one."""
    make(tmp_path / "train.parquet")
    for path in (tmp_path, tmp_path / "train.parquet"):
        with pytest.raises(DataError, match=r"train\.parquet is no regular file"):
            load(HuggingFaceSpec(path=str(path)))


@pytest.mark.parametrize("make", IRREGULAR)
def test_model_folders_hold_regular_files(make: Made, tiny_clip: Path, tmp_path: Path) -> None:
    """Libraries would wait for any other."""
    clip, llava = pocket_folder("scene_clip", tmp_path), pocket_folder("llava", tmp_path)
    for folder in (clip, llava):
        (folder / "tokenizer_config.json").unlink()
        make(folder / "tokenizer_config.json")
    cpu, catalogue = torch.device("cpu"), default_catalogue()
    with pytest.raises(GraftworkError, match=r"tokenizer_config\.json is no regular file"):
        build(Encoder, catalogue, TransformersSpec(model=str(clip)), cpu)
    with pytest.raises(GraftworkError, match=r"tokenizer_config\.json is no regular file"):
        build(Captioner, catalogue, TransformersCaptionerSpec(model=str(llava)), cpu)
    tiny = Path(shutil.copytree(tiny_clip, tmp_path / "tiny"))
    make(tiny / "tokenizer.json")
    with pytest.raises(GraftworkError, match=r"tokenizer\.json is no regular file"):
        build(Encoder, catalogue, OpenClipSpec(model=f"local-dir:{tiny}"), cpu)


def test_a_name_that_is_no_utf8_is_told(tmp_path: Path) -> None:
    """Of a picture that is given."""
    path = os.fsdecode(os.fsencode(tmp_path) + b"/\xff.png")
    Path(path).write_bytes(b"no picture")
    with pytest.raises(DataError) as raised:
        open_picture(path)
    assert str(raised.value).startswith(f"{tmp_path}/\\udcff.png: not a readable image")
    assert json.dumps(str(raised.value)).isascii()
