"""``graftwork predict``."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

import click

from ..options import format_option
from ..say import print_json_list, say

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ...data.given_items import Row
    from ...data.items import Item
    from ...data.prediction import Prediction
    from ...training.predictor import Predictor


@click.command("predict", epilog="Example: graftwork predict runs/ganet-digits digit.png other.png --format json")
@click.argument("run", type=click.Path())
@click.argument("images", nargs=-1, type=click.Path())
@format_option("text", "json")
@click.option(
    "--text", "texts", multiple=True, help="What an image shows or is asked, for runs on texts; one an item, in order."
)
@click.option(
    "--sound", "sounds", multiple=True, type=click.Path(), help="A sound file, for runs on sounds; one an item."
)
@click.option(
    "--every", type=float, help="Seconds of a segment, where a run answers clips segment by segment.", metavar="SECONDS"
)
@click.option(
    "--masks", "folder", type=click.Path(), help="A new folder for PNG files, for runs that give masks.", metavar="DIR"
)
@click.option("--top", type=click.IntRange(min=1), default=3, show_default=True, help="Classes to show an image.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1, mps.")
def command(
    run: str,
    images: tuple[str, ...],
    style: str,
    texts: tuple[str, ...],
    sounds: tuple[str, ...],
    every: float | None,
    folder: str | None,
    top: int,
    device: str,
) -> None:
    """Predict label and probability of IMAGES (with --text, --sound) with a finished RUN; of a run on sounds alone, of
    sound files; of a run on clips, of clips. A folder stands for the files in it.

    Files that cannot be read are named on standard error, the others are predicted; the exit code is then 2. Answers
    come in order, a batch at a time: a few files are in memory, whatever their number. A run that reads two pictures
    together takes IMAGES two by two.
    """
    if not (images or texts or sounds):
        raise click.UsageError("Missing argument 'IMAGES...'.")
    predictor = _loaded(run, device)
    broken: list[str] = []
    rows = predictor.named(images, texts, sounds, every)
    if folder is not None:
        _write_masks(predictor, rows, folder, broken)
        if broken:
            raise SystemExit(2)
        return
    answers = _answers(predictor, rows, broken)
    if style == "json":
        print_json_list({"image": image, **_json(one, top)} for image, _, one in answers)
    else:
        for image, segment, one in answers:
            _print(image + segment, one, top)
    if broken:
        raise SystemExit(2)


def _loaded(run: str, device: str) -> Predictor:
    """The predictor; another policy than the run's is said as a note, other code and other reading as a warning."""
    from ...run.load import load
    from ..options import warnings_said

    with warnings_said():
        return load(run, device=device)


def _answers(predictor: Predictor, rows: Sequence[Row], broken: list[str]) -> Iterator[tuple[str, str, Prediction]]:
    """What is said of each item that can be read, with its name and, of several segments, which it is.

    Why others cannot is told and added to ``broken``.
    """
    names: deque[str] = deque()
    for answer in predictor.answer(_opened(predictor, rows, names, broken)):
        name = names.popleft()
        each = answer.each()
        for number, one in enumerate(each, start=1):
            yield name, f" segment {number} of {len(each)}" if len(each) > 1 else "", one


def _opened(predictor: Predictor, rows: Sequence[Row], names: deque[str], broken: list[str]) -> Iterator[Item]:
    """The items that can be read, whose names are added to ``names``."""
    from ...data.given_items import name_of, name_of_row
    from ...data.items import DataError

    for number, row in enumerate(rows):
        try:
            item = predictor.open(row, name_of_row(row, number))
        except DataError as error:
            broken.append(str(error))
            say(f"error: {error}", err=True)
        else:
            names.append(name_of(item))
            yield item


def _write_masks(predictor: Predictor, rows: Sequence[Row], folder: str, broken: list[str]) -> None:
    """A PNG a picture, white where the mask is, in a new folder: ``1.png``; of an item of several ``1_1.png``."""
    from pathlib import Path

    from PIL import Image

    from ...data.items import DataError
    from ...layers.predictor import LayerPredictor

    if not isinstance(predictor, LayerPredictor):
        raise DataError(f"task `{predictor.spec.task.type}` gives no masks; leave --masks out")
    place = Path(folder)
    if place.exists() and (not place.is_dir() or any(place.iterdir())):
        raise DataError(f"--masks: {folder} is not empty; name a new folder")
    place.mkdir(parents=True, exist_ok=True)
    names: deque[str] = deque()
    for item, masks in enumerate(predictor.masks_of(_opened(predictor, rows, names, broken)), start=1):
        name = names.popleft()
        for number, mask in enumerate(masks, start=1):
            path = place / (f"{item}_{number}.png" if len(masks) > 1 else f"{item}.png")
            Image.fromarray(mask).save(path)
            say(f"{name}: {path}, {mask.mean():.1%} of it")


def _print(image: str, one: Prediction, top: int) -> None:
    from ....registry.errors import one_line

    others = ", ".join(f"{one_line(name)} {share:.3f}" for name, share in list(one.probabilities.items())[1:top])
    say(f"{one_line(image)}: {one_line(one.label)} {one.probability:.3f}" + (f"  ({others})" if others else ""))
    if one.description is not None:
        say(f"  {one_line(one.description) or 'nothing said'}")


def _json(prediction: Prediction, top: int) -> dict[str, Any]:
    value = prediction.to_json()
    value["probabilities"] = dict(list(prediction.probabilities.items())[:top])
    return value
