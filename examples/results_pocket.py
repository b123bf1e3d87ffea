"""The cross-modal tables of docs/results.md: HMMoE, its ablations and its peers inside the pocket towers.

    .venv/bin/python examples/results_pocket.py                     (all of it: about an hour on two quiet cores)
    .venv/bin/python examples/results_pocket.py --tasks vqa --methods HMMoE LoRA

Every method has the same frozen towers, data, head, epochs, batches and seeds, and (where it sits inside the towers)
the same budget of trainable parameters. With the first seed the validation split chooses among two learning rates, and
for adapters that meet (on events and vqa) among the last two blocks and all four; the other seeds follow. Rows are
Markdown on standard output, in the order they are done.
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
EXPERTS = ("unimodal", "cross_attention", "affine")
BEFORE = ("unimodal", "cross_attention", "channel_attention")


def _hmmoe(*experts: Any, **router: Any) -> dict[str, Any]:
    named = [one if isinstance(one, dict) else {"type": one} for one in experts]
    router = {"uniform": True} if len(named) == 1 else {"hidden": 4, **router}
    return {
        "type": "hmmoe",
        "experts": named,
        "budget": BUDGET,
        "layer_map": "last_k",
        "share_down": True,
        "router": router,
    }


def _before(*experts: Any, **router: Any) -> dict[str, Any]:
    """As the default was until 27 November 2026: four heads, a softmax, its load balanced."""
    heads = [{"type": one, "heads": 4} if one == "cross_attention" else one for one in experts]
    return _hmmoe(*heads, gates="softmax", **router)


METHODS: dict[str, dict[str, Any]] = {
    "HMMoE": _hmmoe(*EXPERTS),
    "affine alone": _hmmoe("affine"),
    "cross-attention alone": _hmmoe("cross_attention"),
    "HMMoE before": _before(*BEFORE),
    "unimodal adapters": _hmmoe("unimodal"),
    "LAVISH-like": _hmmoe({"type": "cross_attention", "heads": 4, "latent": 8}),
    "LoRA": {"type": "lora", "budget": BUDGET},
    "frozen + head": {"type": "none"},
}
#: Of HMMoE as it was before, with what was chosen for it.
ABLATIONS: dict[str, dict[str, Any]] = {
    "HMMoE without unimodal": _before("cross_attention", "channel_attention"),
    "HMMoE without cross_attention": _before("unimodal", "channel_attention"),
    "HMMoE without channel_attention": _before("unimodal", "cross_attention"),
    "HMMoE, router uniform": _before(*BEFORE, uniform=True),
    "HMMoE, top-1": _before(*BEFORE, top_k=1),
}
#: Learning rates, and how many of the last blocks meet: what the validation split chooses of.
RATES, MEETINGS = [0.003, 0.01], [2, 4]
#: At 0.01 one of three seeds falls to chance on events.
LORA_RATES = [0.001, 0.003]
SEEDS = [0, 1, 2]


def pipeline(task: str, method: str, seeds: list[int], search: dict[str, list[Any]]) -> Pipeline:
    """The example of a task with another adapter."""
    spec: dict[str, Any] = json.loads((HERE / f"pocket_{task}.json").read_text())
    spec |= {"adapter": (METHODS | ABLATIONS)[method], "reporters": [], "evaluation": {"seeds": seeds}}
    return Pipeline(spec | {"search": search})


def row(task: str, method: str, search: dict[str, list[Any]], out: Path) -> str:
    """Choose with the first seed, train the others so; the row of the table."""
    start = time.perf_counter()
    choosing = SEEDS if method == "LoRA" else SEEDS[:1]  # a rate that suits one seed of LoRA may ruin another
    first = pipeline(task, method, choosing, search).run(out / f"{task}-{method}-0").result
    chosen = {path: [value] for path, value in first["chosen"].items()}
    results, rest = [first], SEEDS[len(choosing) :]
    if rest:
        results.append(pipeline(task, method, rest, chosen).run(out / f"{task}-{method}").result)
    metric, adapter = first["metric"], first["adapter"]
    scores = [score for result in results for score in result["test"][metric]["per_seed"]]
    selected = [score for result in results for score in result["selection"]["per_seed"]]
    cells = [
        task,
        method,
        f"{statistics.fmean(scores):.4f} ± {statistics.stdev(scores):.4f}",
        f"{statistics.fmean(selected):.4f}",
        f"{adapter['parameters']:,} ({adapter['share_of_frozen']:.1%})",
        f"{first['parameters']['trainable'] - adapter['parameters']:,}",
        ", ".join(f"{path.rpartition('.')[2]} {value[0]:g}" for path, value in chosen.items()),
        f"{results[-1]['training_seconds_per_seed']:.0f}",
        f"{time.perf_counter() - start:.0f}",
    ]
    return f"| {' | '.join(cells)} |"


def search_of(task: str, method: str) -> dict[str, list[Any]]:
    """What may be chosen for a method; what events and vqa had chosen stands for the other two tasks."""
    if method in ABLATIONS:
        return {"trainer.optimizer.lr": [0.01], "adapter.meetings": [2]}
    if method == "LoRA":
        return {"trainer.optimizer.lr": LORA_RATES}
    search: dict[str, list[Any]] = {"trainer.optimizer.lr": RATES}
    if METHODS[method]["type"] == "hmmoe":
        search["adapter.meetings"] = MEETINGS if task in ("events", "vqa") else MEETINGS[:1]
    return search


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=TASKS)
    every = [*METHODS, *ABLATIONS]
    parser.add_argument("--methods", nargs="+", choices=every, default=every)
    parser.add_argument("--out", type=Path, help="keep the runs here (default: nowhere)")
    given = parser.parse_args()
    print("| task | method | test | val | adapter | head | chosen | s a training | s in all |\n" + "|---" * 9 + "|")
    with tempfile.TemporaryDirectory() as folder:
        for task in given.tasks:
            for method in given.methods:
                print(row(task, method, search_of(task, method), given.out or Path(folder)), flush=True)


if __name__ == "__main__":
    main()
