"""Our own byte-pair vocabulary, in the format that open_clip's ``SimpleTokenizer`` reads."""

from __future__ import annotations

import gzip
import itertools
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

from torch import Tensor

FILE_NAME = "bpe_vocabulary.txt.gz"
_WORDS = re.compile(r"[a-z]+|[0-9]|[^\sa-z0-9]+")


class Tokenizer(Protocol):
    """What is used of open_clip's SimpleTokenizer."""

    vocab_size: int
    eot_token_id: int

    def __call__(self, texts: list[str]) -> Tensor:
        """Tokens int64 [texts, context length]."""

    def encode(self, text: str) -> list[int]:
        """Tokens of one text, without the start and end marks."""

    def decode(self, tokens: Iterable[int]) -> str:
        """The text of ``tokens``."""


def learn_merges(texts: Iterable[str], most: int = 2000) -> list[tuple[str, str]]:
    """The byte pairs to merge, most frequent first, until every word of ``texts`` (ASCII) is one token."""
    counts = Counter(word for text in texts for word in _WORDS.findall(text.lower()))
    words = {(*word[:-1], f"{word[-1]}</w>"): count for word, count in counts.items()}
    merges: list[tuple[str, str]] = []
    while len(merges) < most:
        pairs: Counter[tuple[str, str]] = Counter()
        for parts, count in words.items():
            for pair in itertools.pairwise(parts):
                pairs[pair] += count
        if not pairs:
            break
        # The pair itself breaks ties, so that the vocabulary does not depend on the order of the texts.
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        merges.append(best)
        words = {_merged(parts, best): count for parts, count in words.items()}
    return merges


def _merged(parts: tuple[str, ...], pair: tuple[str, str]) -> tuple[str, ...]:
    merged: list[str] = []
    for part in parts:
        if merged and (merged[-1], part) == pair:
            merged[-1] += part
        else:
            merged.append(part)
    return tuple(merged)


def write_merges(merges: Iterable[tuple[str, str]], folder: Path) -> Path:
    """Write the vocabulary into ``folder``, bit by bit the same every time; returns the file."""
    path = folder / FILE_NAME
    # A header line that the reader skips, and no newline at the end: it would read an empty merge from it.
    lines = ["#version: graftwork pocket", *(" ".join(pair) for pair in merges)]
    path.write_bytes(gzip.compress("\n".join(lines).encode(), mtime=0))
    return path


def load_tokenizer(folder: Path, context_length: int) -> Tokenizer:
    """open_clip's own tokenizer over the vocabulary in ``folder``."""
    from open_clip.tokenizer import SimpleTokenizer

    tokenizer: Tokenizer = SimpleTokenizer(bpe_path=str(folder / FILE_NAME), context_length=context_length)
    return tokenizer
