"""Data sets that package registries carry: npm, Debian, PyPI."""

from __future__ import annotations

#: Said of data sets whose texts people wrote.
WORDS_NOTE = "the words are by people, beside every item: they describe test items, too, and some name the class"
