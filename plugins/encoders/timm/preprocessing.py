"""How a picture becomes pixels, where the spec says otherwise than the model's own configuration. Light: no torch."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from ....registry.spec import Items, Spec

Channels = Annotated[Items[float], Field(min_length=3, max_length=3)]
#: How Edge models of the EfficientNet family were trained: (x - 127) / 128 of x in [0, 255].
EDGE_MEAN, EDGE_STD = (127 / 255,) * 3, (128 / 255,) * 3


class PreprocessingSpec(Spec):
    """What is said here stands in place of the model's `pretrained_cfg`; the rest stays as that says."""

    size: Annotated[int, Field(ge=8, le=4096)] | None = None
    """Side of the square of pixels. Models whose positions are fixed take their own alone."""
    crop: Annotated[float, Field(gt=0, le=1)] | None = None
    """Share of the resized picture's side that is kept (timm's `crop_pct`): 0.875 resizes to 256 and cuts out 224."""
    crop_mode: Literal["center", "squash", "border"] | None = None
    """`center`: the middle of a picture whose short side is resized. `squash`: both sides resized, whatever their
    ratio. `border`: the long side resized, the rest filled with `mean`."""
    interpolation: Literal["nearest", "bilinear", "bicubic", "lanczos", "box", "hamming"] | None = None
    """How it is resized."""
    mean: Channels | None = None
    """Subtracted from pixels in [0, 1], of each channel."""
    std: Channels | None = None
    """What the difference is divided by, of each channel."""

    def over(self, own: dict[str, Any]) -> dict[str, Any]:
        """A ``pretrained_cfg`` with what is said here put in."""
        said = {
            "input_size": None if self.size is None else (3, self.size, self.size),
            "crop_pct": self.crop,
            "crop_mode": self.crop_mode,
            "interpolation": self.interpolation,
            "mean": self.mean,
            "std": self.std,
        }
        return own | {key: value for key, value in said.items() if value is not None}
