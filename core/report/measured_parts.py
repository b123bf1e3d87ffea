"""What a run measured, what it took, and the spec that it came of. Light: no torch."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from ..run.measured import notes_of
from ..storage.manifest import UNSEALED, is_sealed
from ..storage.run_folder import RunFolderError
from ..studies.conditions import conditions
from ..studies.paired import Unpaired, interval_of, scores_of
from ..studies.tables import values_in_words
from .blocks import Block, Cell, Chart, Lines, Missing, Part, Section, Source, Table, count, number, row
from .charts import lines_chart
from .curves import read_curves
from .read_run import ReportedRun


def result_part(run: ReportedRun) -> Section:
    """The figures with their spread over seeds and their interval over items; under which conditions."""
    result = run.result
    several = len(result.seeds) > 1
    headers = ["metric", *(["mean", "s.d."] if several else []), *(f"seed {seed}" for seed in result.seeds)]
    rows = [
        row(name, *([number(one.mean), number(one.std)] if several else []), *map(number, one.per_seed))
        for name, one in result.test.items()
    ]
    said = f"{result.metric} on {result.test_on}: {result.test[result.metric]}"
    blocks: list[Block] = [
        Lines([said + _interval(run)]),
        Table(f"Figures on {result.test_on}", headers, rows),
    ]
    notes = [*notes_of(result), *([] if is_sealed(run.folder) else [UNSEALED]), *result.dataset.notes]
    if notes:
        blocks.append(Lines(notes, notes=True))
    if result.chosen:
        blocks.append(Lines([f"chosen on {result.select_on}: {values_in_words(result.chosen)}"]))
    held = [row(name, value) for name, value in conditions(result).items()]
    held += [row(f"items of {name}", count(size)) for name, size in result.dataset.sizes.items()]
    blocks.append(Table("Conditions", ["condition", "value"], held, sortable=False))
    return Section("Result", blocks)


def _interval(run: ReportedRun) -> str:
    try:
        low, high = interval_of(scores_of(run.folder, run.result))
    except (Unpaired, RunFolderError) as error:
        return f". No interval: {error}"
    over = "items and seeds" if len(run.result.seeds) > 1 else "items"
    return f"; 95 % interval over {over}: {low:.4f} to {high:.4f}"


def curves_part(run: ReportedRun) -> Part:
    """Loss, and the metric that selects, epoch by epoch."""
    title = "Learning curves"
    if not run.result.parameters.trainable or run.result.epochs == 0:
        return Missing(title, "nothing was trained by gradients")
    curves = read_curves(run.folder, run.result)
    if not curves:
        why = "the run folder holds no epochs: it was made without reporter `jsonl`, or its trainings were found again"
        return Missing(title, why)
    panels = {"training loss": {f"seed {seed}": (one.epochs, one.loss) for seed, one in curves.items()}}
    if all(one.selection for one in curves.values()):
        selecting = f"{run.result.metric} on {run.result.select_on}"
        panels[selecting] = {f"seed {seed}": (one.epochs, one.selection) for seed, one in curves.items()}
    kept = [run.result.epochs_kept[list(run.result.seeds).index(seed)] for seed in curves]
    ends = "; ".join(
        f"seed {seed}: loss {one.loss[0]:.4f} in epoch {one.epochs[0]}, {one.loss[-1]:.4f} in epoch {one.epochs[-1]}, "
        f"epoch {epoch} kept"
        for (seed, one), epoch in zip(curves.items(), kept, strict=True)
    )
    svg = lines_chart(panels, "epoch", kept)
    caption = "Epoch by epoch; the epoch that was kept is ringed (0, the start, is not drawn)"
    return Section(title, [Chart(caption, ends, svg)])


def cost_part(run: ReportedRun) -> Section:
    """Parameters, seconds and memory by stage, the machine."""
    result = run.result
    numbers = result.parameters
    stages = [row(name, number(one.seconds, 2), number(one.peak_memory_mb, 0)) for name, one in result.stages.items()]
    parameters = [
        row("trainable", count(numbers.trainable)),
        row("trainable, share of all", number(numbers.trainable_share, 6)),
        row("fitted without training", count(numbers.fitted)),
        row("frozen", count(numbers.frozen)),
    ]
    where = result.machine
    return Section(
        "Parameters, time and memory",
        [
            Table("Parameters", ["kind", "count"], parameters, sortable=False),
            Table("Stages", ["stage", "seconds", "peak memory (MB)"], stages),
            Lines(
                [
                    f"A training took {result.training_seconds_per_seed:.2f} s (mean over the seeds), on "
                    f"{where.device} with {where.threads} threads; {where.platform}, Python {where.python}. Peak "
                    "memory is of the whole process."
                ]
            ),
        ],
    )


def source_part(run: ReportedRun) -> Section:
    """Versions, and the spec."""
    result = run.result
    path = run.folder / "result.json"
    written = datetime.fromtimestamp(path.stat().st_mtime, UTC).strftime("%Y-%m-%d %H:%M UTC")
    versions = [row(name, Cell(value)) for name, value in {"graftwork": result.graftwork, **result.versions}.items()]
    models = [
        row(kind, Cell(str(one.identity.get("component", ""))), Cell(one.weights[:16]))
        for kind, one in result.encoder.items()
    ]
    blocks: list[Block] = [
        Lines([f"Run folder {run.folder}, result written {written}."]),
        Table("Versions", ["package", "version"], versions),
        Table("Frozen models", ["modality", "component", "sha256 of its weights"], models, sortable=False),
    ]
    if run.pipeline:
        spec = json.dumps(run.pipeline, indent=2, ensure_ascii=False)
        blocks.append(Source("The spec, its chosen search values in it", spec))
    return Section("Versions and spec", blocks)
