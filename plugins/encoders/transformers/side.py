"""One side of a loaded model of transformers: how a batch goes in, and what is read out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ....core.roles import EncoderError
from ..pinned_batches import stacked

Inputs = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Hidden:
    """What a tower gives of a batch."""

    #: Last hidden states after the tower's final norm, [B, T, d].
    states: Tensor
    #: bool [B, T], ``True`` where a token stands.
    mask: Tensor
    #: The model's own pooled vector [B, d], before any projection; ``None`` where it has none.
    pooler: Tensor | None


def masked_mean(states: Tensor, mask: Tensor) -> Tensor:
    """Mean over the tokens of [B, T, d] that stand in ``mask`` [B, T]."""
    weights = mask[..., None].to(states.dtype)
    return (states * weights).sum(1) / weights.sum(1).clamp(min=1)


def side_by_side(batch: Sequence[Mapping[str, Tensor]], model: Any) -> dict[str, Any]:
    """What contents have under each key, [B, ...] on the model's device; floating numbers in its dtype."""
    dtypes = {key: model.dtype if one.is_floating_point() else None for key, one in batch[0].items()}
    return {key: stacked([one[key] for one in batch], model.device, dtype) for key, dtype in dtypes.items()}


class Side(ABC):
    """The tower of one modality; ``encode`` and adapters inside the tower go through the same four steps."""

    #: What its vectors are of.
    modality: str
    #: The ``torch.nn.Module`` of transformers that is called with what ``collate`` makes.
    module: Any
    #: Into the joint space, where the model has one and a module for it.
    projection: nn.Module | None = None

    def preprocess(self, content: Any) -> Any:
        """One content, as small as the model takes it; by default as it is."""
        return content

    @abstractmethod
    def collate(self, batch: Sequence[Any]) -> dict[str, Any]:
        """Keyword arguments of ``module`` for preprocessed contents, on its device."""

    def groups(self, batch: Sequence[Any]) -> list[list[int]]:
        """Rows of a batch that go through the model together, where all of them cannot."""
        return [list(range(len(batch)))]

    def mask(self, inputs: Inputs) -> Tensor | None:
        """bool [B, T], true where a token stands; ``None`` where one stands everywhere."""
        return None

    def hidden(self, out: Any, inputs: Inputs) -> Hidden:
        """Hidden states in what ``module`` gave."""
        states = self.states(out)
        mask = self.mask(inputs)
        mask = torch.ones(states.shape[:2], dtype=torch.bool, device=states.device) if mask is None else mask
        pooler = getattr(out, "pooler_output", None)
        return Hidden(states, mask, pooler.flatten(1) if pooler is not None else None)

    def states(self, out: Any) -> Tensor:
        """Last hidden states after the final norm, [B, T, d]."""
        states: Tensor = out.last_hidden_state
        return states

    @abstractmethod
    def pooled(self, hidden: Hidden, pooling: str) -> Tensor:
        """Vectors [B, d]. Raises ``EncoderError`` for a pooling that the model does not have."""

    def projected(self, out: Any) -> Tensor:
        """Vectors [B, d] in the joint space, not normalised."""
        pooler: Tensor = out.pooler_output
        return pooler if self.projection is None else self.projection(pooler)

    def projected_tokens(self, states: Tensor) -> Tensor:
        """The projection of the pooled token, applied to each; without one the states stay as they are."""
        return states if self.projection is None else self.projection(states)

    def no_pooling(self, pooling: str, others: str) -> EncoderError:
        """That the model has no such pooling."""
        return EncoderError(f"encoder.pooling: the {self.modality} tower has no `{pooling}`; take {others}")
