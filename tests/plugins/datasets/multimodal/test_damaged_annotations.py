"""Annotations with values that no release has end in an error by name, never in a traceback."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from graftwork.core.data.items import DataError, DatasetContent
from graftwork.plugins.datasets import AveSpec, AvsbenchSpec, MsvdSpec, MusicAvqaSpec
from graftwork.plugins.datasets.multimodal.ave import Ave
from graftwork.plugins.datasets.multimodal.avsbench import Avsbench
from graftwork.plugins.datasets.multimodal.msvd import Msvd
from graftwork.plugins.datasets.multimodal.music_avqa import MusicAvqa

from ....support.media import annotated_sets as sets

LONG, LARGE, FIELD = "9" * 300, "9" * 6000, "9" * 200_000


#: Of each: how it is made, read, which file is altered, what in it, and into what.
CASES: dict[str, tuple[Callable[[Path], Path], Callable[[Path], DatasetContent], str, str, str]] = {
    "csv": (
        lambda root: sets.avsbench(root, "ms3"),
        lambda root: Avsbench(AvsbenchSpec(root=str(root), subset="ms3")).load(),
        "ms3_meta_data.csv",
        ",train",
        f"{FIELD},train",
    ),
    "name": (
        sets.music_avqa,
        lambda root: MusicAvqa(MusicAvqaSpec(root=str(root), frames=2)).load(),
        "avqa-train.json",
        '"video_id": "',
        f'"video_id": "{LONG}',
    ),
    "second": (sets.ave, lambda root: Ave(AveSpec(root=str(root))).load(), "trainSet.txt", "&good&", f"&good&{LARGE}"),
    "number": (
        sets.msvd,
        lambda root: Msvd(MsvdSpec(root=str(root), frames=2, protocol="qa")).load(),
        "youtube_mapping.txt",
        " vid",
        f" vid{LARGE}",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_what_no_release_has_is_an_error_by_name(name: str, tmp_path: Path) -> None:
    """Fields, names and numbers that are longer than what reads them takes; and the message stays short."""
    make, load, file, old, new = CASES[name]
    make(tmp_path)
    path = next(tmp_path.rglob(file))
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(DataError) as refused:
        load(tmp_path)
    assert len(str(refused.value)) < 4000
