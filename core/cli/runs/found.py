"""What ``predict`` says of a run whose task is pairs: which of the images or clips each text is nearest to."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from ..say import print_json, say
from .answers import Unread, opened
from .prediction_files import Said

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...layers.predictor import LayerPredictor
    from ...training.predictor import Predictor


def pairs_of(predictor: Predictor) -> LayerPredictor | None:
    """The predictor, where its task is pairs."""
    from ...layers.predictor import LayerPredictor
    from ...roles.specs import PairTaskSpec

    pairs = isinstance(predictor.spec.task, PairTaskSpec)
    return predictor if pairs and isinstance(predictor, LayerPredictor) else None


def say_found(
    predictor: LayerPredictor,
    files: Sequence[str],
    texts: Sequence[str],
    every: float | None,
    unread: Unread,
    top: int,
    style: str,
) -> None:
    """A line a text, the ``top`` nearest first, with their cosines; in JSON a list. Raises ``DataError``."""
    from ....registry.errors import one_line
    from ...data.given_clips import pictures_or_clips
    from ...data.items import DataError

    if not files or not texts:
        raise DataError("this run finds images or clips by a text: give files to look among, and --text QUERY")
    looked, clips = pictures_or_clips(files, cut=every is not None)
    rows = predictor.shown(None, looked, every) if clips else predictor.shown(looked, None, every)
    names: deque[Said | str] = deque()
    scores = predictor.similarity_of(opened(predictor, rows, names, unread), list(texts))
    found: list[dict[str, Any]] = []
    for text, cosines in zip(texts, scores.T, strict=True):
        order = cosines.argsort(descending=True, stable=True).tolist()[:top]
        nearest = [{"image": str(names[one]), "cosine": float(cosines[one])} for one in order]
        found.append({"text": text, "found": nearest})
    if style == "json":
        print_json(found)
        return
    for one in found:
        best, *others = (f"{one_line(item['image'])} {item['cosine']:.3f}" for item in one["found"])
        say(f"{one_line(one['text'])}: {best}" + (f"  ({', '.join(others)})" if others else ""))
