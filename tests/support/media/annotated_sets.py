"""Data sets of several modalities in miniature, in the layout in which they are published."""

from __future__ import annotations

import json
import math
import wave
from array import array
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from ..miniature_sets import jpeg, write
from .clip_files import write_clip


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


#: Clips of the official train, validation and test splits.
MSRVTT_CLIPS = {"train": (0, 1, 2, 10), "validate": (6513,), "test": (7010, 7011, 9999)}
COLOUR_NAMES = ("red", "green", "blue")
COLOURS = ((200, 30, 30), (30, 180, 30), (30, 30, 200))


def a_clip(path: Path, number: int, sound: bool = False, frames: int = 6, rate: int = 2) -> Path:
    """Three seconds of one colour that is a little another in each clip."""
    red, green, blue = COLOURS[number % 3]
    colour = (red + number % 20, green + number % 17, blue + number % 13)
    return write_clip(
        path, frames, rate, size=(32, 32), colour=colour, pitch=300.0 + 10 * (number % 50) if sound else None
    )


def msrvtt(root: Path, form: str = "official", captions: int = 3, delimiter: str = ",") -> Path:
    """Clips ``videos/all/video0.mp4`` ..., captions in one of two JSON forms, JSFusion's list of pairs, questions."""
    videos, sentences, asked = [], [], dict[str, list[dict[str, Any]]](train=[], val=[], test=[])
    for split, numbers in MSRVTT_CLIPS.items():
        for number in numbers:
            a_clip(root / f"videos/all/video{number}.mp4", number)
            videos.append({"id": number, "video_id": f"video{number}", "category": 9, "split": split})
            videos[-1] |= {"url": "https://example.org/", "start time": 1.0, "end time": 4.0}
            for caption in range(captions):
                said = {"sen_id": len(sentences), "video_id": f"video{number}", "caption": f"a {number % 3} {caption}"}
                sentences.append(said)
            row = {"answer": COLOUR_NAMES[number % 3], "category_id": 9, "id": len(sentences)}
            asked["val" if split == "validate" else split].append(
                {**row, "question": "what colour is it?", "video_id": number}
            )
    if form == "official":
        write(root / "MSRVTT_data.json", json.dumps({"info": {}, "videos": videos, "sentences": sentences}))
    else:
        images = [{"id": one["video_id"]} for one in videos]
        rows = [{"image_id": one["video_id"], "caption": one["caption"]} for one in sentences]
        write(root / "annotation/MSR_VTT.json", json.dumps({"images": images, "annotations": rows}))
    pairs = [f"ret{n},msr{n},video{n},the clip of {n}" for n in MSRVTT_CLIPS["test"][1:]]
    text = "\n".join(["key,vid_key,video_id,sentence", *pairs]) + "\n"
    write(root / "MSRVTT_JSFUSION_test.csv", text.replace(",", delimiter))
    for split, some in asked.items():
        write(root / f"{split}_qa.json", json.dumps(some))
    return root


#: As the originals are named: an address with ``-`` and ``_``, and two times.
MSVD_CLIPS = {
    "train": ("-4wsuPCjDBc_5_15", "Rmd_AX_gv-c_0_10", "mv89psg6zh4_33_46"),
    "val": ("-_hbPLsZvvo_5_8",),
    "test": ("0lh_UWF9ZP4_62_69", "77iDIp40m9E_159_181"),
}


def msvd(root: Path) -> Path:
    """``YouTubeClips/*.avi``, captions without a pickle, lists whose last line has no end, and questions."""
    said, mapping = {}, []
    for split, names in MSVD_CLIPS.items():
        write(root / f"{split}_list.txt", "\n".join(names))
        asked = []
        for name in names:
            number = len(said)
            a_clip(root / f"YouTubeClips/{name}.avi", number)
            said[name] = ["it s a square", *(f"caption {number} {one}" for one in range(number % 2 + 1))]
            mapping.append(f"{name} vid{number + 1}")
            asked.append(
                {"answer": COLOUR_NAMES[number % 3], "id": number, "question": "which?", "video_id": number + 1}
            )
        write(root / f"{split}_qa.json", json.dumps(asked))
    write(root / "captions_msvd.json", json.dumps(said))
    write(root / "youtube_mapping.txt", "\n".join(mapping) + "\n")
    return root


#: Event, clip, start, end: a name with ``-`` in front, one clip with two events, one that is never an event.
AVE_ROWS = {
    "train": (
        ("Church bell", "-0aB_cDeFgH", 0, 10),
        ("Rodents, rats, mice", "RUhOCu3LNXM", 2, 5),
        ("Banjo", "7tZbIrYqVpo", 1, 9),
        ("Mandolin", "7tZbIrYqVpo", 1, 9),
        ("Banjo", "VWi2ENBuTbw", 0, 0),
    ),
    "val": (("Church bell", "_valclip001", 3, 10), ("Mandolin", "valclip0002", 0, 4)),
    "test": (("Banjo", "testclip001", 0, 7), ("Rodents, rats, mice", "RUhOCu3LNXM", 2, 5)),
}


def ave(root: Path, header: bool = True, clips: bool = True) -> Path:
    """``AVE_Dataset/``: annotations with or without a header, lists without, and clips of ten seconds."""
    folder, lines = root / "AVE_Dataset", ["Category&VideoID&Quality&StartTime&EndTime"] * header
    for split, rows in AVE_ROWS.items():
        some = [f"{category}&{clip}&good&{start}&{end}" for category, clip, start, end in rows]
        write(folder / f"{split}Set.txt", "\n".join(some) + "\n")
        lines += some
    names = dict.fromkeys(clip for rows in AVE_ROWS.values() for _, clip, *_ in rows)
    for number, clip in enumerate(names if clips else ()):
        a_clip(folder / f"AVE/{clip}.mp4", number, sound=True, frames=10, rate=1)
    write(folder / "Annotations.txt", "\n".join(lines) + "\n")
    return root


#: Type, template, values, answer; as in the original one ends in a wide question mark and one in a blank.
MUSIC_ASKED = (
    ('["Audio", "Counting"]', "Are there <Object> sound?", '["acoustic_guitar"]', "yes"),
    (
        '["Audio-Visual", "Counting"]',
        "How many sounding <Object> in the video\N{FULLWIDTH QUESTION MARK}",
        '["cello"]',
        "two",
    ),
    ('["Visual", "Location"]', "Where is the <LL> <Object>? ", '["leftest", "violin"]', "more than ten"),
)
MUSIC_CLIPS = {"train": ("00000093", "va00000241"), "val": ("00000102",), "test": ("00000093", "esa00000017")}


def music_avqa(root: Path, version: str = "json_update", clips: bool = True) -> Path:
    """Questions with JSON inside strings and ``anser``, clips with sound; in ``json`` an id of test stands twice."""
    for split, shown in MUSIC_CLIPS.items():
        rows = []
        for number, clip in enumerate(shown):
            if clips:
                a_clip(root / f"data/video/{clip}.mp4", int(clip[-3:]), sound=True)
            for kind, template, values, answer in MUSIC_ASKED:
                row = {"video_id": clip, "question_id": 10 * number + len(rows), "type": kind, "question_deleted": 0}
                rows.append({**row, "question_content": template, "templ_values": values, "anser": answer})
        if version == "json" and split == "test":
            rows.append(rows[0] | {"anser": "no"})
        write(root / f"data/{version}/avqa-{split}.json", json.dumps(rows))
    return root


#: Clip, split, category, as the originals are named.
S4_CLIPS = (
    ("-0aB_cDeFgH", "train", "horse_clip-clop"),
    ("trainclip02", "train", "helicopter"),
    ("valclip0001", "val", "helicopter"),
    ("testclip001", "test", "horse_clip-clop"),
)
MS3_CLIPS = (("UIsYBCMdGc4_1", "train"), ("baby_dog_2_1", "val"), ("-Kx5DBcNuBs", "test"))


def avsbench(root: Path, subset: str = "s4", size: int = 16) -> Path:
    """``Single-source/`` or ``Multi-sources/``: a list, frames, sounds of five seconds, and masks of mode 1 or P."""
    single = subset == "s4"
    folder = root / ("Single-source" if single else "Multi-sources")
    data, lines = folder / f"{subset}_data", ["name,start,category,split" if single else "video_id,split"]
    for name, split, *rest in S4_CLIPS if single else MS3_CLIPS:
        inner = Path(split, *rest, name)
        lines.append(f"{name},3,{rest[0]},{split}" if single else f"{name},{split}")
        for k in range(1, 6):
            frame = inner / f"{name}_{k}.png" if single else Path(name, f"{name}.mp4_{k}.png")
            picture = Image.new("RGB", (size, size), (40 * k, 90, 90))
            _save(picture, data / "visual_frames" / frame)
            if not single or split != "train" or k == 1:
                _save(_mask(size, k, "1" if single else "P"), data / "gt_masks" / inner / f"{name}_{k}.png")
        _save_sound(data / "audio_wav" / inner.parent / f"{name}.wav")
    write(folder / f"{subset}_meta_data.csv", "\n".join(lines) + "\n")
    return root


def _mask(size: int, k: int, mode: str) -> Image.Image:
    """``k`` rows from the top; of mode P by a palette of dark red."""
    mask = Image.new(mode, (size, size))
    if mode == "P":
        mask.putpalette([0, 0, 0, 128, 0, 0])
    mask.paste(1, (0, 0, size, k))
    return mask


def _save(picture: Image.Image, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path)


def _save_sound(path: Path, seconds: float = 5.0, rate: int = 8000) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(rate)
        out.writeframes(array("h", [int(8000 * math.sin(n / 5)) for n in range(int(seconds * rate))]).tobytes())
