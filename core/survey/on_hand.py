"""Which encoder of those on this machine fits the modalities of some data."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from ...registry.catalogue import Catalogue
from ..data.items import DataError
from ..roles.specs import EncoderSpec, OnHand

#: What brings a real model of a modality, as the extras of the package say.
EXTRAS = {"image": "graftwork[vision]", "video": "graftwork[vision]", "text": "graftwork[text]"}
NAMING = 'name one yourself: --set \'encoder={"type": "transformers", "model": "OWNER/NAME"}\''


@dataclass(frozen=True, slots=True)
class Chosen:
    """The encoder section of a spec."""

    section: dict[str, Any]
    #: What to know of it.
    notes: tuple[str, ...] = ()


def encoder_for(modalities: Sequence[str], catalogue: Catalogue) -> Chosen:
    """One encoder that takes them all, or one each. Raises ``DataError`` where there is none for one of them."""
    found = {kind: _best(kind, catalogue) for kind in modalities}
    notes = tuple(
        f"the {kind} encoder that is here, `{section['type']}`, was made for trials, not for your data; "
        + (
            f'pip install "{EXTRAS[kind]}" brings a real one, then init again with --force; or '
            if kind in EXTRAS
            else ""
        )
        + NAMING
        for kind, (section, one) in found.items()
        if one.rank > 0
    )
    sections = [section for section, _ in found.values()]
    if len(modalities) == 1:
        return Chosen(sections[0], notes)
    return Chosen({"type": "dual", **{kind: section for kind, (section, _) in found.items()}}, notes)


def _best(modality: str, catalogue: Catalogue) -> tuple[dict[str, Any], OnHand]:
    fitting = [one for one in _on_hand(catalogue) if modality in _takes(one[2], modality)]
    if not fitting:
        brings = f'; pip install "{EXTRAS[modality]}" brings one' if modality in EXTRAS else ""
        raise DataError(f"no encoder on this machine takes {modality}{brings}; or {NAMING}")
    section, one, _ = min(fitting, key=lambda one: one[1].rank)
    return section, one


def _takes(spec: EncoderSpec, modality: str) -> frozenset[str]:
    """The modalities that it takes, each alone; clips by their frames, too."""
    can = spec.modalities() or frozenset()
    if spec.takes_together():
        return frozenset()
    return can | {modality} if spec.seen(modality) in can else can


def _on_hand(catalogue: Catalogue) -> Iterator[tuple[dict[str, Any], OnHand, EncoderSpec]]:
    for type_ in catalogue.types("encoder"):
        model = catalogue.find("encoder", type_).ready_spec()
        if not issubclass(model, EncoderSpec):
            continue
        for one in model.on_hand():
            section = {"type": type_, **one.fields}
            try:
                spec: EncoderSpec = model.model_validate(section, context={"catalogue": catalogue})
            except ValidationError:  # files that are there and are no model
                continue
            if spec.missing_files() is None:
                yield section, one, spec
