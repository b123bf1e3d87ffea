"""What split a name means, as the names of folders, files and other libraries' splits are found in the wild."""

from __future__ import annotations

import re

#: Words that mean a split. The whole name may be one (``holdout``, ``hold_out``), or one word of it (``seg_train``).
SPLIT_WORDS = {
    "train": "train",
    "training": "train",
    "trainset": "train",
    "traindata": "train",
    "trainval": "train",
    "trainvalidation": "train",
    "val": "val",
    "valset": "val",
    "valid": "val",
    "validset": "val",
    "validation": "val",
    "dev": "val",
    "devset": "val",
    "eval": "val",
    "evaluation": "val",
    "holdout": "val",
    "test": "test",
    "testing": "test",
    "testset": "test",
    "testdata": "test",
}
#: Words that may stand beside one of those and change nothing. A year (``val2017``) may, too.
FILLERS = frozenset(
    {
        "set",
        "sets",
        "data",
        "dataset",
        "split",
        "splits",
        "images",
        "image",
        "imgs",
        "img",
        "pictures",
        "photos",
        "pics",
    }
    | {"audio", "sounds", "wavs", "wav", "clips", "files", "folder", "seg", "segmentation", "cropped", "raw"}
)
#: For messages.
USUAL_NAMES = "train, val, valid, validation, test, dev, eval, holdout; in any case, also as training_set"
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+|[^\W\d_]+")
_YEAR = re.compile(r"(19|20)\d\d")


def split_of(name: str) -> str | None:
    """``train``, ``val`` or ``test`` where ``name`` means that split, whatever its case and form; else ``None``."""
    words = _words(name)
    if whole := SPLIT_WORDS.get("".join(words)):
        return whole
    others = [word for word in words if word not in SPLIT_WORDS and word not in FILLERS]
    return None if others else split_within(name)


def split_within(name: str) -> str | None:
    """The one split that some word of ``name`` means, whatever stands beside it (``X_train``, ``test_v2``)."""
    meant = {SPLIT_WORDS[word] for word in _words(name) if word in SPLIT_WORDS}
    return meant.pop() if len(meant) == 1 else None


def _words(name: str) -> list[str]:
    words = [word.lower() for word in _WORD.findall(name)]
    return [word for word in words if not _YEAR.fullmatch(word)]
