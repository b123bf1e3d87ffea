"""``graftwork predict``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from .options import format_option
from .say import print_json, say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..data.given_items import Row
    from ..data.items import Item
    from ..data.prediction import Prediction
    from ..training.predictor import Predictor


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
@click.option("--top", type=click.IntRange(min=1), default=3, show_default=True, help="Classes to show an image.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1, mps.")
def command(
    run: str,
    images: tuple[str, ...],
    style: str,
    texts: tuple[str, ...],
    sounds: tuple[str, ...],
    top: int,
    device: str,
) -> None:
    """Predict label and probability of IMAGES (with --text, --sound) with a finished RUN; of a run on sounds alone, of
    sound files.

    Files that cannot be read are named on standard error, the others are predicted; the exit code is then 2. A run
    that reads two pictures together takes IMAGES two by two.
    """
    if not (images or texts or sounds):
        raise click.UsageError("Missing argument 'IMAGES...'.")
    from ...registry.errors import one_line
    from ..data.given_items import name_of

    predictor = _loaded(run, device)
    items, broken = _opened(predictor, predictor.named(images, texts, sounds))
    answers = zip(map(name_of, items), predictor.answer(items), strict=True)
    found = [(name, one) for name, answer in answers for one in answer.each()]
    if style == "json":
        print_json([{"image": image, **_json(one, top)} for image, one in found])
    else:
        for image, one in found:
            shares = [f"{one_line(name)} {share:.3f}" for name, share in list(one.probabilities.items())[:top]]
            others = f"  ({', '.join(shares[1:])})" if shares[1:] else ""
            say(f"{one_line(image)}: {shares[0]}{others}")
            if one.description is not None:
                say(f"  {one_line(one.description) or 'nothing said'}")
    for message in broken:
        say(f"error: {message}", err=True)
    if broken:
        raise SystemExit(2)


def _loaded(run: str, device: str) -> Predictor:
    """The predictor; another policy than the run's is said as a note, other code as a warning."""
    import warnings

    from ..run.load import CodeWarning, PolicyWarning, load

    with warnings.catch_warnings(record=True) as caught:
        for category in (PolicyWarning, CodeWarning):
            warnings.simplefilter("always", category)
        predictor = load(run, device=device)
    for one in caught:
        say(f"{'warning' if issubclass(one.category, CodeWarning) else 'note'}: {one.message}", err=True)
    return predictor


def _opened(predictor: Predictor, rows: Sequence[Row]) -> tuple[list[Item], list[str]]:
    """The items that can be read, and why others cannot."""
    from ..data.given_items import name_of_row
    from ..data.items import DataError

    items: list[Item] = []
    broken: list[str] = []
    for number, row in enumerate(rows):
        try:
            items.append(predictor.open(row, name_of_row(row, number)))
        except DataError as error:
            broken.append(str(error))
    return items, broken


def _json(prediction: Prediction, top: int) -> dict[str, Any]:
    value = prediction.to_json()
    value["probabilities"] = dict(list(prediction.probabilities.items())[:top])
    return value
