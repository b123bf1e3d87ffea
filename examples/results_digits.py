"""The tables of docs/results.md: GA-Net, its ablations and its peers on real handwritten digits, 1 to 16 shots.

    .venv/bin/python examples/results_digits.py                      (all of it: about 20 minutes on two quiet cores)
    .venv/bin/python examples/results_digits.py --shots 4 --methods "GA-Net" "zero-shot"

Every trained method has the same frozen pocket CLIP, the same images, seeds and epochs, and twelve search combinations
on the validation split. Rows are Markdown on standard output, in the order they are done.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any

from graftwork import Pipeline

TEMPLATES = ["a photo of the digit {}.", "a photo of the number {}.", "a handwritten digit {}."]
BASE: dict[str, Any] = {
    "version": 1,
    "dataset": {"type": "digits"},
    "encoder": {"type": "open_clip", "model": "pocket", "templates": TEMPLATES},
    "adapter": {"type": "none"},
    "task": {"type": "classification", "head": {"type": "cosine"}},
    "trainer": {"epochs": 50, "optimizer": {"type": "adamw", "lr": 0.001}},
    "evaluation": {"inductive": "attach", "select_on": "val", "seeds": [0, 1, 2]},
    "reporters": [],
}
LLAVA = {"type": "transformers", "model": "pocket"}
HEADS = [{"type": "cosine"}, {"type": "linear", "init": "prompts"}]
LR = {"trainer.optimizer.lr": [0.001, 0.003]}
LR3 = {"trainer.optimizer.lr": [0.001, 0.003, 0.01]}
TAU = {"graph.threshold": [{"average_degree": 4}, {"average_degree": 16}, {"average_degree": 64}]}
EWC = {"regularizers": [{"type": "ewc", "strength": 1.0, "anchor": "init"}]}
STRENGTH = {"regularizers.0.strength": [1.0, 100.0]}


def _graph(nodes: str, **more: Any) -> dict[str, Any]:
    return {"graph": {"type": "similarity", "nodes": nodes, "threshold": 0.9, "pool": "train", **more}}


IMAGES = _graph("image")
FUSED = {"captioner": LLAVA, **_graph("fused", fusion="cross_attention")}
GA_NET = {"adapter": {"type": "ga_net", "bottleneck": 64}}


def _head(**head: Any) -> dict[str, Any]:
    return {"task": {"type": "classification", "head": head}}


METHODS: dict[str, dict[str, Any]] = {
    "zero-shot": {},
    "zero-shot on the descriptions alone": {"captioner": LLAVA, **_graph("text")},
    "linear probe": {
        **_head(type="linear"),
        "search": {"task.head.init": ["zero", "prompts"], **LR3, "trainer.optimizer.weight_decay": [0.0, 0.01]},
    },
    "logistic regression": {
        **_head(type="logistic_regression"),
        "search": {"task.head.C": [10.0 ** (power / 2) for power in range(-7, 5)]},
    },
    "Tip-Adapter": {
        **_head(type="tip_adapter"),
        "search": {"task.head.alpha": [1.0, 3.0, 10.0, 30.0], "task.head.beta": [1.0, 5.5, 10.0]},
    },
    "Tip-Adapter-F": {
        **_head(type="tip_adapter", train_keys=True),
        "search": {"task.head.alpha": [3.0, 10.0], "task.head.beta": [5.5, 10.0], **LR3},
    },
    "CLIP-Adapter": {
        "adapter": {"type": "clip_adapter"},
        "search": {"adapter.ratio": [0.2, 0.4, 0.6, 0.8], **LR3},
    },
    "GraphAdapter": {
        **_head(type="graph_adapter"),
        "search": {"task.head.alpha": [0.5, 0.8], "task.head.beta": [0.3, 0.7], **LR3},
    },
    "bottleneck": {
        "adapter": {"type": "bottleneck"},
        "search": {"adapter.bottleneck": [16, 64], **LR3, "task.head": HEADS},
    },
    "GA-Net": {**FUSED, **GA_NET, **EWC, "search": {**TAU, **LR, **STRENGTH}},
    "GA-Net, no text": {**IMAGES, **GA_NET, **EWC, "search": {**TAU, **LR, **STRENGTH}},
    "GA-Net, no EWC": {**FUSED, **GA_NET, "search": {**TAU, **LR, "task.head": HEADS}},
    "GA-Net, no text, no EWC": {**IMAGES, **GA_NET, "search": {**TAU, **LR, "task.head": HEADS}},
    "GA-Net, no text, no EWC, Tip-Adapter head": {
        **IMAGES,
        **GA_NET,
        **_head(type="tip_adapter", alpha=10.0, beta=5.5),
        "search": {**TAU, **LR, "task.head.beta": [5.5, 10.0]},
    },
    "GA-Net, no graph (bottleneck), no EWC": {
        **FUSED,
        "adapter": {"type": "bottleneck"},
        "search": {"adapter.bottleneck": [16, 64], **LR3, "task.head": HEADS},
    },
}


def main() -> None:
    """Run what was asked for and print one row a method and number of shots."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shots", type=int, nargs="+", default=[1, 2, 4, 8, 16])
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS), metavar="METHOD")
    chosen = parser.parse_args()
    print("| shots | method | test accuracy | val accuracy | trainable | s a training | chosen on val |")
    print("|---|---|---|---|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for method in chosen.methods:
            for shots in chosen.shots:
                print(f"{shots} shots, {method}", file=sys.stderr)
                pipeline = Pipeline.from_dict(BASE | METHODS[method], {"dataset.shots": shots})
                print(_row(shots, method, pipeline.run(out=Path(folder) / f"{method}-{shots}").result), flush=True)


def _row(shots: int, method: str, result: dict[str, Any]) -> str:
    accuracy = result["test"]["accuracy"]
    chosen = "; ".join(f"{key} {_short(value)}" for key, value in result["chosen"].items()) or "–"
    return (
        f"| {shots} | {method} | {accuracy['mean']:.4f} ± {accuracy['std']:.4f} | {result['selection']['mean']:.4f} | "
        f"{result['parameters']['trainable']:,} | {result['training_seconds_per_seed']:.2f} | {chosen} |"
    )


def _short(value: object) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, dict):
        return " ".join(
            _short(one) if key in ("type", "init") else f"{key} {_short(one)}" for key, one in value.items()
        )
    return str(value)


if __name__ == "__main__":
    main()
