"""How VQA v2 compares answers: its text normalisation, mark for mark, and what an answer is worth.

Source: the official evaluation of VQA, ``vqaEval.py``, slips included: scores are comparable only so.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import lru_cache

MARKS = ';/[]"{}()=+\\_-><@`,?!'
#: A lookbehind was meant by ``(?!<=``; written so, it looks ahead and never stops a match. Hence "3." loses its stop.
_STOP = re.compile(r"(?!<=\d)(\.)(?!\d)")
_THOUSANDS = re.compile(r"(\d)(,)(\d)")
#: A flag stands where the number of replacements belongs, and has this value: later stops stay.
_MOST_STOPS = 32
_NUMBERS = {"zero": "0", "one": "1", "two": "2", "three": "3", "four": "4", "five": "5", "six": "6", "seven": "7"}
_NUMBERS |= {"eight": "8", "nine": "9", "ten": "10", "none": "0"}
_ARTICLES = frozenset({"a", "an", "the"})
#: What is written without an apostrophe, or without one of several, gets it back.
_WORDS = """
ain't aren't can't could've couldn't couldn't've didn't doesn't don't hadn't hadn't've hasn't haven't he'd he'd've he's
how'd how'll how's isn't it'd it'd've it'll ma'am mightn't mightn't've might've mustn't must've needn't not've o'clock
oughtn't 'ow's'at shan't she'd've should've shouldn't shouldn't've somebody'd've somebody'll somebody's someone'd
someone'd've someone'll someone's something'd something'd've something'll that's there'd there'd've there're there's
they'd they'd've they'll they're they've 'twas wasn't we'd've we've weren't what'll what're what's what've when's
where'd where's where've who'd who'd've who'll who's who've why'll why're why's won't would've wouldn't wouldn't've
y'all y'all'll y'all'd've you'd you'd've you'll you're you've
"""


def _misspelt(word: str) -> Iterator[str]:
    """``word`` without each of its apostrophes in turn."""
    return (word[:at] + word[at + 1 :] for at, letter in enumerate(word) if letter == "'")


#: As published, one entry the wrong way round. Six are left out that change nothing: four with capitals, which never
#: match small letters, and two that give what they are.
CONTRACTIONS = {short: word for word in _WORDS.split() for short in _misspelt(word)}
CONTRACTIONS |= {"somebody'd": "somebodyd"}


def cleaned(answer: str) -> str:
    """What is done to every answer, given or predicted."""
    return answer.replace("\n", " ").replace("\t", " ").strip()


@lru_cache(maxsize=1 << 20)
def normalised(answer: str) -> str:
    """Punctuation, then numbers, articles and contractions. Once: of what is normalised it may make something else."""
    words = (_NUMBERS.get(word, word) for word in _without_marks(answer).lower().split())
    return " ".join(CONTRACTIONS.get(word, word) for word in words if word not in _ARTICLES)


def _without_marks(text: str) -> str:
    thousands, out = _THOUSANDS.search(text) is not None, text
    for mark in MARKS:
        beside_blank = f"{mark} " in text or f" {mark}" in text
        out = out.replace(mark, "" if beside_blank or thousands else " ")
    return _STOP.sub("", out, count=_MOST_STOPS)


def vocabulary_form(answer: str) -> str:
    """An answer as published vocabularies list it: normalised, without commas."""
    return normalised(answer).replace(",", "")


def answer_score(matches: int, people: int = 10) -> float:
    """The official score of an answer that so many of the people gave: 0, .3, .6, .9, then 1, of ten people.

    The mean over each person of min(matches among the others / 3, 1).
    """
    others, without = min(matches - 1, 3), min(matches, 3)
    return (matches * max(others, 0) + (people - matches) * without) / (3 * people)


def official_counts(answers: Sequence[str]) -> tuple[Counter[str], bool]:
    """How many people gave each answer, and whether answers are compared as they are: where all ten are equal."""
    raw = Counter(map(cleaned, answers))
    if len(raw) == 1:
        return raw, True
    counts: Counter[str] = Counter()
    for answer, count in raw.items():
        counts[normalised(answer)] += count
    return counts, False
