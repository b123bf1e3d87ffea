"""`make evidence-video`: frames a second beside a bare PyAV loop, and memory over 1,000 clips. Prints a page."""

from __future__ import annotations

import ctypes
import gc
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import av
import numpy as np
from PIL import Image

from graftwork import Pipeline
from graftwork.benchmarks.memory import peak_now_mb, reset_peak, resident_mb
from graftwork.core.data.items import Media
from graftwork.core.data.video import clip_media, file_clip, frame_media
from graftwork.core.data.video.frame_reader import FrameReader
from graftwork.core.stages.prefetch import READERS, prefetched

ROUNDS, CLIPS = 7, (100, 400, 1000)
#: Suffix, codec and size of the clips whose frames are timed; 6 s at 25 a second.
TIMED = ((".mp4", "libx264", (320, 240)), (".mp4", "libx264", (1280, 720)), (".webm", "libvpx-vp9", (320, 240)))
TIMED += ((".avi", "mpeg4", (640, 480)), (".mkv", "mjpeg", (640, 480)))


def main() -> None:
    """Print two tables."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        print(
            f"Frames a second, {ROUNDS} rounds in turn in one process, {os.cpu_count()} cores, PyAV {av.__version__}\n"
        )
        print("| clip | what is read | bare loop, /s | here, /s | here / bare, wall (range) | by processor time |")
        print("|---|---|---|---|---|---|")
        for number, (suffix, codec, size) in enumerate(TIMED):
            path = moving(folder / f"{number}{suffix}", codec, size, 150, number)
            for what, (frames, bare, here) in _pairs(path).items():
                title = f"{codec} {size[0]} x {size[1]} | {what}"
                print(f"| {title} | {_compared(frames, bare, here)} |", flush=True)
        print("\nMemory of a process that runs `video_folder` over so many clips (320 x 240, 2 s, 8 frames each)\n")
        print("| clips | before, MB | peak, MB | grown by, MB | left when all is freed, MB | seconds |")
        print("|---|---|---|---|---|---|")
        _written(folder / "set", CLIPS[-1])
        for count in CLIPS:
            before, peak, left, seconds = _apart("run", str(folder), str(count))
            print(
                f"| {count:,} | {before:,.0f} | {peak:,.0f} | {peak - before:,.0f} | {left:,.0f} | {seconds:,.0f} |",
                flush=True,
            )


def moving(path: Path, codec: str, size: tuple[int, int], frames: int, seed: int) -> Path:
    """A clip of a smooth texture that moves, with a tone."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (12, 16, 3), np.uint8))
    pixels = np.asarray(coarse.resize(size, Image.Resampling.BICUBIC))
    with av.open(str(path), "w") as out:
        video: Any = out.add_stream(codec, rate=25, options={"preset": "ultrafast"} if codec == "libx264" else {})
        video.width, video.height = size
        video.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        for number in range(frames):
            shown = np.ascontiguousarray(np.roll(pixels, 2 * number, axis=1))
            out.mux(video.encode(av.VideoFrame.from_ndarray(shown, "rgb24")))
        out.mux(video.encode())
    return path


#: How many frames, and the two ways to read them.
Pair = tuple[int, Callable[[], object], Callable[[], object]]


def _pairs(path: Path) -> dict[str, Pair]:
    clip = file_clip(path)
    seconds = [(number + 0.5) / 25 for number in range(150)]
    return {
        "every frame": (150, lambda: _bare(path, range(150)), lambda: _every(path, seconds)),
        "8 frames, evenly": (
            8,
            lambda: _bare(path, [round((number + 0.5) * 150 / 8) for number in range(8)]),
            lambda: list(clip_media(clip, frames=8).read()),
        ),
        "a frame a second, each an item": (
            6,
            lambda: _bare(path, [round((number + 0.5) * 25) for number in range(6)]),
            lambda: _in_background([frame_media(clip, number + 0.5) for number in range(6)]),
        ),
    }


def _bare(path: Path, wanted: Any) -> list[Image.Image]:
    """As one would write it: decode to the last frame that is wanted, and convert those that are."""
    chosen, found = set(wanted), []
    with av.open(str(path)) as container:
        for number, frame in enumerate(container.decode(video=0)):
            if number in chosen:
                found.append(frame.to_image())
            if number == max(chosen):
                break
    return found


def _every(path: Path, seconds: list[float]) -> None:
    reader = FrameReader(path)
    for one in seconds:
        reader.at(one)
    reader.close()


def _in_background(media: list[Media]) -> list[object]:
    return list(prefetched(lambda one: one.read(), media, ahead=4, threads=READERS))


def _compared(frames: int, bare: Callable[[], object], here: Callable[[], object]) -> str:
    """Frames a second by the wall clock, and ratios by it and by processor time, all threads together."""
    wall: dict[str, list[float]] = {"bare": [], "here": []}
    worked: dict[str, list[float]] = {"bare": [], "here": []}
    for round_ in range(ROUNDS + 1):
        for name, work in (("bare", bare), ("here", here)):
            start, begun = time.perf_counter(), time.process_time()
            for _ in range(3):
                work()
            if round_:  # the first warms up
                wall[name].append((time.perf_counter() - start) / 3)
                worked[name].append((time.process_time() - begun) / 3)
    speeds = (f"{frames / statistics.median(wall[name]):,.0f}" for name in ("bare", "here"))
    return " | ".join((*speeds, _ratio(wall), _ratio(worked)))


def _ratio(times: dict[str, list[float]]) -> str:
    """Bare over here, round by round: median and range."""
    ratios = sorted(one / other for one, other in zip(times["bare"], times["here"], strict=True))
    return f"{statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})"


def _written(root: Path, count: int) -> None:
    for number in range(count):
        moving(root / f"{number}.mp4", "libx264", (320, 240), 50, number)


def _apart(*arguments: str) -> list[float]:
    command = [sys.executable, "-W", "ignore", "-m", __spec__.name, *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    found: list[float] = json.loads(done.stdout.splitlines()[-1])
    return found


def run(folder: str, count: str) -> None:
    """A run on so many of the clips, in two classes."""
    root = Path(folder) / f"run-{count}"
    for number in range(int(count)):
        path = root / "data" / ("one" if number % 2 else "other") / f"{number}.mp4"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(Path(folder) / "set" / f"{number}.mp4")
    spec = {
        "dataset": {"type": "video_folder", "root": str(root / "data")},
        "encoder": {"type": "open_clip", "model": "pocket"},
        "adapter": {"type": "none"},
        "task": {"type": "classification", "head": {"type": "linear"}},
        "trainer": {"epochs": 2},
        "reporters": [],
    }
    before = resident_mb()
    reset_peak()
    start = time.perf_counter()
    Pipeline.from_dict(spec).run(root / "run", root / "store")
    seconds, peak = time.perf_counter() - start, peak_now_mb()
    gc.collect()
    with suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)  # what the allocator holds back is not in use
    print(json.dumps([before, peak, resident_mb(), seconds]))


if __name__ == "__main__":
    run(*sys.argv[2:]) if sys.argv[1:2] == ["run"] else main()
