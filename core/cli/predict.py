"""``graftwork predict``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from .options import format_option, print_json

if TYPE_CHECKING:
    from ..data.prediction import Prediction
    from ..features.predictor import Predictor
    from ..layers.predictor import LayerPredictor


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
    from ..features.predictor import Predictor

    predictor = _loaded(run, device)
    if isinstance(predictor, Predictor):
        found, broken = _on_features(predictor, images, texts, sounds)
    else:
        found, broken = _through_towers(predictor, images, texts, sounds), []
    if style == "json":
        print_json([{"image": image, **_json(one, top)} for image, one in found])
    else:
        for image, one in found:
            others = ", ".join(f"{name} {share:.3f}" for name, share in list(one.probabilities.items())[1:top])
            click.echo(f"{image}: {one.label} {one.probability:.3f}" + (f"  ({others})" if others else ""))
            if one.description is not None:
                click.echo(f"  {one_line(one.description) or 'nothing said'}")
    for message in broken:
        click.echo(f"error: {message}", err=True)
    if broken:
        raise SystemExit(2)


def _on_features(
    predictor: Predictor, images: tuple[str, ...], texts: tuple[str, ...], sounds: tuple[str, ...]
) -> tuple[list[tuple[str, Prediction]], list[str]]:
    if sounds:
        raise click.UsageError("this run hears no sounds")
    if not images:
        raise click.UsageError("Missing argument 'IMAGES...'.")
    if texts and len(texts) != len(images):
        raise click.BadParameter(f"{len(texts)} texts for {len(images)} images", param_hint="--text")
    return _predict_each(predictor, images, texts)


def _through_towers(
    predictor: LayerPredictor, images: tuple[str, ...], texts: tuple[str, ...], sounds: tuple[str, ...]
) -> list[tuple[str, Prediction]]:
    """What each item is called and its prediction; an item of several predictions has a line for each."""
    together = predictor.passes if predictor.spec.task.passes_are == "joined" else 1
    grouped = [images[start : start + together] for start in range(0, len(images), together)]
    pictures = list(images) if together == 1 else grouped
    names = [" ".join(group) for group in grouped] or list(sounds) or list(texts)
    found = predictor.predict(pictures or None, list(texts) or None, list(sounds) or None)
    flat = [one if isinstance(one, list) else [one] for one in found]
    return [(name, each) for name, one in zip(names, flat, strict=True) for each in one]


def _loaded(run: str, device: str) -> Predictor | LayerPredictor:
    """The predictor; another policy than the run's is said as a note, other code as a warning."""
    import warnings

    from ..run.load import CodeWarning, PolicyWarning, load

    with warnings.catch_warnings(record=True) as caught:
        for category in (PolicyWarning, CodeWarning):
            warnings.simplefilter("always", category)
        predictor = load(run, device=device)
    for one in caught:
        click.echo(f"{'warning' if issubclass(one.category, CodeWarning) else 'note'}: {one.message}", err=True)
    return predictor


def _predict_each(
    predictor: Predictor, images: tuple[str, ...], texts: tuple[str, ...]
) -> tuple[list[tuple[str, Prediction]], list[str]]:
    from ..data.items import DataError

    opened: list[tuple[str, Any]] = []
    said: list[str] = []
    broken: list[str] = []
    for index, image in enumerate(images):
        try:
            opened.append((image, predictor.open(image)))
            said += texts[index : index + 1]
        except DataError as error:
            broken.append(str(error))
    predictions = predictor.predict([content for _, content in opened], said or None)
    return [(image, one) for (image, _), one in zip(opened, predictions, strict=True)], broken


def _json(prediction: Prediction, top: int) -> dict[str, Any]:
    value = prediction.to_json()
    value["probabilities"] = dict(list(prediction.probabilities.items())[:top])
    return value
