"""What is said of a tower that no adapter can enter."""

from __future__ import annotations

from collections.abc import Sequence


def no_blocks(model: str, modalities: Sequence[str]) -> str:
    """That no adapter can enter a model, and what to do."""
    advice = {"image": "a ViT", "video": "a VideoMAE", "audio": "an AST", "text": "a BERT-like text encoder"}
    instead = " and ".join(advice[modality] for modality in modalities)
    return (
        f"encoder.model: no adapter can enter the {' or '.join(modalities)} tower of `{model}`: it has no row of "
        f"transformer blocks of one width; take {instead}, or an adapter on features"
    )
