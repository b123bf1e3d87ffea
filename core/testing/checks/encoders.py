"""Encoders."""

from __future__ import annotations

import re
from functools import partial
from typing import Any

import torch
from torch import Tensor

from ...roles.encoder import Encoder, EncoderError, EncoderFacts
from ...stages.composed_encoder import build_part
from ..case import Case
from ..contents import contents
from ..outcome import NotApplicable
from ..same import assert_same

MODALITIES = ("image", "video", "text", "audio")
#: Padding and other shapes of products move float32 by this much.
CLOSE = 2e-4


def make(case: Case) -> Encoder:
    """On the CPU."""
    if missing := case.spec.missing_files():
        raise NotApplicable(f"its files are not here: {missing}")
    assemble = (partial(build_part, case.catalogue),) if case.spec.is_composed() else ()
    return case.build(Encoder, torch.device("cpu"), *assemble)


def modalities(case: Case) -> tuple[str, ...]:
    """Those that it encodes: as the spec says, or else those that work."""
    if case.spec.takes_together():
        raise NotApplicable("it reads its modalities together and has no vector of one alone")
    declared = case.spec.modalities()
    if declared is not None:
        return tuple(one for one in MODALITIES if one in declared)
    return tuple(one for one in MODALITIES if _takes(case.made, one))


def _takes(encoder: Encoder, modality: str) -> bool:
    try:
        encoder.encode(modality, contents(modality)[:1])
    except EncoderError:
        return False
    return True


def exercise(case: Case) -> Any:
    """Facts and vectors of a new one; of a single-stream model its facts alone."""
    encoder = make(case)
    with torch.random.fork_rng(devices=[]):  # one that is loaded on first use draws its initial weights now
        found = encoder.facts()
    if case.spec.takes_together():
        return found
    return {one: encoder.encode(one, contents(one)) for one in modalities(case)}, found


def vectors(case: Case) -> None:
    """Of every modality."""
    for modality in modalities(case):
        given = case.made.encode(modality, contents(modality))
        assert isinstance(given, Tensor), f"{modality}: it gives a {type(given).__name__}, not a tensor"
        assert given.ndim == 2, f"{modality}: it gives {list(given.shape)} for 3 items"
        assert len(given) == 3, f"{modality}: it gives {list(given.shape)} for 3 items"
        width = case.spec.width(modality)
        assert width in (None, given.shape[1]), f"{modality}: the spec says width {width}, and it is {given.shape[1]}"
        assert given.dtype == torch.float32, f"{modality}: vectors are {given.dtype}"
        assert given.device.type == "cpu", f"{modality}: vectors are on {given.device}"
        assert not given.requires_grad, f"{modality}: vectors carry a graph; encode without gradients"
        lengths = given.norm(dim=-1)
        assert bool((lengths - 1).abs().max() < 1e-3), f"{modality}: lengths are {lengths.tolist()}, not 1"


def facts(case: Case) -> None:
    """Vectors of other weights never mix, so the same weights have the same name."""
    found = case.made.facts()
    assert isinstance(found, EncoderFacts), f"facts gives a {type(found).__name__}, not EncoderFacts"
    assert re.fullmatch(r"[0-9a-f]{64}", found.weights), (
        f"weights are {found.weights!r}, not a sha256 in hex: of every weight, or without any of whatever else the "
        'vectors depend on; of nothing it is hashlib.sha256(b"").hexdigest()'
    )
    assert found.parameters >= 0, f"it says that it has {found.parameters} parameters; without weights that is 0"
    said = case.spec.frozen_parameters()
    assert said in (None, found.parameters), f"the spec says {said} frozen parameters, facts says {found.parameters}"
    assert make(case).facts() == found, "built again, its facts are others"


def one_item(case: Case) -> None:
    """Also in another order."""
    for modality in modalities(case):
        items = contents(modality)
        together = case.made.encode(modality, items)
        alone = torch.cat([case.made.encode(modality, [item]) for item in items])
        assert_same(alone, together, f"{modality}: an item alone and among others", CLOSE)


def preprocessed(case: Case) -> None:
    """Which threads may do beforehand."""
    for modality in modalities(case):
        items = contents(modality)
        ready = [case.made.preprocess(modality, item) for item in items]
        found, expected = case.made.encode(modality, ready), case.made.encode(modality, items)
        assert_same(found, expected, f"{modality}: preprocessed beforehand and not", CLOSE)


def tokens(case: Case) -> None:
    """As wide as the spec says."""
    with_tokens = [one for one in modalities(case) if case.spec.token_width(one) is not None]
    if not with_tokens:
        raise NotApplicable("its spec gives tokens of no modality")
    for modality in with_tokens:
        items, width = contents(modality), case.spec.token_width(modality)
        given = case.made.encode_tokens(modality, items)
        assert len(given) == len(items), f"{modality}: {len(given)} token matrices for {len(items)} items"
        for item, one in zip(items, given, strict=True):
            assert one.ndim == 2, f"{modality}: tokens are {list(one.shape)}, not [T, {width}]"
            assert one.shape[1] == width, f"{modality}: tokens are {list(one.shape)}, not [T, {width}]"
            assert one.dtype == torch.float32, f"{modality}: tokens are {one.dtype}"
            (alone,) = case.made.encode_tokens(modality, [item])
            assert_same(alone, one, f"{modality}: tokens of an item alone and among others", 10 * CLOSE)


def other_modality(case: Case) -> None:
    """By name, not by a stumble inside the model."""
    has = set(modalities(case))
    for modality in sorted(one for one in MODALITIES if case.spec.seen(one) not in has):
        try:
            case.made.encode(modality, contents(modality)[:1])
        except EncoderError:
            continue
        raise AssertionError(f"it does not have {modality}, and encodes one all the same")
