"""Classes whose names look alike are told, spelt so that they can be told apart."""

from __future__ import annotations

import json
import unicodedata

import pytest
from PIL import Image

from graftwork.core.data.items import DataError, Item, Media
from graftwork.core.data.names import alike
from graftwork.core.spec.load_spec import spec_from_dict
from graftwork.core.stages.context import RunContext
from graftwork.core.stages.list_items import listed
from graftwork.plugins.datasets.missing_splits import require_classes_everywhere
from graftwork.registry.discovery import default_catalogue

NFC, NFD = (unicodedata.normalize(form, "caf\N{LATIN SMALL LETTER E WITH ACUTE}") for form in ("NFC", "NFD"))
SPACE, MARK, JOINER = "\N{NO-BREAK SPACE}", "\N{ZERO WIDTH NO-BREAK SPACE}", "\N{ZERO WIDTH SPACE}"


PAIRS = [("red", "red "), ("red", " red"), ("a b", "a  b"), ("a b", f"a{SPACE}b"), (NFC, NFD)]
PAIRS += [("red", f"{MARK}red"), (f"re{JOINER}d", "red"), ("a b", "a\tb")]


@pytest.mark.parametrize(("one", "two"), PAIRS)
def test_names_that_look_alike_are_spelt(one, two):
    """In ASCII, with what cannot be seen as escapes."""
    assert alike(["blue", one, "green", two]) == [f"{one!a} and {two!a}"]


@pytest.mark.parametrize(
    "names", [("a", "A"), ("red", "read"), ("a b", "ab"), ("e", "\N{LATIN SMALL LETTER E WITH ACUTE}")]
)
def test_names_that_can_be_told_apart_are_not_named(names):
    """Letters of both cases are classes of their own in EMNIST."""
    assert alike(names) == []


@pytest.mark.parametrize("type_", ["json_lines", "image_folder"])
@pytest.mark.parametrize(("one", "two"), [("red", "red "), (NFD, NFC), ("red", "Red")])
def test_note_names_both_in_any_data_set(tmp_path, type_, one, two):
    """It goes into the content's notes, of which plan, run and result tell."""
    rows = []
    for label in (one, two):
        for number in range(5):
            path = tmp_path / label / f"{number}.png"
            path.parent.mkdir(exist_ok=True)
            Image.new("RGB", (4, 4), (number, len(rows), 9)).save(path)
            rows.append(json.dumps({"image": f"{label}/{number}.png", "label": label}) + "\n")
    for split in ("train", "val", "test"):
        (tmp_path / f"{split}.jsonl").write_text("".join(rows))
    spec = spec_from_dict(
        {
            "dataset": {"type": type_, "root": str(tmp_path)},
            "encoder": {"type": "open_clip", "model": "pocket"},
            "adapter": {"type": "none"},
            "task": {"type": "classification", "head": {"type": "linear"}},
        }
    )
    content = listed(spec.dataset, RunContext(default_catalogue(), tmp_path / "store"))
    notes = [note for note in content.notes if "look alike" in note]
    expected = (
        f"classes that look alike are different classes; spell them in one way if they are one: {one!a} and {two!a}"
    )
    assert notes == ([expected] if two != "Red" else [])


@pytest.mark.parametrize(("other", "told"), [(NFD, True), ("tea", False)])
def test_class_that_a_split_lacks_is_told_from_one_that_looks_alike(other, told):
    """One message would name a class that is plainly there."""

    def item(target: int) -> Item:
        return Item(str(target), {"image": Media(str(target), "x", lambda: None)}, target)

    with pytest.raises(DataError) as error:
        require_classes_everywhere({"train": [item(0)], "test": [item(1)]}, (NFC, other), "here")
    assert str(error.value).endswith(f"; {NFC!a} and {NFD!a} look alike: spell them in one way") == told
