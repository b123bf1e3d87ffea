"""Names and texts that no result could hold are refused where they enter, not when a trained run is saved."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from graftwork.core.data.items import DataError, DatasetContent, Item, Media
from graftwork.core.data.names import not_utf8
from graftwork.core.roles.dataset import Dataset, content_of
from graftwork.core.storage.json_files import json_in
from graftwork.plugins.datasets import DigitsSpec
from graftwork.plugins.datasets.coop_split import read_coop_split
from graftwork.plugins.datasets.digits import Digits


class Given(Dataset):
    """Of somebody who took names from anywhere."""

    def __init__(self, name: str, label: str, split: str) -> None:
        self.content = DatasetContent({split: (Item(name, {}, 0),)}, (label,), "given")

    def load(self) -> DatasetContent:
        """As they are."""
        return self.content


@pytest.mark.parametrize("code", [0xD800, 0xDFFF, 0xDCFF, 0xD83D])
def test_half_a_surrogate_pair_is_refused_wherever_it_stands(code: int) -> None:
    """As a class, an item, a split or a text; JSON and names of files may both bring one."""
    half = f"a{chr(code)}"
    for what, given in {
        "item": Given(half, "cat", "train"),
        "class name": Given("1", half, "train"),
        "split": Given("1", "cat", half),
    }.items():
        with pytest.raises(DataError, match=f"^dataset: {what} .* holds half a surrogate pair") as error:
            content_of(given)
        assert str(error.value).isprintable()
    with pytest.raises(DataError, match=r"^caption: .*: a text with half a surrogate pair"):
        Media.of_text(half, "caption")


@pytest.mark.parametrize("name", ["cat", "", "\U0001f600", "\N{LATIN SMALL LETTER E WITH ACUTE}", "\x00"])
def test_all_else_is_a_name(name: str) -> None:
    """Whatever UTF-8 can say."""
    assert not_utf8(name) is None
    assert content_of(Given(name, name, name)).class_names == (name,)


def test_json_of_a_file_has_no_key_twice(tmp_path: Path) -> None:
    """Nor inside of it; a split file would lose the first of two splits."""
    rows = json.dumps([["a.png", 0, "cat"]])
    path = tmp_path / "split.json"
    path.write_text(f'{{"train": {rows}, "test": {rows}, "train": []}}')
    with pytest.raises(DataError, match="not JSON: key `train` stands there twice"):
        read_coop_split(path)
    path.write_text('{"a": [{"b": 1, "c": 2, "b": 1}]}')
    with pytest.raises(ValueError, match="key `b` stands there twice"):
        json_in(path)
    path.write_text('{"a": {"a": {"a": 1}}}')
    assert json_in(path) == {"a": {"a": {"a": 1}}}


@pytest.mark.parametrize("place", [0, 4, 9])
def test_two_classes_of_one_name_are_refused(place: int) -> None:
    """Answers name a class: of two called the same, the less likely one's probability stood for both."""
    names = [f"digit {number}" for number in range(10)]
    names[place] = names[5]
    given = Given("1", "cat", "train")
    given.content = replace(given.content, class_names=tuple(names))
    for dataset in (Digits(DigitsSpec(class_names=tuple(names))), given):
        with pytest.raises(DataError, match="several classes are called 'digit 5'; answers name a class"):
            content_of(dataset)
