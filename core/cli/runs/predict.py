"""``graftwork predict``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ..options import force_option, format_option, require_free
from ..progress import shown_progress
from ..say import print_json, print_json_list, say
from .answers import Unread, answers, write_masks
from .found import pairs_of, say_found
from .prediction_files import PredictionFile, Said, prediction_file

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...data.given_items import Row
    from ...training.predictor import Predictor


@click.command("predict", epilog="Example: graftwork predict runs/ganet-digits digit.png other.png --format json")
@click.argument("run", type=click.Path())
@click.argument("images", nargs=-1, type=click.Path())
@format_option("text", "json")
@click.option(
    "--text",
    "texts",
    multiple=True,
    help="What an image shows or is asked, for runs on texts; one an item, in order. For retrieval: what to find.",
)
@click.option(
    "--sound", "sounds", multiple=True, type=click.Path(), help="A sound file, for runs on sounds; one an item."
)
@click.option(
    "--every", type=float, help="Seconds of a segment, where a run on pictures is given clips.", metavar="SECONDS"
)
@click.option(
    "--masks", "folder", type=click.Path(), help="A new folder for PNG files, for runs that give masks.", metavar="DIR"
)
@click.option(
    "--out",
    type=PredictionFile(dir_okay=False),
    metavar="FILE",
    help="Write the answers there, a row each, as .csv or .jsonl, with progress on standard error.",
)
@force_option
@click.option(
    "--on-error",
    type=click.Choice(("report", "fail", "skip", "record")),
    default="report",
    show_default=True,
    help="Of items that cannot be read: name them, predict the others, exit code 2; stop at the first; leave them out; "
    "write a row with the reason into --out.",
)
@click.option(
    "--top",
    type=click.IntRange(min=1),
    default=3,
    show_default=True,
    help="Classes to show an image; of retrieval, finds a text.",
)
@click.option("--after", help="Ask the state after this task of a run over tasks, not the last one.", metavar="TASK")
@click.option("--task", help="The task that the items are of, where it is known: answers are among its classes.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1, mps.")
def command(
    run: str,
    images: tuple[str, ...],
    style: str,
    texts: tuple[str, ...],
    sounds: tuple[str, ...],
    every: float | None,
    folder: str | None,
    out: str | None,
    force: bool,
    on_error: str,
    top: int,
    after: str | None,
    task: str | None,
    device: str,
) -> None:
    """Predict label and probability of IMAGES (with --text, --sound) with a finished RUN; of a run on sounds alone, of
    sound files; of a run on clips, of clips. A folder stands for the files in it, a pattern ('*.png') for those that
    match. A run on pictures takes clips, too, cut into segments (--every): it answers each, or the whole. A run of
    retrieval says which of IMAGES each --text is nearest to.

    Files that cannot be read are named on standard error, the others are predicted; the exit code is then 2
    (--on-error says otherwise). Answers come in order, a batch at a time: a few files are in memory, whatever their
    number. A run that reads two pictures together takes IMAGES two by two.
    """
    if not (images or texts or sounds):
        raise click.UsageError("Missing argument 'IMAGES...'.")
    if on_error == "record" and out is None:
        raise click.UsageError("--on-error record writes into a file: name one with --out")
    if out is not None:
        require_free(out, force)
    predictor, unread = _loaded(run, device, after, task), Unread(on_error)
    if (pairs := pairs_of(predictor)) is not None:
        if folder is not None or out is not None or sounds:
            option = "--masks" if folder is not None else "--out" if out is not None else "--sound"
            raise click.UsageError(f"this run finds items by a text, one answer a --text; leave {option} out")
        say_found(pairs, images, texts, every, unread, top, style)
        unread.end()
        return
    rows = predictor.named(images, texts, sounds, every)
    if folder is not None:
        write_masks(predictor, rows, folder, unread)
    elif out is not None:
        _write_answers(predictor, rows, out, unread, top, style)
    elif style == "json":
        print_json_list(one.to_json(top) for one in answers(predictor, rows, unread))
    else:
        for one in answers(predictor, rows, unread):
            _print(one, top)
    unread.end()


def _loaded(run: str, device: str, after: str | None, task: str | None) -> Predictor:
    """The predictor; another policy than the run's is said as a note, other code and other reading as a warning."""
    from ...run.load import load
    from ..options import warnings_said

    with warnings_said():
        return load(run, device=device, after=after, task=task)


def _write_answers(predictor: Predictor, rows: Sequence[Row], out: str, unread: Unread, top: int, style: str) -> None:
    """A row an answer; progress is told by the item."""
    from pathlib import Path

    from ...events import StageAdvanced, StageStarted

    written = done = 0
    with shown_progress() as tell, prediction_file(Path(out), min(top, len(predictor.class_names))) as write:
        tell(StageStarted("predict", len(rows)))
        for one in answers(predictor, rows, unread):
            write(one)
            written += 1
            done += one.segment == one.segments  # of an item's segments the last
            tell(StageAdvanced("predict", done + (unread.count if unread.on_error != "record" else 0)))
    if style == "json":
        print_json({"file": out, "rows": written, "items": len(rows), "unread": unread.count})
    else:
        say(out)


def _print(said: Said, top: int) -> None:
    from ....registry.errors import one_line

    if (one := said.prediction) is None:
        return
    segment = f" segment {said.segment} of {said.segments}" if said.segment else ""
    others = ", ".join(f"{one_line(name)} {share:.3f}" for name, share in list(one.probabilities.items())[1:top])
    line = f"{one_line(said.item + segment)}: {one_line(one.label)} {one.probability:.3f}"
    say(line + (f"  ({others})" if others else ""))
    if one.description is not None:
        say(f"  {one_line(one.description) or 'nothing said'}")
