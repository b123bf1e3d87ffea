"""Questions about pictures and their answers as tokens, in the very form the processor gives them when generating."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from ..scenes.describe import PROMPTS
from .model import IMAGE, IMAGE_TOKENS

if TYPE_CHECKING:
    from transformers import LlavaProcessor

#: What transformers' losses leave out.
IGNORED = -100
#: The most tokens of a prompt drawn at random.
_MOST_STRANGE = 10


def conversation(prompt: str) -> list[dict[str, object]]:
    """One question about one picture, as ``apply_chat_template`` takes it."""
    return [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": prompt}]}]


class Conversations:
    """Tokenises questions and answers; which question is asked of a picture is drawn from a generator."""

    def __init__(self, processor: LlavaProcessor, rng: np.random.Generator, strange: float) -> None:
        self.tokenizer, self.rng, self.strange = processor.tokenizer, rng, strange
        asked = processor.apply_chat_template(conversation(""), add_generation_prompt=True)
        before, image, after = asked.partition(f"{IMAGE}\n")
        self.before = self._encode(before + IMAGE * IMAGE_TOKENS + image.removeprefix(IMAGE))
        self.after = self._encode(after)
        self.prompts = [self._encode(prompt) for prompt in PROMPTS]

    def _encode(self, text: str) -> list[int]:
        return list(self.tokenizer.encode(text, add_special_tokens=False))

    def question(self, prompt: Sequence[int]) -> list[int]:
        """The tokens up to the answer."""
        return [*self.before, *prompt, *self.after]

    def answer(self, description: str) -> list[int]:
        """The tokens of the answer and its end."""
        return [*self._encode(f" {description}"), self.tokenizer.eos_token_id]

    def batch(self, descriptions: Sequence[str]) -> Tensor:
        """int64 [2, batch, length]: tokens, padded on the left, and labels that hold the answers alone."""
        pairs = [(self.question(self._prompt()), self.answer(description)) for description in descriptions]
        length = max(len(question) + len(answer) for question, answer in pairs)
        tokens = torch.full((2, len(pairs), length), IGNORED)
        tokens[0] = self.tokenizer.pad_token_id
        for row, (question, answer) in enumerate(pairs):
            tokens[0, row, length - len(question) - len(answer) :] = torch.tensor(question + answer)
            tokens[1, row, length - len(answer) :] = torch.tensor(answer)
        return tokens

    def _prompt(self) -> list[int]:
        if self.rng.random() >= self.strange:
            return self.prompts[int(self.rng.integers(len(self.prompts)))]
        # Special tokens come first in the vocabulary, and none of them belongs into a prompt.
        special = len(self.tokenizer.all_special_ids)
        count = int(self.rng.integers(1, _MOST_STRANGE + 1))
        return [int(token) for token in self.rng.integers(special, len(self.tokenizer), count)]
