"""What the pocket AST learns from: every token, and the pooled vector, tell tone, timbre and rhythm."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn

from .fact_heads import TokenHeads
from .sound_lessons import HEARD

if TYPE_CHECKING:
    from transformers import ASTModel


class HearingObjective(nn.Module):
    """An AST with heads; the forward pass is the training loss.

    The heads on single tokens bring the facts to where adapters look, instead of into the pooled vector alone.
    """

    def __init__(self, tower: ASTModel) -> None:
        super().__init__()
        self.tower = tower
        sizes, width = [len(values) for values in HEARD.values()], tower.config.hidden_size
        self.pooled, self.tokens = TokenHeads(width, sizes), TokenHeads(width, sizes)

    def forward(self, values: Tensor, heard: Tensor) -> Tensor:
        """Loss of log-mels float32 [N, 64, 32] against ``heard`` int64 [N, 3]."""
        out = self.tower(values)
        states = out.last_hidden_state
        each = heard[:, None].expand(-1, states.shape[1], -1)
        loss: Tensor = self.pooled(out.pooler_output, heard) + self.tokens(states, each)
        return loss
