"""The tables of docs/results/real.md, from the lines of the cells."""

from __future__ import annotations

import statistics
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from graftwork.core.storage.files import write_whole
from graftwork.core.studies.paired import Paired, Scores, paired
from graftwork.core.studies.tables import csv_table, label, markdown_table

from .real_cells import ABLATED, ABLATIONS, DESCRIBED, FIRST, GA_NET, METHODS, SEEDS, SHOTS, Cell, Line, methods_of

Lines = Mapping[Cell, Line]
#: The untrained half of GA-Net, and the row that it is held against first.
DIFFUSION, REGRESSION = "diffusion", "logistic_regression"
#: Half of an interval that a goal may have, in points; what GA-Net should lead by, shots to points, on so many sets.
HALF_WIDTH, LEAD, ON_SETS = 1.5, {1: 2.0, 4: 1.0}, 2


def write_tables(lines: Lines, out: Path) -> list[Path]:
    """Write ``tables.md`` and ``cells.csv``: test accuracies, a row a seed, a column a method."""
    write_whole(out / "tables.md", "\n".join(sections(lines)).encode())
    write_whole(out / "cells.csv", csv_table(list(_flat(lines))).encode())
    return [out / "tables.md", out / "cells.csv"]


def sections(lines: Lines) -> Iterator[str]:
    """The page's tables, each under its heading."""
    held = {(name, shots): _against(lines, name, shots, methods_of(name)) for name, shots in _columns(lines)}
    for name in dict.fromkeys(name for name, _ in held):
        yield f"### {name}\n"
        yield from _of_set(lines, name, {shots: some for (of, shots), some in held.items() if of == name})
    yield f"### Ablations\n\n{_ablations(lines)}"
    yield f"### Described\n\n{_described(lines)}"
    yield f"### Cost\n\n{_costs(lines)}"
    yield "### Chosen\n"
    yield from _chosen(lines)
    yield "\n### Goals\n"
    yield from (f"- {line}" for line in goals(lines, held))


def _of_set(lines: Lines, name: str, held: Mapping[int, Mapping[str, Paired]]) -> Iterator[str]:
    """Accuracy, and what each method has more than GA-Net on the same items."""
    methods, shots = methods_of(name), list(map(_shots, held))
    rows = [[METHODS[method], *(_mean(lines, name, count, method) for count in held)] for method in methods]
    yield markdown_table(["method", *shots], rows)
    others = [method for method in methods if method != GA_NET]
    rows = [[METHODS[method], *(_points(some.get(method)) for some in held.values())] for method in others]
    yield markdown_table([f"points above {METHODS[GA_NET]}", *shots], rows)


def goals(lines: Lines, held: Mapping[tuple[str, int], Mapping[str, Paired]]) -> Iterator[str]:
    """Each goal with what was measured."""
    cells = [(name, shots, method, one) for (name, shots), some in held.items() for method, one in some.items()]
    ahead = [f"{METHODS[m]} on {n} at {_shots(s)}, {_said(one)}" for n, s, m, one in cells if one.low > 0]
    yield f"ahead of GA-Net with an interval above 0, of {len(cells)}: {'; '.join(ahead) or 'none'}"
    wide = [one for *_, one in cells if _half(one) >= HALF_WIDTH]
    most = max(map(_half, wide), default=0)
    yield f"half-width of {HALF_WIDTH} points or more: {len(wide)} of {len(cells)}, at most {most:.1f}"
    for shots, points in LEAD.items():
        leads = {name: -some[REGRESSION].difference * 100 for (name, of), some in held.items() if of == shots}
        met = sum(lead >= points for lead in leads.values()) >= ON_SETS
        said = ", ".join(f"{name} {lead:+.1f}" for name, lead in leads.items())
        yield f"{points:g} points above logistic regression at {_shots(shots)}: {said}: {'met' if met else 'missed'}"
    if mean := _over_shots(lines, ABLATED):
        met = "met" if mean.low > 0 else "missed"
        yield f"GA-Net above untrained diffusion on {ABLATED}, mean over shots: {_said(mean)}: {met}"


def _columns(lines: Lines) -> list[tuple[str, int]]:
    there = {(cell.set, cell.shots) for cell in lines}
    return [(name, shots) for name in SHOTS for shots in sorted(SHOTS[name]) if (name, shots) in there]


def _scores(lines: Lines, name: str, shots: int, method: str) -> Scores:
    found = {seed: lines.get(Cell(name, shots, method, seed)) for seed in SEEDS}
    return {seed: line.scores for seed, line in found.items() if line}


def _against(lines: Lines, name: str, shots: int, methods: Sequence[str]) -> dict[str, Paired]:
    """Each method's lead over GA-Net, over the seeds that both have."""
    own = _scores(lines, name, shots, GA_NET)
    others = {method: _scores(lines, name, shots, method) for method in methods if method != GA_NET}
    return {method: paired(method, some, GA_NET, own) for method, some in others.items() if some.keys() & own.keys()}


def _over_shots(lines: Lines, name: str) -> Paired | None:
    """GA-Net's lead over untrained diffusion: an item's score is its mean over the shots of a seed."""
    means = []
    for method in (GA_NET, DIFFUSION):
        every = [_scores(lines, name, shots, method) for shots in SHOTS[name]]
        whole = [seed for seed in SEEDS if all(seed in one for one in every)]
        means.append({s: {i: statistics.fmean(one[s][i] for one in every) for i in every[0][s]} for s in whole})
    return paired(GA_NET, means[0], DIFFUSION, means[1]) if means[0].keys() & means[1].keys() else None


def _ablations(lines: Lines) -> str:
    methods = {GA_NET: "GA-Net, solved", **ABLATIONS, DIFFUSION: "no training (diffusion)"}
    held = {shots: _against(lines, ABLATED, shots, list(methods)) for shots in FIRST}
    heads = ["GA-Net on emoji", *map(_shots, FIRST), *(f"points, {_shots(n)}" for n in FIRST)]
    rows = [
        [row, *(_mean(lines, ABLATED, n, m) for n in FIRST), *(_points(held[n].get(m)) for n in FIRST)]
        for m, row in methods.items()
    ]
    return markdown_table(heads, rows)


def _described(lines: Lines) -> str:
    """A captioner's words between none and human ones."""
    methods = ["logistic_regression_pictures", *DESCRIBED, "logistic_regression_words", REGRESSION]
    rows = [[{**METHODS, **DESCRIBED}[m], *(_mean(lines, ABLATED, n, m) for n in FIRST)] for m in methods]
    return markdown_table(["emoji", *map(_shots, FIRST)], rows)


def _costs(lines: Lines) -> str:
    """Of the most shots on each set, where a method costs most."""
    most = {name: max(shots) for name, shots in SHOTS.items()}
    heads = ["method", *(f"{what}, {name} {shots}" for name, shots in most.items() for what in ("numbers", "CPU s"))]
    rows = []
    for method, row in METHODS.items():
        cells = []
        for name, shots in most.items():
            some = [line for line in lines.values() if (line.set, line.shots, line.method) == (name, shots, method)]
            counts = f"{some[0].trainable:,} / {some[0].fitted:,}" if some else "–"
            cells += [counts, f"{statistics.median(one.cpu_seconds for one in some):.1f}" if some else "–"]
        rows.append([row, *cells])
    return markdown_table(heads, rows)


def _chosen(lines: Lines) -> Iterator[str]:
    """How often validation chose each value."""
    counts: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for line in lines.values():
        for path, value in line.chosen.items():
            counts[line.method, path.removeprefix("task.").removeprefix("adapter.")][label(value)] += 1
    of_method: dict[str, list[str]] = defaultdict(list)
    for (method, path), some in counts.items():
        of_method[method].append(f"{path} {', '.join(f'{value}: {count}' for value, count in sorted(some.items()))}")
    named = {**METHODS, **ABLATIONS, **DESCRIBED}
    yield from (f"- {named[method]}: {'; '.join(said)}" for method, said in of_method.items())


def _flat(lines: Lines) -> Iterator[dict[str, object]]:
    places = sorted({(cell.set, cell.shots, cell.seed) for cell in lines})
    for name, shots, seed in places:
        found = {m: lines.get(Cell(name, shots, m, seed)) for m in [*METHODS, *ABLATIONS, *DESCRIBED]}
        accuracies = {method: f"{line.test:.4f}" if line else None for method, line in found.items()}
        yield {"set": name, "shots": shots, "seed": seed, **accuracies}


def _mean(lines: Lines, name: str, shots: int, method: str) -> str:
    some = [line.test for seed in SEEDS if (line := lines.get(Cell(name, shots, method, seed)))]
    if not some:
        return "–"
    spread = f" ± {_decimal(statistics.stdev(some))}" if len(some) > 1 else ""
    return f"{_decimal(statistics.fmean(some))}{spread}"


def _decimal(value: float) -> str:
    return f"{value:.3f}".removeprefix("0")


def _points(one: Paired | None) -> str:
    if one is None:
        return "–"
    return f"**{_said(one)}**" if one.low > 0 else _said(one)


def _said(one: Paired) -> str:
    return f"{100 * one.difference:+.1f} ({100 * one.low:+.1f} to {100 * one.high:+.1f})"


def _half(one: Paired) -> float:
    return 50 * (one.high - one.low)


def _shots(count: int) -> str:
    return f"{count} shot{'s' if count > 1 else ''}"
