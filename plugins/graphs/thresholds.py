"""The forms of tau: a number, a quantile, an average degree, or one of these for each block. Light: no torch."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Discriminator, Field, Tag

from ...registry.spec import Spec

#: Edges between images, across, between texts: with images 0 and texts 1, an edge's two ends add up to its place here.
BLOCKS = ("vv", "vt", "tt")


class Quantile(Spec):
    """The highest threshold that a share of 1 - q of all pairs of the support set reaches."""

    quantile: Annotated[float, Field(ge=0, le=1)]
    """q, 0 to 1: 0.99 keeps the closest hundredth of the pairs."""


class AverageDegree(Spec):
    """The highest threshold at which the nodes of the support set have k neighbours on average."""

    average_degree: Annotated[float, Field(ge=0)]
    """k."""


def _form(value: Any) -> str | None:
    """Which form a value has: by its keys, so that an error speaks of the form that was meant."""
    if isinstance(value, Quantile) or (isinstance(value, dict) and "quantile" in value):
        return "a quantile"
    if isinstance(value, AverageDegree) or (isinstance(value, dict) and "average_degree" in value):
        return "an average degree"
    if isinstance(value, Blocks) or (isinstance(value, dict) and value.keys() & {"vv", "tt", "vt"}):
        return "blocks"
    return None if isinstance(value, dict) else "a number"


_FORMS = 'a number from -1 to 1, {"quantile": q} or {"average_degree": k}'
_Forms = (
    Annotated[Annotated[float, Field(ge=-1, le=1)], Tag("a number")]
    | Annotated[Quantile, Tag("a quantile")]
    | Annotated[AverageDegree, Tag("an average degree")]
)
OneThreshold = Annotated[
    _Forms,
    Discriminator(
        lambda value: None if _form(value) == "blocks" else _form(value),
        custom_error_type="threshold_form",
        custom_error_message="expected {forms}",
        custom_error_context={"forms": _FORMS},
    ),
]


class Blocks(Spec):
    """A threshold for each block of a graph over images and texts, whose cosines lie in different ranges."""

    vv: OneThreshold
    """Between images (patches)."""
    tt: OneThreshold
    """Between texts (words)."""
    vt: OneThreshold
    """Between an image and a text. An average degree counts an image's texts."""

    def each(self) -> dict[str, float | Quantile | AverageDegree]:
        """Block to threshold."""
        return {"vv": self.vv, "vt": self.vt, "tt": self.tt}


Threshold = Annotated[
    _Forms | Annotated[Blocks, Tag("blocks")],
    Discriminator(
        _form,
        custom_error_type="threshold_form",
        custom_error_message="expected {forms}",
        custom_error_context={
            "forms": f'{_FORMS}, or one of these for each block: {{"vv": ..., "tt": ..., "vt": ...}}'
        },
    ),
]


def each_block(threshold: float | Quantile | AverageDegree | Blocks) -> dict[str, float | Quantile | AverageDegree]:
    """Block to threshold, whether they differ or not."""
    return threshold.each() if isinstance(threshold, Blocks) else dict.fromkeys(BLOCKS, threshold)


def numbers(threshold: float | Quantile | AverageDegree | Blocks) -> dict[str, float]:
    """The thresholds of those blocks that are numbers already."""
    return {name: one for name, one in each_block(threshold).items() if isinstance(one, float | int)}


def is_relative(threshold: float | Quantile | AverageDegree | Blocks) -> bool:
    """Whether any part of it has to be settled on the support set."""
    return len(numbers(threshold)) < len(BLOCKS)
