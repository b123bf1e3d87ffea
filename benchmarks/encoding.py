"""What encoding costs beside a bare loop over the same model, and what it holds in memory."""

from __future__ import annotations

import hashlib
import io
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from ..core.data.items import Media
from ..core.data.pictures import decode
from ..core.roles import Encoder
from ..core.stages.encode import EncoderStage
from ..plugins.checkpoints.wheels import WHEEL, installed
from ..plugins.encoders.open_clip.spec import OpenClipSpec
from ..plugins.encoders.timm.encoder import import_timm
from ..plugins.encoders.timm.spec import TimmSpec
from ..plugins.encoders.timm.weights import state_dict
from ..plugins.encoders.transformers.spec import TransformersSpec
from ..registry.build import build
from ..registry.discovery import default_catalogue
from . import Progress, Setting
from .measure import load
from .memory import peak_now_mb, reset_peak, resident_mb

ROUNDS = 5
PEAK = "Peak memory of encoding"
#: Side and number of the pictures whose peak memory is measured.
MEMORY = ((1024, 500), (1024, 2_000), (32, 1_000), (32, 10_000), (32, 100_000))


def tables(setting: Setting, progress: Progress) -> Iterator[str]:
    """Throughput, then memory."""
    with tempfile.TemporaryDirectory() as folder:
        cases = _quick_cases() if setting.quick else _cases(Path(folder))
        if rows := {name: row for name, row in cases.items() if setting.wants(name, progress)}:
            yield throughput(rows, progress)
    if setting.wants(PEAK, progress):
        yield memory(((32, 200),) if setting.quick else MEMORY, progress)


def photo(number: int, side: int) -> bytes:
    """A JPEG of smooth noise: a few kilobytes, other for each number."""
    rng = np.random.default_rng(number)
    coarse = Image.fromarray(rng.integers(0, 256, (16, 16, 3), np.uint8))
    out = io.BytesIO()
    coarse.resize((side, side), Image.Resampling.BICUBIC).save(out, "JPEG", quality=85)
    return out.getvalue()


def photos(count: int, side: int) -> list[Media]:
    """Media of different pictures, encoded in memory: the disk is not measured."""

    def media(number: int) -> Media:
        content = photo(number, side)
        return Media(hashlib.sha256(content).hexdigest(), str(number), partial(decode, content, str(number)))

    return [media(number) for number in range(count)]


def sentences(count: int, length: int) -> list[Media]:
    """Descriptions of so many words."""
    words = "a small dark bright photo of the red blue grass with three seven cats dogs in on under house"
    vocabulary = words.split(" ")
    rng = np.random.default_rng(0)
    return [Media.of_text(f"{number} " + " ".join(rng.choice(vocabulary, length))) for number in range(count)]


#: Measures one row of the table of throughput.
Row = Callable[[], str]
#: ``loop(encoder, modality, media, batch_size)``: the same work without a stage.
Loop = Callable[[Encoder, str, Sequence[Media], int], None]


def bare(encoder: Encoder, modality: str, media: Sequence[Media], batch_size: int) -> None:
    """Read, preprocess, forward: nothing else, as one would write it in a notebook."""
    for start in range(0, len(media), batch_size):
        encoder.encode(modality, [one.read() for one in media[start : start + batch_size]])


def staged(stage_of: Callable[[Path], EncoderStage], modality: str, media: Sequence[Media]) -> None:
    """The stage over an empty store."""
    with tempfile.TemporaryDirectory() as store:
        stage_of(Path(store)).encode(modality, media)


def bare_timm(source: str) -> Loop:
    """A loop that knows nothing of us: timm's own factory, transform and forward, and the weights of a package."""
    timm, place = import_timm(), installed(source)
    assert place is not None
    model = timm.create_model("tf_efficientnet_lite0").eval()
    model.load_state_dict(dict(zip(model.state_dict(), state_dict([place]).values(), strict=True)))
    transform = timm.data.create_transform(**timm.data.resolve_model_data_config(model), is_training=False)

    def loop(encoder: Encoder, modality: str, media: Sequence[Media], batch_size: int) -> None:
        for start in range(0, len(media), batch_size):
            pixels = torch.stack([transform(one.read()) for one in media[start : start + batch_size]])
            with torch.no_grad():
                model.forward_head(model.forward_features(pixels), pre_logits=True)

    return loop


def compare(spec: Any, modality: str, media: Sequence[Media], loop: Loop = bare) -> str:
    """A row without its name: items a second of both, alternated, and their ratio by wall clock and by CPU time."""

    def stage_of(store: Path) -> EncoderStage:
        stage = EncoderStage(spec, default_catalogue(), store, lambda: torch.device("cpu"))
        stage.tower(modality)._encoder = encoder  # the same loaded model in both
        stage.tower(modality).namespace.note({"weights": facts.weights, "parameters": 0, "logit_scale": None})
        return stage

    probe = EncoderStage(spec, default_catalogue(), Path(tempfile.gettempdir()), lambda: torch.device("cpu"))

    encoder = build(Encoder, default_catalogue(), probe.spec.tower(modality), torch.device("cpu"))
    facts = encoder.facts()
    candidates = {
        "bare": lambda: loop(encoder, modality, media, spec.batch_size),
        "stage": lambda: staged(stage_of, modality, media),
    }
    loop(encoder, modality, media[: spec.batch_size], spec.batch_size)
    wall: dict[str, list[float]] = {name: [] for name in candidates}
    cpu: dict[str, list[float]] = {name: [] for name in candidates}
    for _ in range(ROUNDS):
        for label, candidate in candidates.items():
            start, worked = time.perf_counter(), time.process_time()
            candidate()  # type: ignore[no-untyped-call]
            wall[label].append(time.perf_counter() - start)
            cpu[label].append(time.process_time() - worked)
    ratios = [one / other for one, other in zip(wall["bare"], wall["stage"], strict=True)]
    work = statistics.median(one / other for one, other in zip(cpu["bare"], cpu["stage"], strict=True))
    rates = {label: len(media) / statistics.median(values) for label, values in wall.items()}
    return (
        f"{len(media)} | {rates['bare']:.0f} | {rates['stage']:.0f} | {statistics.median(ratios):.2f} "
        f"| {min(ratios):.2f} to {max(ratios):.2f} | {work:.2f}"
    )


def peak_memory(count: int, side: int) -> dict[str, float]:
    """Encode ``count`` pictures of that side with a small CLIP; the process's peak in MB, and seconds."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as store:
        spec = OpenClipSpec(model=f"local-dir:{save_small_clip(Path(store))}")
        stage = EncoderStage(spec, default_catalogue(), Path(store), lambda: torch.device("cpu"))
        media = [_drawn(number, side) for number in range(count)]
        stage.encode("image", media[:64])  # everything that is loaded once is loaded
        reset_peak()
        before = resident_mb()
        start = time.perf_counter()
        vectors = stage.encode("image", media)
        seconds = time.perf_counter() - start
    return {"peak": peak_now_mb(), "before": before, "vectors": vectors.nbytes / 1e6, "seconds": seconds}


def save_small_clip(folder: Path) -> Path:
    """An open_clip model of one layer: what is held in memory does not depend on how long the model takes."""
    from safetensors.torch import save_file

    from ..plugins.encoders.open_clip.encoder import import_open_clip

    text = {"context_length": 8, "vocab_size": 64, "width": 32, "heads": 2, "layers": 1}
    vision = {"image_size": 32, "layers": 1, "width": 32, "head_width": 16, "patch_size": 16}
    config = {"embed_dim": 32, "vision_cfg": vision, "text_cfg": text}
    save_file(import_open_clip().CLIP(**config).state_dict(), folder / "open_clip_model.safetensors")
    preprocessing = {"size": [32, 32], "mean": [0.5] * 3, "std": [0.5] * 3, "resize_mode": "squash"}
    said = {"model_cfg": config, "preprocess_cfg": preprocessing}
    (folder / "open_clip_config.json").write_text(json.dumps(said))
    return folder


def _drawn(number: int, side: int) -> Media:
    """A picture drawn when it is read, so that no encoded bytes lie in memory either."""
    digest = hashlib.sha256(number.to_bytes(8, "little")).hexdigest()
    return Media(digest, str(number), lambda: Image.new("RGB", (side, side), (number % 256, number // 256 % 256, 7)))


def memory(cases: Sequence[tuple[int, int]], progress: Progress) -> str:
    """Peak memory with growing N, each in a process of its own."""
    rows = []
    for side, count in cases:
        progress(f"encoding: memory of {count:,} pictures of {side} x {side}")
        command = [sys.executable, "-W", "ignore", "-m", __name__, str(count), str(side)]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        found = json.loads(done.stdout)
        pixels = count * side * side * 3 / 1e6
        rows.append(
            f"| {side} x {side} | {count:,} | {pixels:,.0f} | {found['before']:.0f} | {found['peak']:.0f} "
            f"| {found['peak'] - found['before']:.0f} | {found['vectors']:.0f} |"
        )
    head = "| pictures | N | all pixels, MB | before, MB | peak, MB | grown by, MB | the vectors themselves, MB |"
    return "\n".join([f"### {PEAK}\n", head, "|" + "---|" * 7, *rows]) + "\n"


def throughput(rows: Mapping[str, Row], progress: Progress) -> str:
    """The first part's table."""
    head = "| model, input | N | bare loop, /s | stage, /s | stage / bare, median | its range | by CPU time |"
    out = [head, "|" + "---|" * 7]
    for number, (name, row) in enumerate(rows.items(), 1):
        progress(f"encoding: throughput, {number} of {len(rows)}: {name}")
        out.append(f"| {name} | {row()} |")
    return "\n".join(["### Encoding beside a bare loop\n", *out, f"\nRounds: {ROUNDS}. Load average: {load()}."]) + "\n"


def _quick_cases() -> dict[str, Row]:
    return {"pocket CLIP (open_clip), JPEG of 64 x 64": lambda: compare(OpenClipSpec(), "image", photos(64, 64))}


def _cases(folder: Path) -> dict[str, Row]:
    pocket = OpenClipSpec()
    return {
        "pocket CLIP (open_clip), JPEG of 64 x 64": lambda: compare(pocket, "image", photos(1024, 64)),
        "pocket CLIP (open_clip), JPEG of 512 x 512": lambda: compare(pocket, "image", photos(256, 512)),
        "ViT-S/16 (transformers), JPEG of 512 x 512": lambda: compare(
            TransformersSpec(model=str(save_vit(folder)), batch_size=32), "image", photos(96, 512)
        ),
        "pocket CLIP (open_clip), 12 words": lambda: compare(pocket, "text", sentences(2048, 12)),
        "the same, 30 words: all longer than its window": lambda: compare(pocket, "text", sentences(2048, 30)),
        **_wheels(),
    }


def _wheels() -> dict[str, Row]:
    """Those of the extras `text` and `vision` that are installed."""
    lite, sentences_by = f"{WHEEL}efficientnet-lite0", f"{WHEEL}all-minilm-l6-v2"
    rows: dict[str, tuple[str, Row]] = {
        sentences_by: (
            "MiniLM-L6 (transformers), 20 words",
            lambda: compare(TransformersSpec(model=sentences_by), "text", sentences(192, 20)),
        ),
        lite: (
            "EfficientNet-Lite0, JPEG of 512 x 512; the loop is timm's",
            lambda: compare(TimmSpec(weights=lite, batch_size=32), "image", photos(192, 512), bare_timm(lite)),
        ),
    }
    return dict(row for wheel, row in rows.items() if installed(wheel))


def save_vit(folder: Path) -> Path:
    """A ViT-S/16 at 224 pixels: its arithmetic does not depend on its weights."""
    from transformers import ViTConfig, ViTImageProcessor, ViTModel

    config = ViTConfig(hidden_size=384, num_attention_heads=6, intermediate_size=1536)
    ViTModel(config, add_pooling_layer=False).save_pretrained(folder)
    ViTImageProcessor().save_pretrained(folder)
    return folder


def main(count: str, side: str) -> None:
    """One row of the memory table, in a process of its own."""
    print(json.dumps(peak_memory(int(count), int(side))))


if __name__ == "__main__":
    main(*sys.argv[1:])
