"""`make evidence-memory`: what large photos and long sounds take at most in `predict` and `run`, each in a process."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from graftwork import Pipeline, load
from graftwork.benchmarks.memory import peak_now_mb, reset_peak, resident_mb

from .sound_files import tone, write

#: Photos and sounds that `predict` is given; photos of the runs whose memory is to be the same.
PREDICTED, RUN = 60, (100, 400, 1000)
SIDE, MINUTES = (4000, 3000), 5
LINEAR = {"type": "classification", "head": {"type": "linear"}}
LLAVA = {"type": "transformers", "model": "pocket"}
GA_NET = {"graph": {"type": "similarity", "threshold": 0.5}, "adapter": {"type": "ga_net", "bottleneck": 8}}
#: What is predicted by, each a pipeline on the small pictures or sounds.
PIPELINES: dict[str, dict[str, Any]] = {
    "features, images": {"adapter": {"type": "none"}, "task": LINEAR},
    "features, GA-Net": {**GA_NET, "task": LINEAR},
    "features, GA-Net, policy batch of 60": {
        **GA_NET,
        "task": LINEAR,
        "evaluation": {"inductive": "batch", "inductive_batch": 60},
    },
    "features, images and descriptions": {
        "captioner": LLAVA,
        "graph": {"type": "similarity", "nodes": "fused", "threshold": 0.5},
        "adapter": {"type": "none"},
        "task": LINEAR,
    },
    "layers, LoRA": {
        "encoder": {"type": "transformers", "model": "pocket:scene_clip", "batch_size": 8},
        "adapter": {"type": "lora", "rank": 2},
        "task": LINEAR,
    },
    "features, sounds": {
        "dataset": {"type": "audio_folder", "root": "sounds"},
        "encoder": {"type": "transformers", "model": "pocket:ast"},
        "adapter": {"type": "none"},
        "task": LINEAR,
    },
}


def main() -> None:
    """Print two tables."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        photos, sounds = _photos(folder), _sounds(folder)
        print(f"`predict`, {PREDICTED} photos of 12 megapixels or sounds of {MINUTES} minutes at once\n")
        print("| pipeline | loaded, MB | peak, MB | over the model, MB |\n|---|---|---|---|")
        for title in PIPELINES:
            contents = sounds if "sounds" in title else photos
            before, peak = _apart("predict", str(folder), title, str(contents))
            print(f"| {title} | {before:,.0f} | {peak:,.0f} | {peak - before:,.0f} |", flush=True)
        print("\n`run`, photos of 12 megapixels, each of other bytes\n")
        print("| photos | before, MB | peak, MB | grown by, MB |\n|---|---|---|---|")
        for count in RUN:
            before, peak = _apart("run", str(folder), str(count))
            print(f"| {count:,} | {before:,.0f} | {peak:,.0f} | {peak - before:,.0f} |", flush=True)


def _apart(*arguments: str) -> tuple[float, float]:
    """Resident MB before, and at most, of a process of its own."""
    command = [sys.executable, "-W", "ignore", "-m", __spec__.name, *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    before, peak = json.loads(done.stdout.splitlines()[-1])
    return before, peak


def _measured(work: Callable[[], object]) -> None:
    before = resident_mb()
    reset_peak()
    work()
    print(json.dumps([before, peak_now_mb()]))


def predict(folder: str, title: str, contents: str) -> None:
    """Of a run that is trained here first; a second process loads it, so that training leaves nothing behind."""
    run = Path(folder) / title.replace(" ", "-")
    if not run.exists():
        Pipeline.from_dict(_spec(Path(folder), **PIPELINES[title])).run(run, Path(folder) / "store")
        print(json.dumps(_apart("predict", folder, title, contents)))
        return
    predictor = load(run)
    paths = [str(path) for path in sorted(Path(contents).iterdir())]
    given: dict[str, Any] = {"sounds" if "sounds" in title else "images": paths}
    _measured(lambda: predictor.predict(**given))


def run(folder: str, count: str) -> None:
    """A run on so many large photos, whose bytes all differ."""
    root = Path(folder) / f"run-{count}"
    for number, content in zip(range(int(count)), _different(folder), strict=False):
        path = root / "data" / ("light" if number % 2 else "dark") / f"{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    spec = _spec(root, dataset={"type": "image_folder", "root": "data"}, adapter={"type": "none"}, task=LINEAR)
    _measured(lambda: Pipeline.from_dict(spec).run(root / "run", root / "store"))


def _spec(folder: Path, **more: Any) -> dict[str, Any]:
    """A small pipeline on what lies in ``folder``."""
    dataset = more.pop("dataset", {"type": "image_folder", "root": "small"})
    return {
        "version": 1,
        "name": "memory",
        "dataset": {**dataset, "root": str(folder / dataset["root"])},
        "encoder": {"type": "open_clip", "model": "pocket"},
        "trainer": {"epochs": 2},
        "reporters": [{"type": "jsonl"}],
        **more,
    }


def _photos(folder: Path) -> Path:
    """Six large photos, each under ten names; beside them small pictures of two classes to train on."""
    random = np.random.default_rng(0)
    for number in range(24):
        small = Image.fromarray(random.integers(0, 256, (32, 32, 3), dtype=np.uint8))
        path = folder / "small" / ("light" if number % 2 else "dark") / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        small.save(path)
    for number in range(6):
        small = Image.fromarray(random.integers(0, 256, (30, 40, 3), dtype=np.uint8))
        small.resize(SIDE, Image.Resampling.BICUBIC).save(folder / f"{number}.jpg", quality=85)
    return _under_names(folder, "photos", [folder / f"{number}.jpg" for number in range(6)])


def _sounds(folder: Path) -> Path:
    """Two long sounds, each under thirty names; beside them short ones of two classes to train on."""
    for number in range(12):
        for kind, pitch in (("low", 200), ("high", 3000)):
            write(folder / "sounds" / kind / f"{number}.wav", tone(pitch, seconds=0.6, phase=number))
    long = [write(folder / f"{pitch}.wav", tone(pitch, 44100, 60 * MINUTES), 44100) for pitch in (200, 3000)]
    return _under_names(folder, "long", long)


def _under_names(folder: Path, name: str, files: list[Path]) -> Path:
    (folder / name).mkdir()
    for number in range(PREDICTED):
        of = files[number % len(files)]
        (folder / name / f"{number:02}{of.suffix}").symlink_to(of)
    return folder / name


def _different(folder: str) -> Iterator[bytes]:
    """Large photos of different bytes: a JPEG may hold a comment."""
    photos = [(Path(folder) / f"{number}.jpg").read_bytes() for number in range(6)]
    for number in range(10**6):
        comment = f"{number:08}".encode()
        photo = photos[number % 6]
        yield photo[:2] + b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment + photo[2:]


if __name__ == "__main__":
    if sys.argv[1:]:
        {"predict": predict, "run": run}[sys.argv[1]](*sys.argv[2:])
    else:
        main()
