"""Graftwork on real handwritten digits: four pipelines declared in JSON, one table.

    make demo          (or: python examples/demo.py)

Every method has the same frozen pocket CLIP, the same 16 labelled images a class, the same seeds and a search of its
own on the validation split. The numbers come from the test split.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from graftwork import GraftworkError, Pipeline

HERE = Path(__file__).parent
SPECS = {
    "zero-shot": "digits_zero_shot.json",
    "linear probe": "digits_linear_probe.json",
    "bottleneck, no graph": "digits_bottleneck.json",
    "GA-Net": "ganet_digits.json",
}


def main() -> None:
    """Run the four pipelines and print what they measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/demo"), help="folder of the four runs (replaced)")
    out = parser.parse_args().out
    console, start = Console(highlight=False), time.perf_counter()
    results = {}
    for method, spec in SPECS.items():
        folder = out / Path(spec).stem
        if (folder / "result.json").is_file():
            shutil.rmtree(folder)  # a finished run of an earlier demo
        overrides = {"reporters": [{"type": "console", "table": False}, {"type": "jsonl"}]}
        results[method] = Pipeline.from_file(HERE / spec, overrides).run(out=folder).result
    console.print(_table(results))
    one = results["GA-Net"]
    console.print(f"split: {one['dataset']['split_id']}")
    console.print(f"prompts: {one['prompts']}")
    console.print(
        f"16 shots a class; seeds {one['seeds']}; chosen on val; s.d. over the seeds; policy {one['inductive']}"
    )
    console.print(f"{time.perf_counter() - start:.0f} s in all. Try next:")
    console.print(f"  .venv/bin/graftwork predict {out / 'ganet_digits'} YOUR_DIGIT.png   (bright strokes on dark)")


def _table(results: dict[str, dict]) -> Table:  # type: ignore[type-arg]
    table = Table(title="1,797 real handwritten digits, frozen pocket CLIP, test split", title_justify="left")
    for name in (
        "method",
        "test accuracy",
        "val accuracy",
        "trainable parameters",
        "s a training",
        "peak memory",
        "chosen on val",
    ):
        table.add_column(name, justify="left" if name in ("method", "chosen on val") else "right")
    for method, result in results.items():
        accuracy = result["test"]["accuracy"]
        table.add_row(
            method,
            f"{accuracy['mean']:.4f} ± {accuracy['std']:.4f}",
            f"{result['selection']['mean']:.4f}",
            f"{result['parameters']['trainable']:,}",
            f"{result['training_seconds_per_seed']:.2f}",
            f"{max(stage['peak_memory_mb'] for stage in result['stages'].values()):,.0f} MB",
            ", ".join(f"{key.split('.')[-1]} {_short(value)}" for key, value in result["chosen"].items()),
        )
    return table


def _short(value: object) -> str:
    return " ".join(str(part) for part in value.values()) if isinstance(value, dict) else str(value)


if __name__ == "__main__":
    try:
        main()
    except GraftworkError as error:
        sys.exit(f"error: {error}")
