"""Data sets of several modalities in miniature, in the layout in which they are published."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..miniature_sets import jpeg, write


def nlvr2(root: Path, flat: bool = False, sets: int = 6) -> Path:
    """``data/*.json`` of a JSON object a line, and pictures in the form of the release, or all below ``images/``.

    A set has two pairs of pictures with two sentences each: four lines, two sentences of two pairs.
    """
    number = 0
    for split in ("train", "dev", "test1", "test2"):
        lines = []
        for one in range(sets):
            for pair in range(2):
                lines += [_nlvr2_line(split, one, pair, sentence) for sentence in range(2)]
                for side in range(2):
                    number += 1
                    folder = f"images/train/{one % 3}" if split == "train" else f"images/{split}" if flat else split
                    write(root / folder / f"{split}-{one}-{pair}-img{side}.png", jpeg(f"nlvr2 {number}", number % 4))
        write(root / "data" / f"{split}.json", _lines(lines))
        if split in ("dev", "test1"):
            for half, some in (("balanced", lines[::2]), ("unbalanced", lines[1::2])):
                write(root / "data" / half / f"{half}_{split}.json", _lines(some))
    return root


def _nlvr2_line(split: str, one: int, pair: int, sentence: int) -> dict[str, Any]:
    address = f"https://example.org/{split}/{one}/{pair}"
    return {
        "identifier": f"{split}-{one}-{pair}-{sentence}",
        "sentence": f"picture {one} has sentence {sentence}",
        "label": str((one + pair + sentence) % 2 == 0),
        "left_url": f"{address}/l.jpg",
        "right_url": f"{address}/r.jpg",
        "writer": str(one % 3),
        "validation": {"3": "True"},
        "synset": "hippopotamus",
        "query": "hippopotamuses 1",
        **({"directory": one % 3} if split == "train" else {"extra_validations": {}}),
    }


def _lines(rows: Sequence[Any]) -> str:
    return "".join(f"{json.dumps(row)}\n" for row in rows)


#: Question, its type, type of the answer, the ten answers.
ASKED: tuple[tuple[str, str, str, list[str]], ...] = (
    ("Is it dark?", "is it", "yes/no", ["yes"] * 10),
    ("What is it?", "what is", "other", ["Cat."] * 1 + ["a cat"] * 2 + ["dog"] * 4 + ["eel", "EEL", "the eel"]),
    ("How many?", "how many", "number", ["two"] * 2 + ["2"] * 1 + ["3"] * 7),
    ("Is it bright?", "is it", "yes/no", ["no"] * 9 + ["yes"]),
)


def vqav2(root: Path, pictures: int = 4) -> Path:
    """Questions and annotations as two files a half, in different orders; JPEGs with numbers of twelve digits."""
    for half, first in (("train2014", 9), ("val2014", 100)):
        questions, annotations = [], []
        for image in range(first, first + pictures):
            write(root / half / f"COCO_{half}_{image:012d}.jpg", jpeg(f"coco {image}", image % 4))
            for number, (text, kind, answer_type, answers) in enumerate(ASKED):
                key = {"image_id": image, "question_id": image * 1000 + number}
                questions.append({**key, "question": text})
                given = [
                    {"answer": one, "answer_confidence": "yes", "answer_id": at + 1} for at, one in enumerate(answers)
                ]
                types = {"question_type": kind, "answer_type": answer_type}
                commonest = max(answers, key=answers.count).lower()
                annotations.append({**key, **types, "multiple_choice_answer": commonest, "answers": given})
        about = {"info": {}, "license": {}, "data_type": "mscoco", "data_subtype": half}
        write(
            root / f"v2_OpenEnded_mscoco_{half}_questions.json",
            json.dumps({**about, "task_type": "Open-Ended", "questions": questions}),
        )
        write(root / f"v2_mscoco_{half}_annotations.json", json.dumps({**about, "annotations": annotations[::-1]}))
    return root
