"""The index of a shelf: a look reads no shard twice, and nothing that becomes of the index gives a wrong answer."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from graftwork.core.storage.files import _TEMPORARY, StorageError
from graftwork.core.storage.store import Namespace, TextShelf, TokenShelf, VectorShelf, index
from graftwork.core.storage.store.index import Index
from graftwork.core.storage.store.table import mapped

from ...support.store_writer import digest_of, vector_of


@pytest.fixture(autouse=True)
def _stable(monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk whose times tell every change apart: the index need not wait."""
    monkeypatch.setattr(index, "STABLE_NS", 0)


def shelf(root: Path) -> VectorShelf:
    return VectorShelf(Namespace(root, "features", {"encoder": "x"}), "w/image")


def file_of(root: Path) -> Path:
    (found,) = (root / "index").rglob("*.index")
    return found


def filled(root: Path, count: int = 12, of: int = 3) -> list[str]:
    """Names of items that are stored in shards of three, and looked for once."""
    names = [f"item {number}" for number in range(count)]
    add(root, names, of)
    assert len(shelf(root).stored(list(map(digest_of, names)))) == count
    return names


def add(root: Path, names: list[str], of: int = 3) -> None:
    for start in range(0, len(names), of):
        some = names[start : start + of]
        shelf(root).add([digest_of(name) for name in some], [vector_of(name) for name in some])


def require_stored(root: Path, names: list[str]) -> None:
    """All are there, float for float, and nothing else is."""
    digests = [digest_of(name) for name in names]
    assert shelf(root).stored([*digests, digest_of("never")]) == set(digests)
    np.testing.assert_array_equal(shelf(root).take(digests), np.stack([vector_of(name) for name in names]))


def no_reading(*given: Any) -> Any:
    raise AssertionError("a shard is read whole")


def test_a_second_look_reads_no_shard(tmp_path, monkeypatch):
    """What is known is asked for by its times alone, in this process and in others; rows are read by themselves."""
    names = filled(tmp_path)
    monkeypatch.setattr(Index, "_read_whole", no_reading)
    mapped.cache_clear()
    require_stored(tmp_path, names)
    assert shelf(tmp_path).digests() == set(map(digest_of, names))


def test_only_new_shards_are_read(tmp_path, monkeypatch):
    """Another process added one: it is found, and no other is read again."""
    names, read = filled(tmp_path), []
    whole = Index._read_whole
    monkeypatch.setattr(Index, "_read_whole", lambda self, name: (read.append(name), whole(self, name))[1])
    add(tmp_path, ["new"])
    require_stored(tmp_path, [*names, "new"])
    assert len(read) == 1


def test_a_young_shard_is_read_at_each_look_until_its_times_can_be_trusted(tmp_path, monkeypatch):
    """A change under the same time of modification is seen; nothing is written down that may be untrue."""
    monkeypatch.setattr(index, "STABLE_NS", 10**15)
    names = filled(tmp_path)
    require_stored(tmp_path, names)
    assert not list((tmp_path / "index").rglob("*.index"))
    monkeypatch.setattr(index, "STABLE_NS", 0)
    require_stored(tmp_path, names)
    assert file_of(tmp_path).stat().st_size > 0


@pytest.mark.parametrize("settled", [0, 5])
def test_young_and_settled_shards_are_one_store(tmp_path, monkeypatch, settled):
    """Of an item in several shards the first by name counts, whichever of them is known already; of texts the last."""
    vectors = {one: np.full(3, one, np.float32) for one in range(10)}
    arrays = shelf(tmp_path)
    texts = TextShelf(Namespace(tmp_path, "descriptions", {}), "image")
    for number, vector in vectors.items():
        if number == settled:  # from here on they stay young
            arrays.stored([digest_of("a")])
            texts.find(["a"])
            monkeypatch.setattr(index, "STABLE_NS", 10**15)
        arrays.add([digest_of("a")], [vector])
        texts.add(["a"], [str(number)])

    def named(folder: Path, at: int) -> bytes:
        return sorted(folder.iterdir())[at].read_bytes()

    assert arrays.take([digest_of("a")])[0].tobytes() in named(arrays.folder, 0)
    assert f'"{texts.find(["a"])["a"]}"'.encode() in named(texts.folder, -1)


def test_shards_that_went_are_not_there(tmp_path):
    """Removed by another hand, one or all."""
    names = filled(tmp_path)
    first, *_ = sorted(shelf(tmp_path).folder.iterdir())
    first.unlink()
    assert len(shelf(tmp_path).stored(list(map(digest_of, names)))) == 9
    shutil.rmtree(shelf(tmp_path).folder)
    assert shelf(tmp_path).stored(list(map(digest_of, names))) == set()
    assert shelf(tmp_path).digests() == set()


def test_an_altered_shard_is_not_there_though_its_times_were_set_back(tmp_path):
    """No tool sets back the time of a status change."""
    names = filled(tmp_path)
    path, *_ = sorted(shelf(tmp_path).folder.iterdir())
    status, content = path.stat(), path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert len(shelf(tmp_path).stored(list(map(digest_of, names)))) == 9
    path.write_bytes(content)
    require_stored(tmp_path, names)


def test_bytes_that_rot_under_unchanged_times_are_refused_and_then_missing(tmp_path, monkeypatch):
    """Each row is held against the CRC-32 of its whole shard; the next look finds it missing."""
    monkeypatch.setattr(index, "_of_file", lambda status: (status.st_size, 0, 0, 0))
    names = filled(tmp_path)
    for path in shelf(tmp_path).folder.iterdir():
        content = path.read_bytes()
        path.write_bytes(content[:-200] + bytes(200))
    digests = [digest_of(name) for name in names]
    with pytest.raises((StorageError, KeyError)):
        shelf(tmp_path).take(digests)
    assert shelf(tmp_path).stored(digests) == set()


def test_a_deleted_index_is_made_again(tmp_path):
    """With the folder of all of them."""
    names = filled(tmp_path)
    for removed in (file_of(tmp_path), tmp_path / "index"):
        shutil.rmtree(removed) if removed.is_dir() else removed.unlink()
        require_stored(tmp_path, names)


def test_a_torn_index_is_made_again(tmp_path):
    """Cut at any length."""
    names = filled(tmp_path)
    whole = file_of(tmp_path).read_bytes()
    for length in range(0, len(whole), 61):
        file_of(tmp_path).write_bytes(whole[:length])
        require_stored(tmp_path, names)


@given(st.integers(0, 10**9), st.integers(1, 255))
@settings(max_examples=50, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_an_altered_index_never_gives_a_wrong_vector(tmp_path, at, change):
    """At worst an item is encoded again: what it gives is the item's own vector, whatever byte is another."""
    if not (tmp_path / "index").exists():
        filled(tmp_path)
    names = [f"item {number}" for number in range(12)]
    content = bytearray(file_of(tmp_path).read_bytes())
    content[at % len(content)] ^= change
    file_of(tmp_path).write_bytes(content)
    digests = {digest_of(name): name for name in names}
    stored = sorted(shelf(tmp_path).stored([*digests, digest_of("never")]))
    assert set(stored) <= set(digests)
    try:
        taken = shelf(tmp_path).take(stored)
    except KeyError:  # the index was dropped when a row was no whole one
        taken = []
    for digest, vector in zip(stored, taken, strict=False):
        np.testing.assert_array_equal(vector, vector_of(digests[digest]))
    file_of(tmp_path).unlink(missing_ok=True)
    require_stored(tmp_path, names)


def test_a_store_that_takes_no_index_is_read(tmp_path, monkeypatch):
    """As on a read-only disk: all shards are read once in a process, and nothing is written."""
    names = [f"item {number}" for number in range(6)]
    add(tmp_path, names)
    shutil.rmtree(tmp_path / "index")
    (tmp_path / "index").write_text("no folder can be made here")
    require_stored(tmp_path, names)
    monkeypatch.setattr(Index, "_read_whole", no_reading)
    require_stored(tmp_path, names)


@given(
    st.lists(st.tuples(st.integers(0, 30), st.integers(0, 4)), min_size=1, max_size=30, unique_by=lambda one: one[0])
)
@settings(max_examples=30, deadline=None)
def test_tokens_come_back_bit_equal(tmp_path_factory, items):
    """Sequences of any length, none included, from shards of several."""
    one = TokenShelf(Namespace(tmp_path_factory.mktemp("store"), "features", {}), "text")
    values = {digest_of(str(n)): np.random.default_rng(n).standard_normal((t, 3), np.float32) for n, t in items}
    for some in (list(values)[::2], list(values)[1::2]):
        if some:
            one.add(some, [values[digest] for digest in some])
    for digest, taken in zip(values, one.take(list(values)), strict=True):
        np.testing.assert_array_equal(taken, values[digest])
        assert taken.flags.writeable


@pytest.mark.parametrize("spread", [True, False])
def test_digests_are_found_however_they_are_spread(tmp_path, spread):
    """Also those that begin alike."""
    digests = [digest_of(str(n)) if spread else f"{'0' * 16}{n:048x}" for n in range(300)]
    for start in range(0, 200, 50):
        shelf(tmp_path).add(digests[start : start + 50], [vector_of(digest) for digest in digests[start : start + 50]])
    for _ in range(2):
        assert shelf(tmp_path).stored(digests) == set(digests[:200])
        taken = shelf(tmp_path).take(digests[:200])
        np.testing.assert_array_equal(taken, np.stack([vector_of(digest) for digest in digests[:200]]))


def test_what_a_killed_writer_left_goes_at_the_next_look(tmp_path):
    """In its shelf and beside `about.json`; what is young may have a writer that no lock tells of."""
    names = filled(tmp_path)
    one = shelf(tmp_path)
    dead = [folder / f"{_TEMPORARY}dead" for folder in (one.folder, one.folder.parents[1])]
    for path in dead:
        path.write_bytes(b"12345")
        os.utime(path, (1, 1))
    require_stored(tmp_path, names)
    assert [path.exists() for path in dead] == [False, False]
