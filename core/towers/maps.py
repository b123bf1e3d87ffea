"""The map of a convolutional network, or of a transformer that keeps one, read as tokens and written back."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class Layout:
    """How a hidden state lies in memory: tokens [B, N, d], or a map [B, H, W, d] or, d first, [B, d, H, W]."""

    first: bool = False

    @classmethod
    def of(cls, state: Tensor, width: int, module: nn.Module) -> Layout | None:
        """That of a state of width d which ``module`` takes or gives; ``None`` where no axis for d is as wide.

        Of a map whose rows are as many as d is wide, the module's first layer tells: it is a convolution or linear.
        """
        first, last = state.ndim == 4 and state.shape[1] == width, state.shape[-1] == width
        if not first and not last:
            return None
        return cls(first and not (last and _is_linear_first(module)))

    def tokens(self, state: Tensor) -> Tensor:
        """[B, N, d], row by row."""
        if state.ndim == 3:
            return state
        return state.flatten(2).transpose(1, 2) if self.first else state.flatten(1, 2)

    def added(self, state: Tensor, update: Tensor) -> Tensor:
        """A state with an update [B, N, d] of its tokens, in the state's layout."""
        update = update.to(state.dtype)
        return state + (update.transpose(1, 2) if self.first else update).reshape(state.shape)


def _is_linear_first(module: nn.Module) -> bool:
    weights = (getattr(one, "weight", None) for one in module.modules())
    return next((one.ndim == 2 for one in weights if isinstance(one, Tensor) and one.ndim > 1), False)
