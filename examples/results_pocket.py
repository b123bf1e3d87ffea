"""The cross-modal tables of docs/results.md: HMMoE, its ablations and its peers inside the pocket towers.

    .venv/bin/python examples/results_pocket.py                     (all of it: about an hour on two quiet cores)
    .venv/bin/python examples/results_pocket.py --tasks vqa --methods HMMoE LoRA

Every method has the same frozen towers, data, head, epochs, batches, seeds, the same learning rates to choose from on
the validation split, and (where it sits inside the towers) the same budget of trainable parameters. Rows are Markdown
on standard output, in the order they are done.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from graftwork import Pipeline

HERE = Path(__file__).parent
TASKS = ("events", "vqa", "nlvr2", "retrieval")
BUDGET = {"trainable_share": 0.07}
EXPERTS = ("unimodal", "cross_attention", "channel_attention")


def _hmmoe(*experts: Any, **more: Any) -> dict[str, Any]:
    named = [one if isinstance(one, dict) else {"type": one} for one in experts]
    return {"type": "hmmoe", "experts": named, "budget": BUDGET, **more}


METHODS: dict[str, dict[str, Any]] = {
    "frozen + head": {"type": "none"},
    "unimodal adapters": _hmmoe("unimodal", router={"uniform": True}),
    "LoRA": {"type": "lora", "budget": BUDGET},
    "LAVISH-like": _hmmoe({"type": "cross_attention", "latent": 8}, router={"uniform": True}),
    "HMMoE": _hmmoe(*EXPERTS),
    "HMMoE without unimodal": _hmmoe("cross_attention", "channel_attention"),
    "HMMoE without cross_attention": _hmmoe("unimodal", "channel_attention"),
    "HMMoE without channel_attention": _hmmoe("unimodal", "cross_attention"),
    "HMMoE, router uniform": _hmmoe(*EXPERTS, router={"uniform": True}),
    "HMMoE, top-1": _hmmoe(*EXPERTS, router={"top_k": 1}),
}
#: Those of an ablation are HMMoE's.
LEARNING_RATES = [0.003, 0.01]
SEEDS = [0, 1, 2]


def pipeline(task: str, method: str, seeds: list[int], rates: list[float]) -> Pipeline:
    """The example of a task with another adapter; of several learning rates the validation split chooses."""
    spec: dict[str, Any] = json.loads((HERE / f"pocket_{task}.json").read_text())
    spec |= {"adapter": METHODS[method], "reporters": [], "evaluation": {"seeds": seeds}}
    return Pipeline(spec | {"search": {"trainer.optimizer.lr": rates}})


def row(task: str, method: str, rates: list[float], out: Path) -> tuple[str, float]:
    """Choose the learning rate with the first seed, train the others with it; the row of the table, and the rate."""
    start = time.perf_counter()
    first = pipeline(task, method, SEEDS[:1], rates).run(out / f"{task}-{method}-0").result
    rate = first["chosen"]["trainer.optimizer.lr"]
    others = pipeline(task, method, SEEDS[1:], [rate]).run(out / f"{task}-{method}").result
    metric, adapter = first["metric"], first["adapter"]
    scores = [score for result in (first, others) for score in result["test"][metric]["per_seed"]]
    selected = [score for result in (first, others) for score in result["selection"]["per_seed"]]
    cells = [
        task,
        method,
        f"{statistics.fmean(scores):.4f} ± {statistics.stdev(scores):.4f}",
        f"{statistics.fmean(selected):.4f}",
        f"{adapter['parameters']:,} ({adapter['share_of_frozen']:.1%})",
        f"{first['parameters']['trainable'] - adapter['parameters']:,}",
        f"{rate:g}",
        f"{others['training_seconds_per_seed']:.0f}",
        f"{time.perf_counter() - start:.0f}",
    ]
    return f"| {' | '.join(cells)} |", rate


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=TASKS)
    parser.add_argument("--methods", nargs="+", choices=list(METHODS), default=list(METHODS))
    parser.add_argument("--rate", type=float, help="this learning rate, without a search (ablations: HMMoE's)")
    parser.add_argument("--out", type=Path, help="keep the runs here (default: nowhere)")
    given = parser.parse_args()
    print("| task | method | test | val | adapter | head | lr | s a training | s in all |\n" + "|---" * 9 + "|")
    with tempfile.TemporaryDirectory() as folder:
        for task in given.tasks:
            for method in given.methods:
                rates = [given.rate] if given.rate else LEARNING_RATES
                print(row(task, method, rates, given.out or Path(folder))[0], flush=True)


if __name__ == "__main__":
    main()
