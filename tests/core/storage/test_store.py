"""The store: what was encoded is never encoded again, and nothing partial, altered or foreign is ever taken for it."""

from __future__ import annotations

import errno
import gc
import hashlib
import os
import pwd
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from graftwork.core.data.items import DataError, Media
from graftwork.core.data.pictures import file_media
from graftwork.core.events import Event, Note, StageAdvanced, StageStarted
from graftwork.core.roles import Encoder, EncoderError, EncoderFacts, EncoderSpec
from graftwork.core.stages.encode import EncoderStage
from graftwork.core.stages.prompts import class_prompts
from graftwork.core.stages.stored_encoder import VECTORS
from graftwork.core.storage import files
from graftwork.core.storage.files import StorageError, sweep_partials, write_whole
from graftwork.core.storage.root import store_root
from graftwork.core.storage.sealed import sealed
from graftwork.core.storage.store import Namespace, TextShelf, VectorShelf, identity_key
from graftwork.plugins.encoders import OpenClipSpec
from graftwork.registry.catalogue import Catalogue, Plugin
from graftwork.registry.component import Component

from ...conftest import save_tiny_clip
from ...support.paths import SUPPORT
from ...support.store_writer import digest_of, shelf_in, vector_of

WRITER = SUPPORT / "store_writer.py"


class PixelSpec(EncoderSpec):
    """Grey values as vectors: a real encoder without a network."""

    type: Literal["pixels"] = "pixels"
    side: int = 4
    """Side of the thumbnail."""
    weights: str = "one"
    """Stands for what a hub serves under one name: not part of the identity."""

    def identity(self) -> Mapping[str, Any]:
        return {"side": self.side}


class Pixels(Encoder):
    """Counts what it encodes, and is interrupted when told to."""

    encoded: list[Any] = []  # noqa: RUF012  # shared on purpose: the stage builds its encoder itself
    built = 0
    interrupt_at: int | None = None

    def __init__(self, spec: PixelSpec, device: torch.device) -> None:
        type(self).built += 1
        self.spec = spec

    def facts(self) -> EncoderFacts:
        return EncoderFacts(hashlib.sha256(self.spec.weights.encode()).hexdigest(), 0, None)

    def encode(self, modality: str, batch: Sequence[Any]) -> torch.Tensor:
        if self.interrupt_at is not None and len(self.encoded) >= self.interrupt_at:
            raise KeyboardInterrupt
        self.encoded.extend(batch)
        shift = len(self.spec.weights)
        if modality == "text":
            return torch.from_numpy(np.stack([vector_of(text) for text in batch]) + shift)
        grey = [image.convert("L").resize((self.spec.side, self.spec.side)) for image in batch]
        return torch.from_numpy(np.stack([np.asarray(one, np.float32).ravel() for one in grey]) + shift)


CATALOGUE = Catalogue(
    [Plugin("t", "t", "1", components=(Component("encoder", "pixels", PixelSpec, f"{__name__}:Pixels", "grey"),))]
)


@pytest.fixture(autouse=True)
def fresh_encoder() -> Iterator[None]:
    Pixels.encoded, Pixels.built, Pixels.interrupt_at = [], 0, None
    yield
    Pixels.interrupt_at = None


def stage(root: Path, **fields: Any) -> EncoderStage:
    return EncoderStage(PixelSpec(batch_size=2, **fields), CATALOGUE, root, lambda: torch.device("cpu"))


def pictures(count: int, start: int = 0) -> list[Media]:
    """Media of different grey pictures."""

    def media(level: int) -> Media:
        return Media(digest_of(f"grey {level}"), f"grey {level}", lambda: Image.new("L", (5, 5), level))

    return [media(level) for level in range(start, start + count)]


def shelf(tmp_path: Path, identity: Mapping[str, Any] | None = None) -> VectorShelf:
    return VectorShelf(Namespace(tmp_path, "features", identity or {"encoder": "x"}), "image")


def items(count: int, width: int = 3) -> tuple[list[str], np.ndarray]:
    digests = [digest_of(str(number)) for number in range(count)]
    return digests, np.random.default_rng(0).standard_normal((count, width)).astype(np.float32)


def partials(root: Path) -> list[Path]:
    return [path for path in root.rglob("*") if path.is_file() and path.name.startswith(files._TEMPORARY)]


# -- shelves -----------------------------------------------------------------------------------------------------------


@given(st.lists(st.integers(0, 30), min_size=1, max_size=12), st.integers(1, 5), st.integers(1, 4))
def test_vectors_come_back_bit_equal_in_any_order(tmp_path_factory, order, width, shard):
    """What goes in comes out, float for float, asked for in any order and with repetitions."""
    one = shelf(tmp_path_factory.mktemp("store"))
    digests, vectors = items(31, width)
    for start in range(0, 31, 31 // shard):
        one.add(digests[start : start + 31 // shard], vectors[start : start + 31 // shard])
    np.testing.assert_array_equal(one.take([digests[index] for index in order]), vectors[order])
    assert one.digests() == set(digests)


@given(st.dictionaries(st.integers().map(lambda n: digest_of(str(n))), st.text(), min_size=1, max_size=6))
def test_texts_come_back_letter_for_letter(tmp_path_factory, texts):
    """Descriptions of any letters, line separators included."""
    one = TextShelf(Namespace(tmp_path_factory.mktemp("store"), "descriptions", {}), "image")
    one.add(list(texts), texts.values())
    assert one.find([*texts, digest_of("none")]) == texts


def test_same_content_is_one_shard_named_by_its_bytes(tmp_path):
    """Storing twice stores once, and the name is the sha256 of the file."""
    one = shelf(tmp_path)
    for _ in range(2):
        one.add(*items(3))
    (path,) = one.folder.iterdir()
    assert path.stem == hashlib.sha256(path.read_bytes()).hexdigest()


def test_missing_vector_is_a_key_error(tmp_path):
    """Nothing stands in for what is not stored."""
    one = shelf(tmp_path)
    one.add(*items(3))
    with pytest.raises(KeyError):
        one.take([digest_of("never stored")])


def test_altered_shard_is_not_there(tmp_path):
    """One flipped bit, anywhere in the file, and its items count as missing; the other shards stay."""
    one = shelf(tmp_path)
    digests, vectors = items(4)
    one.add(digests[:2], vectors[:2])
    (path,) = one.folder.iterdir()
    one.add(digests[2:], vectors[2:])
    whole = path.read_bytes()
    for at in range(0, len(whole), 7):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        assert one.digests() == set(digests[2:])


def test_truncated_shard_is_not_there(tmp_path):
    """A file cut at any length holds nothing."""
    one = shelf(tmp_path)
    one.add(*items(2))
    (path,) = one.folder.iterdir()
    whole = path.read_bytes()
    for length in range(0, len(whole), 5):
        path.write_bytes(whole[:length])
        assert one.digests() == set()


def test_unreadable_shard_is_not_there(tmp_path):
    """What cannot be opened as a file does not end a run."""
    one = shelf(tmp_path)
    one.add(*items(2))
    (one.folder / f"{'0' * 64}.safetensors").mkdir()
    assert len(one.digests()) == 2


def test_stored_again_after_damage_is_whole(tmp_path):
    """The same values go into the same name: damage is repaired by encoding again."""
    one = shelf(tmp_path)
    digests, vectors = items(2)
    one.add(digests, vectors)
    (path,) = one.folder.iterdir()
    path.write_bytes(b"")
    one.add(digests, vectors)
    np.testing.assert_array_equal(one.take(digests), vectors)


def test_partial_files_are_neither_read_nor_kept(tmp_path):
    """A killed writer's file is ignored, and swept at once; a live writer's is left alone, of whatever process."""
    one = shelf(tmp_path)
    one.add(*items(2))
    (whole,) = one.folder.iterdir()
    old, live = (one.folder / f"{files._TEMPORARY}{name}" for name in ("old", "live"))
    old.write_bytes(whole.read_bytes()[:50])
    with files._locked(live) as writer:
        writer.write(whole.read_bytes()[:50])
        assert len(one.digests()) == 2
        sweep_partials(tmp_path)
        assert sorted(one.folder.iterdir()) == sorted([whole, live])
    sweep_partials(tmp_path)
    assert list(one.folder.iterdir()) == [whole]


def test_what_is_swept_is_locked_until_it_is_gone(tmp_path, monkeypatch):
    """A writer that has made its file and not yet locked it waits, and finds it gone: it is not swept later, unseen."""
    fcntl = pytest.importorskip("fcntl")
    partial, unlink, swept = tmp_path / f"{files._TEMPORARY}young", Path.unlink, []
    partial.touch()

    def locked(path, *given, **named):
        with open(path) as file, pytest.raises(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        swept.append(path)
        unlink(path, *given, **named)

    monkeypatch.setattr(Path, "unlink", locked)
    sweep_partials(tmp_path)
    assert swept == [partial]
    assert not partial.exists()


def test_where_nothing_can_be_locked_age_decides(tmp_path, monkeypatch):
    """On a file system without locks, and where the system has none."""
    monkeypatch.setitem(sys.modules, "fcntl", None)
    old, live = (tmp_path / f"{files._TEMPORARY}{name}" for name in ("old", "live"))
    for path in (old, live):
        path.touch()
    os.utime(old, (time.time() - 7200,) * 2)
    sweep_partials(tmp_path)
    assert list(tmp_path.iterdir()) == [live]
    write_whole(tmp_path / "x", b"whole")
    assert (tmp_path / "x").read_bytes() == b"whole"


IDENTITY = {
    "component": "encoder.x",
    "implementation": 1,
    "config": {"model_cfg": {"embed_dim": 4}, "preprocess_cfg": {"mean": [0.5, 0.5, 0.5]}},
    "weights": {"sha256": "ab"},
    "image_size": None,
    "precision": "fp32",
    "libraries": {"pillow": "13.0.0"},
}


@pytest.mark.parametrize(
    "change",
    [
        {"component": "encoder.y"},
        {"implementation": 2},
        {"config": {"model_cfg": {"embed_dim": 5}, "preprocess_cfg": {"mean": [0.5, 0.5, 0.5]}}},
        {"config": {"model_cfg": {"embed_dim": 4}, "preprocess_cfg": {"mean": [0.5, 0.5, 0.4]}}},
        {"config": None},
        {"weights": {"sha256": "ac"}},
        {"image_size": 0},
        {"precision": "bf16"},
        {"libraries": {"pillow": "13.0.1"}},
        {"new": None},
    ],
)
def test_key_follows_every_field_of_the_identity(change):
    """A wrong hit is worse than a miss: any difference, however deep, is another key."""
    assert identity_key(IDENTITY | change) != identity_key(IDENTITY)


def test_key_does_not_follow_the_order_of_fields():
    """The same facts in another order are the same key, on every machine."""
    assert identity_key(dict(reversed(IDENTITY.items()))) == identity_key(IDENTITY)
    assert identity_key({"a": 1}) == "0f5499c946b7481e6ccc13fed9553c56"


def test_open_clip_identity_follows_weights_preprocessing_and_size(tmp_path):
    """Weights by content, configuration, image size and precision are in the key; batch size and templates are not."""
    folder = save_tiny_clip(tmp_path, seed=0)

    def key(**fields: Any) -> str:
        spec = OpenClipSpec(model=f"local-dir:{folder}", **fields)
        return identity_key({**spec.identity(), "image": spec.modality_identity("image")})

    base = key()
    assert key(batch_size=3, templates=["{}"]) == base
    assert len({base, key(image_size=64), key(precision="bf16")}) == 3
    configuration = folder / "open_clip_config.json"
    configuration.write_text(configuration.read_text().replace("bicubic", "bilinear"))
    changed = key()
    assert changed != base
    save_tiny_clip(folder, seed=1)
    assert key() not in (base, changed)


class PlainSpec(EncoderSpec):
    """An encoder that leaves its identity to the base class."""

    type: Literal["plain"] = "plain"
    depth: int = 2


def test_identity_is_every_field_but_batch_size_and_templates():
    """A third party's field is in the key without a word of theirs; how a run is batched and asked is not."""
    assert PlainSpec(batch_size=3, templates=["{}"]).identity() == {"type": "plain", "depth": 2}


def test_namespace_tells_what_it_holds(tmp_path):
    """about.json gives the identity and the noted facts to a reader; a broken one is as none."""
    namespace = Namespace(tmp_path, "features", {"encoder": "x"})
    assert namespace.about() is None
    namespace.note({"parameters": 3})
    assert namespace.about() == sealed({"identity": {"encoder": "x"}, "parameters": 3})
    (namespace.folder / "about.json").write_text('{"identity": ')
    assert namespace.about() is None


@pytest.mark.parametrize("chosen", ["", "~/own", "~nobody-of-that-name/own"])
def test_a_home_that_nobody_knows_is_said(chosen, monkeypatch):
    """As in containers that run as any user: neither HOME nor a line for the user."""
    monkeypatch.setenv("GRAFTWORK_CACHE", chosen)
    for variable in ("HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(variable, raising=False)

    def unknown(user: object) -> None:
        raise KeyError(user)

    monkeypatch.setattr(pwd, "getpwuid", unknown)
    with pytest.raises(StorageError, match=r": no home folder is known here; set GRAFTWORK_CACHE to a whole path"):
        store_root()
    monkeypatch.setenv("GRAFTWORK_CACHE", "/own")
    assert store_root() == Path("/own")


def test_the_root_is_the_environment_then_the_users_cache(monkeypatch, tmp_path):
    """GRAFTWORK_CACHE, XDG_CACHE_HOME, ~/.cache: the first that is set."""
    monkeypatch.setenv("GRAFTWORK_CACHE", str(tmp_path / "own"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert store_root() == tmp_path / "own"
    monkeypatch.setenv("GRAFTWORK_CACHE", "")
    assert store_root() == tmp_path / "xdg" / "graftwork"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert store_root() == tmp_path / ".cache" / "graftwork"


# -- disks and processes -----------------------------------------------------------------------------------------------


def python(*arguments: str | Path) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, WRITER, *map(str, arguments)], stdout=subprocess.PIPE, text=True)


def test_two_processes_may_share_a_store(tmp_path):
    """Writers at the same time, partly with the same items: everything is there, and right."""
    writers = [python("write", tmp_path, *span) for span in (("0", "30"), ("15", "45"))]
    assert [writer.communicate()[0] and writer.returncode for writer in writers] == ["", ""]
    names = [str(number) for number in range(45)]
    stored = shelf_in(tmp_path).take([digest_of(name) for name in names])
    np.testing.assert_array_equal(stored, np.stack([vector_of(name) for name in names]))
    assert partials(tmp_path) == []


def test_file_over_the_limit_leaves_nothing_partial(tmp_path):
    """Where the system refuses the last bytes, the message says what to do, and the store is as before."""
    message, _ = python("write_over_the_limit", tmp_path).communicate()
    assert message.startswith(f"cannot write {tmp_path}")
    assert message.endswith("File too large; free some space, or point GRAFTWORK_CACHE or --out elsewhere\n")
    assert partials(tmp_path) == []
    assert shelf_in(tmp_path).digests() == {digest_of("0")}


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real disk of 64 kB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small disk needs root; test_file_over_the_limit runs everywhere")
    yield folder
    gc.collect()  # a shelf keeps the file open that says it is used
    subprocess.run(["umount", folder], check=True)


def test_full_disk_leaves_nothing_partial(small_disk):
    """ENOSPC ends in StorageError (exit code 1) with the remedy; what was stored stays readable."""
    one = shelf(small_disk)
    one.add(*items(2))
    with pytest.raises(
        StorageError, match="No space left on device; free some space, or point GRAFTWORK_CACHE"
    ) as error:
        one.add([digest_of("big")], np.zeros((1, 100_000), np.float32))
    assert error.value.exit_code == 1
    assert (partials(small_disk), len(one.digests())) == ([], 2)


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_failure_at_the_last_step_leaves_nothing_partial(tmp_path, monkeypatch, step):
    """Also when the disk only complains at flushing or renaming, the old file stays whole."""
    write_whole(tmp_path / "a", b"old")

    def fail(*_: object) -> None:
        raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))

    monkeypatch.setattr(os, step, fail)
    with pytest.raises(StorageError, match="free some space"):
        write_whole(tmp_path / "a", b"new")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"a": b"old"}


def test_path_that_cannot_be_a_folder_is_a_storage_error(tmp_path):
    """A file where a folder should be: the path is named, and it is not called a full disk."""
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match=r"file/a/b: .*; check the path and its permissions"):
        write_whole(tmp_path / "file" / "a" / "b", b"")


# -- the encoder stage -------------------------------------------------------------------------------------------------


def test_nothing_is_encoded_twice(tmp_path):
    """A second stage of the same spec takes all from the store and does not even build the encoder."""
    first = stage(tmp_path).encode("image", pictures(5))
    assert (len(Pixels.encoded), Pixels.built) == (5, 1)
    second = stage(tmp_path).encode("image", pictures(5))
    assert (len(Pixels.encoded), Pixels.built) == (5, 1)
    np.testing.assert_array_equal(first, second)


def test_only_new_content_is_encoded(tmp_path):
    """Two more pictures cost two encodings; equal contents cost one."""
    stage(tmp_path).encode("image", pictures(3))
    both = stage(tmp_path).encode("image", pictures(5) + pictures(5))
    assert len(Pixels.encoded) == 5
    np.testing.assert_array_equal(both[:5], both[5:])


def test_vectors_are_in_the_order_asked_for(tmp_path):
    """Whatever order they were stored in."""
    media = pictures(5)
    stage(tmp_path).encode("image", media[::2])
    vectors = stage(tmp_path).encode("image", media)
    np.testing.assert_array_equal(vectors[:, 0], np.arange(5, dtype=np.float32) + len("one"))


def test_stage_tells_how_far_it_is(tmp_path):
    """Listeners hear the total, what was stored already, and every batch."""
    stage(tmp_path).encode("image", pictures(2))
    heard: list[Event] = []
    stage(tmp_path).encode("image", pictures(5), heard.append)
    assert heard == [
        StageStarted("encode image", 5, 2),
        StageAdvanced("encode image", 4),
        StageAdvanced("encode image", 5),
    ]


def test_another_identity_shares_nothing(tmp_path):
    """Another field of the identity: everything is missing, and the old vectors stay."""
    stage(tmp_path).encode("image", pictures(3))
    assert len(stage(tmp_path, side=5).missing("image", pictures(3))) == 3
    assert stage(tmp_path, side=5).encode("image", pictures(3)).shape == (3, 25)
    assert stage(tmp_path).missing("image", pictures(3)) == []


def test_modalities_share_nothing(tmp_path):
    """A text is not an image, whatever its digest."""
    text = Media(pictures(1)[0].digest, "text", lambda: "a text")
    stage(tmp_path).encode("image", pictures(1))
    assert stage(tmp_path).missing("text", [text]) == [text]


def test_other_weights_behind_one_name_encode_everything_again(tmp_path):
    """Old and new vectors never mix: once the new weights are loaded, all is encoded with them."""
    stage(tmp_path).encode("image", pictures(3))
    vectors = stage(tmp_path, weights="three").encode("image", pictures(4))
    np.testing.assert_array_equal(vectors[:, 0], np.arange(4) + len("three"))
    assert len(Pixels.encoded) == 3 + 4


def test_old_weights_find_their_old_vectors(tmp_path):
    """Going back costs only what was never encoded with them."""
    stage(tmp_path).encode("image", pictures(3))
    stage(tmp_path, weights="three").encode("image", pictures(4))
    vectors = stage(tmp_path).encode("image", pictures(5))
    np.testing.assert_array_equal(vectors[:, 0], np.arange(5) + len("one"))
    assert len(Pixels.encoded) == 3 + 4 + 2


def test_weights_that_turn_out_other_after_vectors_were_given_end_the_run(tmp_path):
    """A run must not train on old vectors and test on new ones; running again uses the new ones alone."""
    stage(tmp_path).encode("image", pictures(3))
    run = stage(tmp_path, weights="three")
    run.encode("image", pictures(3))
    with pytest.raises(EncoderError, match="run again to encode all with them"):
        run.encode("image", pictures(2, start=3))
    again = stage(tmp_path, weights="three")
    assert {again.encode("image", pictures(3))[0, 0], again.encode("image", pictures(2, start=3))[0, 0] - 3} == {5.0}


def test_another_run_with_other_weights_changes_nothing_for_this_one(tmp_path):
    """Two runs at once over one store, each with its weights: each keeps to its own vectors."""
    one, other = stage(tmp_path), stage(tmp_path, weights="three")
    one.encode("image", pictures(2))
    assert other.encode("image", pictures(3))[:, 0].tolist() == [5, 6, 7]
    assert one.encode("image", pictures(4))[:, 0].tolist() == [3, 4, 5, 6]
    assert other.encode("image", pictures(4))[:, 0].tolist() == [5, 6, 7, 8]


def test_note_by_another_hand_is_as_none(tmp_path):
    """An about.json without the facts is written anew, and the vectors are found again."""
    first = stage(tmp_path)
    first.encode("image", pictures(3))
    (first.tower("image").namespace.folder / "about.json").write_text('{"weights": 3}')
    assert len(stage(tmp_path).missing("image", pictures(3))) == 3
    stage(tmp_path).encode("image", pictures(3))
    assert len(Pixels.encoded) == 3


@pytest.mark.parametrize("batches", [0, 1, 2])
def test_interrupt_keeps_what_was_encoded(tmp_path, batches):
    """Ctrl-C in a batch: the batches before it are stored, and the next run encodes only the rest."""
    Pixels.interrupt_at = 2 * batches
    with pytest.raises(KeyboardInterrupt):
        stage(tmp_path).encode("image", pictures(5))
    Pixels.interrupt_at = None
    assert len(stage(tmp_path).missing("image", pictures(5))) == 5 - 2 * batches
    vectors = stage(tmp_path).encode("image", pictures(5))
    assert (len(Pixels.encoded), vectors[:, 0].tolist()) == (5, [3, 4, 5, 6, 7])


def test_a_stage_waits_for_another_process_and_takes_what_it_stored(tmp_path):
    """It says for whom, loads no model and encodes nothing."""
    media, waits, heard = pictures(5), threading.Event(), list[Event]()
    tower = stage(tmp_path).tower("image")
    assert tower.encoder.facts().parameters == 0

    def hear(event: Event) -> None:
        heard.append(event)
        if isinstance(event, Note):
            waits.set()

    with ThreadPoolExecutor(1) as pool:
        with tower.namespace.writing(pytest.fail):
            other = pool.submit(stage(tmp_path).encode, "image", media, hear)
            assert waits.wait(60)
            tower._encode(VECTORS, "image", media, 0, lambda event: None)
        assert other.result(60)[:, 0].tolist() == [3, 4, 5, 6, 7]
    assert (len(Pixels.encoded), Pixels.built) == (5, 1)
    start, note, end = heard
    assert (start, end) == (StageStarted("encode image", 5, 0), StageAdvanced("encode image", 5))
    assert str(note).startswith(
        f"Note(message='process {os.getpid()} computes values of the same model; this one waits"
    )


def test_unreadable_pictures_are_named_and_the_others_stored(tmp_path):
    """Every broken file is named at once; when they are gone nothing is encoded again."""
    media = []
    for level in range(5):
        path = tmp_path / f"{level}.png"
        Image.new("L", (4, 4), level).save(path)
        if level in (1, 3):
            path.write_bytes(path.read_bytes()[: 40 + level])
        media.append(file_media(path))
    with pytest.raises(DataError) as error:
        stage(tmp_path).encode("image", media)
    lines = str(error.value).split("\n")
    assert lines[0].startswith("2 of 5 cannot be read; remove or replace them, or leave them out")
    assert [line.split(": ")[0].strip() for line in lines[1:]] == [str(tmp_path / f"{level}.png") for level in (1, 3)]
    assert stage(tmp_path).missing("image", media) == [media[1], media[3]]


def test_files_that_share_their_broken_bytes_are_all_named(tmp_path):
    """Empty files are one content, and each must be replaced."""
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(DataError) as error:
        stage(tmp_path).encode("image", [*pictures(1), *(file_media(tmp_path / name) for name in ("a.png", "b.png"))])
    assert str(error.value).startswith("2 of 3 cannot be read; ")
    assert str(error.value).split("\n  ")[1:] == [
        f"{tmp_path}/a.png: not a readable image: no image format is recognised",
        f"{tmp_path}/b.png: the same bytes",
    ]


def test_only_ten_unreadable_pictures_are_listed(tmp_path):
    """A thousand broken files do not fill the screen."""

    def broken(number: int) -> Media:
        def read() -> Any:
            raise DataError(f"picture {number}: broken")

        return Media(digest_of(f"broken {number}"), f"picture {number}", read)

    with pytest.raises(DataError, match=r"^13 of 13 cannot be read(.|\n)*picture 9: broken\n  and 3 more$"):
        stage(tmp_path).encode("image", [broken(number) for number in range(13)])


def test_one_letter_of_one_template_encodes_that_template_alone(tmp_path):
    """Prompts are stored by content: three classes, one changed template, three new texts."""
    names = ("cat", "dog", "eel")
    before = PixelSpec(templates=["a photo of a {}.", "a drawing of a {}."])
    after = PixelSpec(templates=["a photo of a {}!", "a drawing of a {}."])
    stage(tmp_path).encode("text", class_prompts(before, names))
    Pixels.encoded.clear()
    stage(tmp_path).encode("text", class_prompts(after, names))
    assert Pixels.encoded == ["a photo of a cat!", "a photo of a dog!", "a photo of a eel!"]


def test_tiny_open_clip_is_encoded_once_and_again_for_another_size(tmp_path, tiny_clip):
    """With a real CLIP: stored vectors are what the model gives, and another image size is another namespace."""
    from graftwork.plugins.encoders.open_clip.encoder import OpenClip
    from graftwork.registry.discovery import default_catalogue

    def clip(**fields: Any) -> EncoderStage:
        spec = OpenClipSpec(model=f"local-dir:{tiny_clip}", **fields)
        return EncoderStage(spec, default_catalogue(), tmp_path, lambda: torch.device("cpu"))

    media = pictures(3)
    stored = clip().encode("image", media)
    np.testing.assert_array_equal(clip().encode("image", media), stored)
    model = OpenClip(OpenClipSpec(model=f"local-dir:{tiny_clip}"), torch.device("cpu"))
    np.testing.assert_array_equal(model.encode("image", [one.read() for one in media]).numpy(), stored)
    assert clip().missing("image", media) == []
    assert len(clip(image_size=64).missing("image", media)) == 3


def test_another_image_size_leaves_texts_stored(tmp_path, tiny_clip):
    """What changes pictures alone encodes pictures again, and not the prompts."""
    from graftwork.registry.discovery import default_catalogue

    def clip(**fields: Any) -> EncoderStage:
        spec = OpenClipSpec(model=f"local-dir:{tiny_clip}", **fields)
        return EncoderStage(spec, default_catalogue(), tmp_path, lambda: torch.device("cpu"))

    prompts = [Media.of_text("a cat"), Media.of_text("a dog")]
    clip().encode("text", prompts)
    assert clip(image_size=64).missing("text", prompts) == []
    assert len(clip(precision="bf16").missing("text", prompts)) == 2
