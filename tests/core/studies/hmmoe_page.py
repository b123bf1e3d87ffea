"""The tables of docs/results/hmmoe.md, of the lines that are there."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence

from graftwork.core.data.items import Item
from graftwork.core.studies.paired import Paired, paired
from graftwork.core.studies.tables import markdown_table
from graftwork.plugins.datasets import PocketWorldSpec
from graftwork.plugins.datasets.pocket_world import PocketWorld

from .hmmoe_cells import (
    ABLATED,
    ABLATIONS,
    HMMOE,
    METHODS,
    MORE_SEEDS,
    SEARCHES,
    SEEDS,
    TASKS,
    WIDE,
    WIDER,
    Cell,
    Line,
    cells,
    names_of,
)

Lines = Mapping[Cell, Line]


def sections(lines: Lines) -> Iterator[str]:
    """Each table under its heading."""
    tasks = [task for task in TASKS if any(cell.task == task for cell in lines)]
    methods = [method for method in METHODS if any(cell.method == method for cell in lines)]
    yield "### Test\n"
    yield markdown_table(["method", *tasks], [[one, *(_mean(lines, task, one) for task in tasks)] for one in methods])
    yield f"### {HMMOE} held against the others\n"
    others = [one for one in methods if one != HMMOE]
    rows = [[one, *(said(against(lines, task, one)) for task in tasks)] for one in others]
    yield markdown_table([f"points that {HMMOE} is above", *tasks], rows)
    if any(cell.method in ABLATIONS for cell in lines):
        yield f"### {HMMOE} in other forms\n"
        rows = [[HMMOE, *(_mean(lines, task, HMMOE) for task in ABLATED)]]
        for one in ABLATIONS:
            held = {task: against(lines, task, one) for task in ABLATED}
            rows.append([one, *(f"{_mean(lines, t, one)}; {said(p)}" if p else "–" for t, p in held.items())])
        yield markdown_table(["", *ABLATED], rows)
    if any(cell.method in WIDE for cell in lines):
        yield "### A wider search\n"
        first = next(iter(WIDE))
        rows = [[first, *(_mean(lines, task, first) for task in WIDER)]]
        for one in list(WIDE)[1:]:
            held = {task: against(lines, task, one, first) for task in WIDER}
            rows.append([one, *(f"{_mean(lines, t, one)}; {said(p)}" for t, p in held.items())])
        yield markdown_table(["", *WIDER], rows)
        for method, base in WIDE.items():
            yield f"#### {base}: what was tried, on val with seed 0\n"
            firsts = {task: lines.get(Cell(task, method, SEEDS[0])) for task in WIDER}
            names = names_of(SEARCHES[method])
            yield markdown_table(["", *WIDER], [[name, *(_tried(firsts[t], name) for t in WIDER)] for name in names])
    yield "### Every row\n"
    sizes = ["adapter (share of frozen)", "head"]
    costs = ["s a training", "cpu s in all"]
    yield markdown_table(["task", "method", "test", "val", *sizes, "rate", "epochs kept", *costs], list(_rows(lines)))
    for task in filter(KINDS.__contains__, tasks):
        yield f"### {task} by kind of question\n\n{by_kind(lines, task)}"
    planned = {task: [cell for cell in cells() if cell.task == task] for task in TASKS}
    of = {task: [one for one in some if one not in lines] for task, some in planned.items()}
    missing = [cell for some in of.values() for cell in some]
    named = "; ".join(f"{task}: {_methods(some, planned[task])}" for task, some in of.items() if some)
    yield f"### Missing\n\n{len(missing)} of {len(list(cells()))} cells. {named or 'None'}."
    yield f"\nCommits: {', '.join(dict.fromkeys(line.commit for line in lines.values()))}."
    yield f"Processor seconds in all: {sum(line.cpu_seconds for line in lines.values()):,.0f}."


def _tried(line: Line | None, name: str) -> str:
    """What values had on val; bold where they were taken."""
    if line is None:
        return "–"
    return f"**{line.tried[name]:.4f}**" if name == line.chosen else f"{line.tried[name]:.4f}"


def by_kind(lines: Lines, task: str) -> str:
    """The mean score of each method's seeds on the questions of each kind."""
    spec = Cell(task, HMMOE, 0).pipeline().spec.dataset
    assert isinstance(spec, PocketWorldSpec)
    of = [KINDS[task](item) for item in PocketWorld(spec).load().splits["test"]]
    rows = []
    for method in METHODS:
        if found := _of(lines, task, method):
            means = [statistics.fmean(scores) for scores in zip(*(one.scores for one in found), strict=True)]
            parts = {kind: [one for one, its in zip(means, of, strict=True) if its == kind] for kind in sorted(set(of))}
            rows.append([method, *(f"{statistics.fmean(part):.3f}" for part in parts.values())])
    return markdown_table(["method", *(f"{kind} ({of.count(kind)})" for kind in sorted(set(of)))], rows)


def asked(item: Item) -> str:
    """The kind of a question about a picture, by its words."""
    words = str(item.modalities["text"].read())
    return next(kind for start, kind in _STARTS.items() if words.startswith(start))


_RELATIONS = ("left of", "right of", "above", "below")
_STARTS = {
    "is there": "exists",
    "what color": "colour",
    "how many": "count",
    **{f"what shape is {relation}": "relation" for relation in _RELATIONS},
    "what shape": "place",
}
#: Task to what tells the kind of an item's question.
KINDS: Mapping[str, Callable[[Item], str]] = {"VQA": asked, "MUSIC-AVQA": lambda item: item.groups["type"]}


def _methods(missing: Sequence[Cell], planned: Sequence[Cell]) -> str:
    """With how many seeds, unless it is all of them."""
    if len(missing) == len(planned):
        return "all"
    names, of = _named(missing), _named(planned)
    seeds = {method: names.count(method) for method in dict.fromkeys(names)}
    parts = {method: f" ({count} seed{'s' * (count > 1)})" for method, count in seeds.items()}
    return ", ".join(method if seeds[method] == of.count(method) else method + parts[method] for method in seeds)


def _named(some: Sequence[Cell]) -> list[str]:
    return [one.method for one in some]


def _of(lines: Lines, task: str, method: str) -> list[Line]:
    return [lines[cell] for seed in (*SEEDS, *MORE_SEEDS) if (cell := Cell(task, method, seed)) in lines]


def _mean(lines: Lines, task: str, method: str) -> str:
    return spread([one.test for one in _of(lines, task, method)])


def spread(figures: list[float]) -> str:
    """Mean ± sample standard deviation."""
    if not figures:
        return "–"
    if len(figures) == 1:
        return f"{figures[0]:.4f} (1 seed)"
    few = "" if len(figures) == len(SEEDS) else f" ({len(figures)} seeds)"
    return f"{statistics.fmean(figures):.4f} ± {statistics.stdev(figures):.4f}{few}"


def against(lines: Lines, task: str, method: str, held: str = HMMOE) -> Paired | None:
    """HMMoE, or another method, held against one on the same items, over the seeds that both have."""
    scores = [
        {line.seed: {str(number): score for number, score in enumerate(line.scores)} for line in _of(lines, task, one)}
        for one in (held, method)
    ]
    if not scores[0].keys() & scores[1].keys():
        return None
    return paired(held, scores[0], method, scores[1])


def said(one: Paired | None) -> str:
    """Points, with the 95 % interval."""
    if one is None:
        return "–"
    figures = f"{one.difference * 100:+.1f} ({one.low * 100:+.1f} to {one.high * 100:+.1f})"
    return f"**{figures}**" if one.low > 0 or one.high < 0 else figures


def _rows(lines: Lines) -> Iterator[list[str]]:
    for task in TASKS:
        for method in (*METHODS, *ABLATIONS, *WIDE):
            if not (found := _of(lines, task, method)):
                continue
            first = found[0]
            yield [
                task,
                method,
                spread([one.test for one in found]),
                f"{statistics.fmean(one.val for one in found):.4f}",
                f"{first.adapter:,} ({first.share:.1%})",
                f"{first.head:,}",
                first.chosen or f"{first.rate:g}",
                f"{', '.join(str(one.kept) for one in found)} of {first.epochs}",
                f"{statistics.fmean(one.train_seconds for one in found):.0f}",
                f"{sum(one.cpu_seconds for one in found):.0f}",
            ]
