"""What is said of a tower that no adapter can enter."""

from __future__ import annotations

from collections.abc import Sequence

_INSTEAD = {
    "image": "a ViT or a ResNet",
    "video": "a VideoMAE",
    "audio": "an AST",
    "text": "a BERT-like text encoder",
}
_NO_BLOCKS = "it has no row of blocks, of one width or in stages, that each run once"


def closed(model: str, modalities: Sequence[str], why: str = _NO_BLOCKS, instead: str | None = None) -> str:
    """That no adapter can enter a model, why, and what to take instead."""
    instead = instead or " and ".join(_INSTEAD[modality] for modality in modalities)
    towers = f"the {' or '.join(modalities)} tower of `{model}`"
    return f"encoder.model: no adapter can enter {towers}: {why}; take {instead}, or an adapter on features"
