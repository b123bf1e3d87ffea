"""Several frozen models as one encoder: each modality goes to the tower that its spec names."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...registry.build import build
from ...registry.catalogue import Catalogue
from ..roles.encoder import Encoder, EncoderFacts, encoded, encoded_tokens, preprocessed
from ..roles.specs import EncoderSpec
from ..spec.node_kinds import ordered
from ..storage.adapter_config import CONFIG, unfit
from ..storage.run_folder import RunFolderError

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from ..towers.frozen_tower import FrozenTower

#: ``assemble(spec, device)`` builds a component that stands in another's spec.
Assemble = Callable[[EncoderSpec, "torch.device"], Encoder]


class Composed(Encoder):
    """An encoder made of the encoders of its modalities, each asked for when it is first needed."""

    #: Each tower's own matter.
    takes_clips = True

    def __init__(self, spec: EncoderSpec, tower: Callable[[str], Encoder]) -> None:
        self._spec, self._tower = spec, tower

    def tower(self, modality: str) -> Encoder:
        """The encoder of one modality."""
        return self._tower(self._spec.seen(modality))

    def weights(self, modality: str) -> str:
        """The fingerprint of one modality's tower."""
        return self.tower(modality).facts().weights

    def facts(self) -> EncoderFacts:
        """Of all towers together: a fingerprint of their fingerprints, and the sum of their parameters."""
        towers = {id(tower): tower for tower in map(self.tower, self._modalities())}
        facts = [tower.facts() for tower in towers.values()]
        if len(facts) == 1:
            return facts[0]
        fingerprint = hashlib.sha256("".join(one.weights for one in facts).encode()).hexdigest()
        return EncoderFacts(fingerprint, sum(one.parameters for one in facts), None)

    def preprocess(self, modality: str, content: Any) -> Any:
        """As the tower does."""
        return preprocessed(self.tower(modality), modality, content)

    def encode(self, modality: str, batch: Sequence[Any]) -> Tensor:
        """Vectors of the modality's tower."""
        return encoded(self.tower(modality), modality, batch)

    def encode_tokens(self, modality: str, batch: Sequence[Any]) -> list[Tensor]:
        """Tokens of the modality's tower."""
        return encoded_tokens(self.tower(modality), modality, batch)

    def towers(self) -> Sequence[FrozenTower]:
        """Those of its modalities, in the order image, text, audio; one that takes several of them once."""
        parts = {modality: self.tower(modality) for modality in self._modalities()}
        offered = {id(part): part.towers() for part in parts.values()}
        found = [one for modality, part in parts.items() for one in offered[id(part)] if modality in one.tower.streams]
        return tuple({id(one): one for one in found}.values())

    def _modalities(self) -> Sequence[str]:
        return ordered(self._spec.modalities() or ("image", "text"))

    def truncated(self, texts: Sequence[str]) -> list[bool]:
        """As the text tower says."""
        return self.tower("text").truncated(texts)

    def seconds_heard(self) -> float | None:
        """As the audio tower says."""
        return self.tower("audio").seconds_heard()


def build_encoder(catalogue: Catalogue, spec: EncoderSpec, device: torch.device) -> Composed:
    """The encoder of a spec; each tower is loaded when it is first asked for, one model once."""
    return compose(spec, device, partial(build_part, catalogue))


def build_part(catalogue: Catalogue, spec: EncoderSpec, device: torch.device) -> Encoder:
    """An encoder; one that is made of others gets what builds them."""
    assemble = (partial(build_part, catalogue),) if spec.is_composed() else ()
    return build(Encoder, catalogue, spec, device, *assemble)


def compose(spec: EncoderSpec, device: torch.device, assemble: Assemble) -> Composed:
    """The same with ``assemble(part, device)`` in place of a catalogue: what a composed encoder's component names."""
    built: list[tuple[EncoderSpec, Encoder]] = []

    @cache
    def tower(modality: str) -> Encoder:
        wanted = spec.tower(modality)
        found = next((encoder for one, encoder in built if one == wanted), None)
        if found is None:
            found = assemble(wanted, device)
            built.append((wanted, found))
        return found

    return Composed(spec, tower)


def require_weights(
    folder: Path, weights_of: Callable[[str], str], modalities: Sequence[str], weights: Mapping[str, str]
) -> None:
    """Raises ``RunFolderError`` where the frozen model is not the one that the adapter was trained on.

    ``weights_of``: modality to the sha256 of its weights here.
    """
    if unknown := [one for one in modalities if one not in weights]:
        raise unfit(folder, f"the saved adapter lacks `graftwork.encoder_weights.{unknown[0]}`")
    for modality in modalities:
        found, trained_on = weights_of(modality), weights[modality]
        if found != trained_on:
            raise RunFolderError(
                f"the frozen model is not the one that {folder} was trained on: its weights have changed "
                f"(sha256 {found[:12]}, {CONFIG} says {trained_on[:12]}); bring the old weights back"
            )
