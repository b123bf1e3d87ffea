"""What the answers to single items add up to: by class, confused, calibrated. Light: no torch."""

from __future__ import annotations

from ..storage.run_folder import RunFolderError
from .blocks import Cell, Chart, Lines, Missing, Part, Section, Table, count, number, row
from .charts import reliability_chart
from .figures_of_answers import Answered, answered, by_class, calibration, confusions
from .read_run import ReportedRun

#: Classes of a matrix that is drawn whole; of more, the pairs that are confused most.
MOST_CLASSES = 30
MOST_PAIRS = 40


def answer_parts(run: ReportedRun) -> list[Part]:
    """By class, confusions and calibration; or why there is none."""
    titles = ["By class", "Confusions", "Calibration"]
    if run.result.predictions is None:
        return [Missing(title, "the run keeps no predictions of single items") for title in titles]
    try:
        answers = answered(run.answers)
    except RunFolderError as error:
        return [Missing(title, str(error)) for title in titles]
    if not answers:
        return [Missing(title, "no item of the reported split has a label") for title in titles]
    labelled = [one for one in answers if one.label is not None]
    if not labelled:
        why = "several answers are right to each item"
        return [Missing(titles[0], why), Missing(titles[1], why), _calibration(answers)]
    left_out = len(answers) - len(labelled)
    few = (
        [Lines([f"{left_out:,} of {len(answers):,} are left out: several answers are right to them."])]
        if left_out
        else []
    )
    return [_by_class(run, labelled, few), _confusions(run, labelled, few), _calibration(answers)]


def _seeds(run: ReportedRun) -> str:
    seeds = run.result.seeds
    return "one seed" if len(seeds) == 1 else f"all {len(seeds)} seeds together, each item once a seed"


def _by_class(run: ReportedRun, answers: list[Answered], few: list[Lines]) -> Section:
    found = by_class(answers, run.result.dataset.class_names)
    rows = [row(one.name, *map(_share, (one.precision, one.recall, one.f1)), count(one.items)) for one in found]
    caption = f"Figures by class on {run.result.test_on}, {_seeds(run)}"
    return Section("By class", [*few, Table(caption, ["class", "precision", "recall", "F1", "items"], rows)])


def _share(value: float | None) -> Cell:
    return Cell("–", -1.0) if value is None else number(value)


def _confusions(run: ReportedRun, answers: list[Answered], few: list[Lines]) -> Section:
    pairs = confusions(answers)
    met = {name for pair in pairs for name in pair}
    names = [name for name in run.result.dataset.class_names if name in met]
    right = sum(times for (label, said), times in pairs.items() if label == said)
    summary = Lines([f"{right:,} of {pairs.total():,} answers are right, {_seeds(run)}."])
    wrong = [(pair, times) for pair, times in pairs.most_common() if pair[0] != pair[1]]
    if len(names) > MOST_CLASSES:
        rows = [row(label, said, count(times)) for (label, said), times in wrong[:MOST_PAIRS]]
        caption = f"The pairs that are confused most, of {len(names)} classes"
        return Section("Confusions", [*few, summary, Table(caption, ["class", "predicted", "answers"], rows)])
    totals = {label: sum(pairs[label, said] for said in names) for label in names}
    rows = [row(label, *(_times(pairs[label, said], totals[label]) for said in names)) for label in names]
    caption = "Confusion matrix: a row is a class, a column what was predicted; shaded by the share of the row"
    return Section("Confusions", [*few, summary, Table(caption, ["class", *names], rows, sortable=False, matrix=True)])


def _times(times: int, of: int) -> Cell:
    return Cell(str(times), float(times), round(times / of, 3) if of and times else None)


def _calibration(answers: list[Answered]) -> Section:
    bins, error = calibration(answers)
    confidence = sum(one.confidence for one in answers) / len(answers)
    right = sum(one.right for one in answers) / len(answers)
    less = "more" if confidence > right else "less"
    said = (
        f"Expected calibration error {error:.4f} ({len(bins)} of 15 bins of equal width hold answers). The mean "
        f"confidence is {confidence:.4f} and {right:.4f} are right: it is {less} confident than right."
    )
    alt = "; ".join(f"confidence {one.confidence:.2f}: {one.right:.2f} right of {one.count}" for one in bins)
    chart = Chart("Reliability, and how many answers are as confident", alt, reliability_chart(bins))
    return Section("Calibration", [Lines([said]), chart])
