"""The one sentence that describes a scene, and what a sentence says: a grammar that is written and read.

Where a caption of ``captions`` is a random true part of the facts, a description is fixed by them: the pocket LLaVA is
taught to say all of it, and ``read`` measures fact by fact what it said.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from .scene import COLOURS, COUNTS, DIGITS, LETTERS, PLACES, TEXTURES, VALUES, Facts, Scene, facts
from .shapes import SHAPES

#: Textures in which either of the two colours may be called the first.
SYMMETRIC = frozenset(texture for texture in TEXTURES if "striped" in texture or texture == "checkered")
#: Things side by side are named in this order, so that two relations say what four would.
FIRST = ("left of", "above")
_PLACE_PHRASES = {
    place: {"center": "in the center", "left": "on the left", "right": "on the right"}.get(place, f"at the {place}")
    for place in PLACES
}
_PLURALS = {shape: {"cross": "crosses"}.get(shape, f"{shape}s") for shape in SHAPES}
#: What a picture shows first, in the order of the words of its noun phrase.
_ADJECTIVES = ("size", "colour", "style", "case")

#: What the pocket LLaVA may be asked in training; any other question gets the same answer.
PROMPTS = (
    "Describe the picture.",
    "Describe the image.",
    "Describe this image in one sentence.",
    "Describe the digit.",
    "Describe what you see.",
    "What is in the picture?",
    "What does this image show?",
    "Give a short description of the photo.",
)


def described(scene: Scene) -> tuple[Facts, ...]:
    """What a description says of each group: ``facts`` in a fixed order, without what a sentence has no room for.

    Of two groups the left or upper one comes first, and neither size nor place is said of them. Where a texture's two
    colours are each other's equals, they come in the order of ``COLOURS``.
    """
    known = [_ordered_colours(group) for group in facts(scene)]
    if len(known) == 1:
        return (_without(known[0], "detail"),)
    known.sort(key=lambda group: group["relation"] not in FIRST)
    first, second = (_without(group, "detail", "size", "place") for group in known)
    return first, _without(second, "relation")


def _ordered_colours(known: Facts) -> Facts:
    if known["texture"] not in SYMMETRIC:
        return known
    ground, second = sorted((known["ground"], known["second"]), key=list(COLOURS).index)
    return {**known, "ground": ground, "second": second}


def _without(known: Facts, *attributes: str) -> dict[str, str]:
    return {attribute: value for attribute, value in known.items() if attribute not in attributes}


def sentence(known: Sequence[Facts]) -> str:
    """The description of ``described`` facts, such as "a red circle above a blue arrow on a plain gray background."."""
    ground = _ground(known[0])
    if "what" not in known[0]:
        return f"{ground}."
    nouns = f" {known[0].get('relation', '')} ".join(_noun(group) for group in known)
    return f"{nouns} on {ground}."


def _ground(known: Facts) -> str:
    colours = " and ".join(known[key] for key in ("ground", "second") if key in known)
    return f"a {known['texture']} {colours} background"


def _noun(known: Facts) -> str:
    several, what = known["count"] != "one", known["what"]
    words = [known[attribute] for attribute in _ADJECTIVES if attribute in known]
    if known["kind"] == "shape":
        words.append(_PLURALS[what] if several else what)
    else:
        words += [known["kind"] + "s" * several, what]
    article = known["count"] if several else "an" if words[0][0] in "aeiou" else "a"
    place = [_PLACE_PHRASES[known["place"]]] if "place" in known else []
    return " ".join([article, *words, *place])


def _either(options: Mapping[str, str] | Sequence[str], name: str, lead: str = "") -> str:
    words = options.values() if isinstance(options, Mapping) else options
    longest_first = sorted(words, key=len, reverse=True)
    return f"(?:{lead}(?P<{name}>{'|'.join(longest_first)}))"


_SENTENCE = re.compile(
    rf"(?:(?P<noun>.+?)(?: {_either(FIRST, 'relation')} (?P<other>.+?))? on )?"
    rf"a {_either(TEXTURES, 'texture')} {_either(tuple(COLOURS), 'ground')}"
    rf"{_either(tuple(COLOURS), 'second', ' and ')}? background\."
)
_NOUN = re.compile(
    rf"{_either(('a', 'an', *COUNTS[1:]), 'count')}"
    + "".join(_either(VALUES[attribute], attribute, " ") + "?" for attribute in _ADJECTIVES)
    + rf"(?: (?P<title>digits?|letters?) {_either(tuple(DIGITS + LETTERS), 'character')}"
    + rf"|{_either((*SHAPES, *_PLURALS.values()), 'shape', ' ')})"
    + _either(_PLACE_PHRASES, "place", " ")
    + "?"
)
_SINGULARS = {plural: shape for shape, plural in _PLURALS.items()}
_PLACES = {phrase: place for place, phrase in _PLACE_PHRASES.items()}


def read(text: str) -> tuple[Facts, ...]:
    """What ``text`` says, a mapping a group, the inverse of ``sentence``; empty if it is no description."""
    match = _SENTENCE.fullmatch(text.strip())
    if match is None:
        return ()
    ground = {key: match[key] for key in ("texture", "ground", "second") if match[key]}
    if match["noun"] is None:
        return (ground,)
    nouns = [_read_noun(match[key]) for key in ("noun", "other") if match[key]]
    if any(noun is None for noun in nouns):
        return ()
    relation = {"relation": match["relation"]} if match["relation"] else {}
    said = [ground | noun for noun in nouns if noun is not None]
    return said[0] | relation, *said[1:]


def _read_noun(text: str) -> dict[str, str] | None:
    match = _NOUN.fullmatch(text)
    if match is None:
        return None
    said = {attribute: match[attribute] for attribute in _ADJECTIVES if match[attribute]}
    said["count"] = match["count"] if match["count"] in COUNTS else "one"
    if match["shape"]:
        said |= {"kind": "shape", "what": _SINGULARS.get(match["shape"], match["shape"])}
    else:
        said |= {"kind": match["title"].rstrip("s"), "what": match["character"]}
    if match["place"]:
        said["place"] = _PLACES[match["place"]]
    return said


def vocabulary() -> tuple[str, ...]:
    """Every word that a description can hold, the full stop among them, sorted."""
    phrases = [*(value for values in VALUES.values() for value in values), *_PLURALS.values(), *_PLACE_PHRASES.values()]
    words = {word for phrase in phrases for word in phrase.split()} - {"low", "resolution", "sharp"}
    return tuple(sorted(words | {"a", "an", "and", "on", "digits", "letters", "background", "."}))
