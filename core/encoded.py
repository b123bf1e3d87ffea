"""What an encoder gives of a batch, as arrays to store: held against its role."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .contract import broken, form
from .encoder import Encoder
from .store import Array

if TYPE_CHECKING:
    from torch import Tensor


def vectors_of(encoder: Encoder, modality: str, batch: Sequence[Any]) -> list[Array]:
    """A float32 vector [d] each. Raises ``ContractError`` for another shape or count, and for what is not finite."""
    given = encoder.encode(modality, batch)
    if _dimensions(given) != 2 or len(given) != len(batch):
        raise broken("encoder", encoder, f"gave {form(given)} for {_many(batch, modality)}; `encode` gives [B, d]")
    return list(_array(encoder, given, modality))


def tokens_of(encoder: Encoder, modality: str, batch: Sequence[Any]) -> list[Array]:
    """Float32 tokens [T, d] each. Raises ``ContractError`` as ``vectors_of`` does."""
    given = encoder.encode_tokens(modality, batch)
    if not isinstance(given, list) or len(given) != len(batch) or any(_dimensions(one) != 2 for one in given):
        forms = ", ".join(map(form, given[:3])) if isinstance(given, list) else form(given)
        raise broken(
            "encoder", encoder, f"gave {forms} for {_many(batch, modality)}; `encode_tokens` gives a list of [T, d]"
        )
    return [_array(encoder, one, modality) for one in given]


def _dimensions(given: object) -> int | None:
    """``None`` of what is no tensor."""
    import torch

    return given.ndim if isinstance(given, torch.Tensor) else None


def _array(encoder: Encoder, given: Tensor, modality: str) -> Array:
    import torch

    if not given.isfinite().all():
        raise broken("encoder", encoder, f"gave NaN or infinity for an input ({modality})")
    array: Array = given.detach().to("cpu", torch.float32).numpy()
    return array


def _many(batch: Sequence[Any], modality: str) -> str:
    return f"{len(batch)} input{'' if len(batch) == 1 else 's'} ({modality})"
