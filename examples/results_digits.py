"""The table of docs/results.md: the demo's four pipelines at 1, 4 and 16 shots.

.venv/bin/python examples/results_digits.py          (about five minutes on two cores; prints Markdown)
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from graftwork import Pipeline

SHOTS = (1, 4, 16)
EXAMPLES = Path(__file__).parent
SPECS = {
    "zero-shot": "digits_zero_shot.json",
    "linear probe": "digits_linear_probe.json",
    "bottleneck, no graph": "digits_bottleneck.json",
    "GA-Net": "ganet_digits.json",
}


def main() -> None:
    """Run everything and print one row a method and number of shots."""
    print("| shots | method | test accuracy | val accuracy | trainable | s a training | peak MB | chosen on val |")
    print("|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for shots in SHOTS:
            for method, spec in SPECS.items():
                print(f"{shots} shots, {method}", file=sys.stderr)
                pipeline = Pipeline.from_file(EXAMPLES / spec, {"dataset.shots": shots, "reporters": []})
                print(_row(shots, method, pipeline.run(out=Path(folder) / f"{spec}-{shots}").result), flush=True)


def _row(shots: int, method: str, result: dict) -> str:  # type: ignore[type-arg]
    accuracy = result["test"]["accuracy"]
    chosen = "; ".join(f"{key} {_short(value)}" for key, value in result["chosen"].items()) or "–"
    memory = max(stage["peak_memory_mb"] for stage in result["stages"].values())
    return (
        f"| {shots} | {method} | {accuracy['mean']:.4f} ± {accuracy['std']:.4f} | {result['selection']['mean']:.4f} | "
        f"{result['parameters']['trainable']:,} | {result['training_seconds_per_seed']:.2f} | {memory:,.0f} | {chosen} "
        "|"
    )


def _short(value: object) -> str:
    return " ".join(str(part) for part in value.values()) if isinstance(value, dict) else str(value)


if __name__ == "__main__":
    main()
