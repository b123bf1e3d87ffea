"""What a stranger does to an adapter folder: bytes exchanged or cut off, and whole values replaced by others."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from graftwork.core.storage.manifest import MANIFEST, seal

CONFIG, TENSORS, SUPPORT, PIPELINE = (
    "adapter_config.json",
    "adapter_model.safetensors",
    "support.safetensors",
    "pipeline.json",
)
#: Nested deeper than any reader of JSON goes down by itself.
DEEP = 100_000
Tensors = dict[str, Tensor]


@dataclass(frozen=True, slots=True)
class Alteration:
    """One thing done to a folder, which must then be refused with ``blamed`` in the message."""

    name: str
    blamed: str
    alter: Callable[[Path], None]


def damaged(content: bytes, rng: np.random.Generator) -> bytes:
    """A bit turned, a few bytes exchanged, or the end cut off."""
    made, what = bytearray(content), int(rng.integers(0, 3))
    if what == 0:
        made[int(rng.integers(len(made)))] ^= 1 << int(rng.integers(8))
    elif what == 1:
        for place in rng.integers(0, len(made), 4):
            made[place] = int(rng.integers(256))
    else:
        del made[int(rng.integers(len(made))) :]
    return bytes(made)


def tensors_changed(file: str, change: Callable[[Tensors], Any]) -> Callable[[Path], None]:
    """``change`` what a safetensors file holds, and seal the folder again."""

    def alter(folder: Path) -> None:
        tensors = {name: one.clone() for name, one in load_file(folder / file).items()}
        change(tensors)
        save_file({name: one.contiguous() for name, one in tensors.items()}, folder / file)
        seal(folder)

    return alter


def json_changed(file: str, change: Callable[[dict[str, Any]], Any]) -> Callable[[Path], None]:
    """``change`` what a JSON file holds, and seal the folder again unless it is the manifest."""

    def alter(folder: Path) -> None:
        value = json.loads((folder / file).read_text())
        change(value)
        (folder / file).write_text(json.dumps(value))
        if file != MANIFEST:
            seal(folder)

    return alter


def written(file: str, content: bytes) -> Callable[[Path], None]:
    """Other bytes in place of a file, the folder sealed again unless it is the manifest."""

    def alter(folder: Path) -> None:
        (folder / file).write_bytes(content)
        if file != MANIFEST:
            seal(folder)

    return alter


def alterations(folder: Path) -> Iterator[Alteration]:
    """Those that make sense of a folder of that form."""
    config = json.loads((folder / CONFIG).read_text())["graftwork"]
    for file in (TENSORS, SUPPORT):
        if (folder / file).exists():
            for name, tensor in load_file(folder / file).items():
                yield from _of_tensor(file, name, tensor)
    yield from _of_graph(folder)
    yield from _of_config(config)
    if (folder / PIPELINE).exists():
        yield from _of_pipeline()
    yield from _of_manifest(folder)
    yield from _of_any_file(folder)


def _of_tensor(file: str, name: str, tensor: Tensor) -> Iterator[Alteration]:
    def put(what: str, make: Callable[[Tensor], Tensor]) -> Alteration:
        def change(tensors: Tensors) -> None:
            tensors[name] = make(tensors[name])

        return Alteration(f"{file} {name} {what}", file, tensors_changed(file, change))

    yield Alteration(f"{file} {name} missing", file, tensors_changed(file, lambda tensors: tensors.pop(name)))
    yield put("without a dimension", lambda one: one.reshape(-1)[0])
    yield put("with a dimension more", lambda one: one[None])
    yield put("complex", lambda one: one.to(torch.complex64))
    if len(tensor):
        yield put("empty", lambda one: one[:0])
        yield put("a row short", lambda one: one[:-1])
        yield put("a row more", lambda one: torch.cat([one, one[-1:]]))
    if tensor.is_floating_point():
        yield put("NaN", lambda one: torch.full_like(one, torch.nan))
        yield put("infinite", lambda one: torch.full_like(one, torch.inf))
        yield put("infinite in float32", lambda one: torch.full_like(one, 1e300, dtype=torch.float64))
        yield put("whole numbers", lambda one: one.long())
        yield put("float8", lambda one: one.to(torch.float8_e4m3fn))
    else:
        yield put("floating", lambda one: one.double())
        yield put("of 32 bits", lambda one: one.int()) if file == SUPPORT else put("doubled", lambda one: one + 10)
        for value in (-2, 1 << 40, -(1 << 62)):
            yield put(f"all {value}", lambda one, value=value: torch.full_like(one, value))  # type: ignore[misc]
        yield put("the last out of range", lambda one: torch.cat([one[:-1], one[-1:] + (1 << 33)]))


def _of_graph(folder: Path) -> Iterator[Alteration]:
    if not (folder / SUPPORT).exists() or "graph.rowptr" not in load_file(folder / SUPPORT):
        return

    def put(what: str, change: Callable[[Tensors], Any]) -> Alteration:
        return Alteration(f"{SUPPORT} graph {what}", SUPPORT, tensors_changed(SUPPORT, change))

    def falling(tensors: Tensors) -> None:
        tensors["graph.rowptr"][1:-1] = tensors["graph.rowptr"][1:-1].flip(0)

    def fewer_nodes(tensors: Tensors) -> None:
        tensors["x"] = tensors["x"][:3]

    def other_weights(tensors: Tensors) -> None:
        if tensors.pop("graph.weight", None) is None:
            tensors["graph.weight"] = torch.rand(len(tensors["graph.col"]))

    yield put("without its weights, or with some", other_weights)
    yield put("with rows that fall", falling)
    yield put("with columns unsorted", lambda tensors: tensors["graph.col"].copy_(tensors["graph.col"].flip(0)))
    yield put("with one column throughout", lambda tensors: tensors["graph.col"].zero_())
    yield put("over nodes that are not there", fewer_nodes)
    yield put("that begins late", lambda tensors: tensors["graph.rowptr"].add_(1))
    yield put("with nodes of another width", lambda tensors: tensors.update(x=tensors["x"][:, :5]))


WRONG_FACTS: dict[str, list[Any]] = {
    "class_names": [3, "ab", [], ["a"], [1, 2], ["a"] * 3, {"a": 1}, None, [["a"]], ["x"] * 10],
    "support_ids": [3, [], ["a"], [1], None, {"a": "b"}],
    "node_width": ["x", -1, 0, 1.5, 10**9, 10**30, None, [64]],
    "text_width": ["x", -1, 10**9],
    "graph": [3, [], {}, {"type": "similarity", "threshold": "x"}, {"type": "nothing"}],
    "encoder_weights": [3, [], {}, {"image": 3}, {"image": "0" * 64, "text": "0" * 64}, None],
    "logit_scale": ["x", [], {}, 0, -1.0, 1e308, float("inf"), float("nan")],
    "level": [3, "nowhere", None, []],
    "adapter": ["x", -1, 1.5, 99, None],
    "version": [3, None, []],
    "plugins": [3, [], {"a": 1}],
    "components": [3, [], {"adapter.ga_net": []}],
    "seed": ["x", None, 1.5],
    "modalities": [3, [], ["smell"], [1], None],
    "passes": ["x", 0, -1, None],
    "weighted": [3, "x", [], 0],
    "spec": [
        3,
        [],
        {},
        {"type": "lora", "rank": -1},
        {"type": "nothing"},
        {"type": "ga_net"},
        {"type": "hmmoe", "rank": 10**9},
    ],
    "towers": [3, [], {}, {"image": 3}, {"image": {"model": "x", "blocks": 1, "width": 1, "streams": []}}],
    "meetings": [3, "x", [], [3], [{}], [{"stops": {"image": 99}, "widths": {"image": 16}}] * 9],
}


def _of_config(config: dict[str, Any]) -> Iterator[Alteration]:
    for key, values in WRONG_FACTS.items():
        for value in values if key in config or key == "adapter" else ():
            if (key, value) in (("support_ids", []), ("text_width", 10**9)) and config["level"] != "features":
                continue

            def change(whole: dict[str, Any], key: str = key, value: Any = value) -> None:
                whole["graftwork"][key] = value

            yield Alteration(f"{CONFIG} {key} {json.dumps(value)[:40]}", CONFIG, json_changed(CONFIG, change))
        if key in config and key not in ("text_width", "graph", "weighted", "plugins", "components", "adapter"):
            yield Alteration(
                f"{CONFIG} {key} missing",
                CONFIG,
                json_changed(CONFIG, lambda whole, key=key: whole["graftwork"].pop(key)),  # type: ignore[misc]
            )
    for value in (None, [], 3, "x", {}):
        yield Alteration(
            f"{CONFIG} graftwork {json.dumps(value)}",
            CONFIG,
            json_changed(CONFIG, lambda whole, value=value: whole.update(graftwork=value)),  # type: ignore[misc]
        )


def _of_pipeline() -> Iterator[Alteration]:
    changes: dict[str, Callable[[dict[str, Any]], Any]] = {
        "another adapter": lambda spec: spec.update(adapter={"type": "clip_adapter"}),
        "an adapter of 128 GB": lambda spec: spec.update(adapter={"type": "bottleneck", "bottleneck": 10**9}),
        "another head": lambda spec: spec["task"].update(head={"type": "mlp"}),
        "a head of 128 GB": lambda spec: spec["task"].update(head={"type": "mlp", "hidden": 10**9}),
        "no encoder": lambda spec: spec.pop("encoder"),
        "an encoder that is not here": lambda spec: spec.update(encoder={"type": "nowhere"}),
        "a version that comes later": lambda spec: spec.update(version=99),
        "an unknown key": lambda spec: spec.update(code="import os"),
        "what it extends outside": lambda spec: spec.update(extends="../../../../etc/passwd"),
    }
    for name, change in changes.items():
        yield Alteration(f"{PIPELINE} {name}", PIPELINE, json_changed(PIPELINE, change))


def _of_manifest(folder: Path) -> Iterator[Alteration]:
    names = {
        "out of the folder": "../../../etc/passwd",
        "absolute": "/etc/passwd",
        "of 5,000 letters": "x" * 5000,
        "empty": "",
        "with a zero": "a\0b",
        "that acts on a terminal": "\x1b]0;x\x07",
        "of half a surrogate pair": "\ud800",
    }
    for what, name in names.items():
        yield Alteration(
            f"{MANIFEST} a name {what}",
            MANIFEST,
            json_changed(MANIFEST, lambda value, name=name: value["files"].update({name: "0" * 64})),  # type: ignore[misc]
        )
    for wrong in ({}, {"files": {}}, {"manifest": 1, "graftwork": "1", "files": {}}, [], 3, "x", None):
        yield Alteration(f"{MANIFEST} is {json.dumps(wrong)}", MANIFEST, written(MANIFEST, json.dumps(wrong).encode()))
    for wrong_digest in (3, None, "x", [], "0" * 64):

        def change(value: dict[str, Any], digest: Any = wrong_digest) -> None:
            value["files"][TENSORS] = digest

        yield Alteration(f"{MANIFEST} digest {wrong_digest!r}", MANIFEST, json_changed(MANIFEST, change))
    for file in sorted(path.name for path in folder.iterdir() if path.suffix in (".safetensors", ".json")):
        if file != MANIFEST:
            yield Alteration(
                f"{MANIFEST} without {file}",
                MANIFEST,
                json_changed(MANIFEST, lambda value, file=file: value["files"].pop(file)),  # type: ignore[misc]
            )


def _of_any_file(folder: Path) -> Iterator[Alteration]:
    for file in sorted(path.name for path in folder.iterdir() if path.suffix in (".safetensors", ".json")):
        yield Alteration(f"{file} missing", file, lambda folder, file=file: (folder / file).unlink())  # type: ignore[misc]
        yield Alteration(f"{file} a pipe", file, lambda folder, file=file: _replaced(folder / file, os.mkfifo))  # type: ignore[misc]
        yield Alteration(f"{file} a folder", file, lambda folder, file=file: _replaced(folder / file, os.mkdir))  # type: ignore[misc]
        yield Alteration(
            f"{file} /dev/zero",
            file,
            lambda folder, file=file: _replaced(folder / file, partial(os.symlink, "/dev/zero")),  # type: ignore[misc]
        )
        yield Alteration(f"{file} empty", file, written(file, b""))
        yield Alteration(f"{file} no UTF-8", file, written(file, b"\xff\xfe{}"))
        yield Alteration(f"{file} a pickle", file, written(file, b"\x80\x04cos\nsystem\n."))
        if file.endswith(".json"):
            yield Alteration(f"{file} endless lists", file, written(file, b"[" * DEEP))
            yield Alteration(f"{file} nested deep", file, written(file, b'{"a":' * DEEP + b"1" + b"}" * DEEP))
            yield Alteration(f"{file} nested 500 deep", file, written(file, b'{"a":' * 500 + b"1" + b"}" * 500))
            yield Alteration(f"{file} a number of 5,000 digits", file, written(file, b'{"a": ' + b"9" * 5000 + b"}"))
        else:
            huge = b'{"x":{"dtype":"F32","shape":[1000000000000],"data_offsets":[0,4000000000000]}}'
            yield Alteration(f"{file} of 4 TB", file, written(file, len(huge).to_bytes(8, "little") + huge))
            yield Alteration(f"{file} a header of 2^63", file, written(file, b"\xff" * 8 + b"{}"))
            other = huge.replace(b"F32", b"X99")
            yield Alteration(f"{file} of no type", file, written(file, len(other).to_bytes(8, "little") + other))


def _replaced(path: Path, make: Callable[[Path], Any]) -> None:
    path.unlink()
    make(path)


def copied(folder: Path, into: Path) -> Path:
    """A copy of an adapter folder, in place of any that was there."""
    shutil.rmtree(into, ignore_errors=True)
    return Path(shutil.copytree(folder, into))
