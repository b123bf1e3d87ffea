"""``graftwork evaluate``."""

from __future__ import annotations

import click

from ..options import Place, cache_option, format_option
from ..say import print_json, print_table, say


@click.command(
    "evaluate", epilog="Example: graftwork evaluate runs/ganet-digits --dataset photos --split test --out evaluated"
)
@click.argument("run", type=click.Path())
@click.option(
    "--dataset",
    "data",
    multiple=True,
    metavar="FILE|DIR|JSON|KEY=VALUE",
    help="Other data of the same classes: a spec file or its section `dataset`, a folder in place of `root`, the "
    "section as JSON, or settings of it (repeatable). [default: the run's own]",
)
@click.option("--split", help="The split to score, or `all`. [default: the one that the run reports]")
@click.option("--task", metavar="TASK", help="Of a run over tasks: score items of this one, known to be of it.")
@click.option("--out", type=Place(file_okay=False), help="A new folder for evaluation.json and predictions.jsonl.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1, mps.")
@format_option("table", "json")
@cache_option
def command(
    run: str,
    data: tuple[str, ...],
    split: str | None,
    task: str | None,
    out: str | None,
    device: str,
    style: str,
    cache: str | None,
) -> None:
    """Score a finished RUN anew, on its own data set or on another one of the same classes.

    The training that the run saved is scored: one seed. The primary metric has a 95 % interval over the items, where it
    is a mean over them. Vectors are found in the cache, and new ones are put there, as `run` does.
    """
    from ...studies.evaluate import evaluate
    from ..options import warn_of_broken_plugins, warnings_said

    warn_of_broken_plugins()
    with warnings_said():
        found = evaluate(run, data or None, split=split, task=task, out=out, device=device, store=cache)
    if style == "json":
        print_json(found.to_json())
        return
    rows = [[name, f"{value:.4f}"] for name, value in found.figures.items()]
    print_table(
        ["metric", f"seed {found.seed}"],
        rows,
        title=f"{found.name} on {found.split}{'' if task is None else f', task {task}'}",
    )
    said = [str(found)]
    if found.in_result is not None:
        said.append(f"in result.json, of that seed: {found.metric} {found.in_result:.4f}")
    if found.left_out:
        said.append(f"left out, without a label or unreadable: {found.left_out:,} items")
    say("\n".join([*said, *(f"note: {one}" for one in found.notes), *([out] if out else [])]))
