"""The head role: adapted vectors to class logits."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from .contract import broken, form


@dataclass(frozen=True, slots=True)
class ClassPrompts:
    """The class names as the frozen encoder sees them."""

    #: float32 [C, d], unit rows: the mean over templates for each class, normalised again.
    vectors: Tensor
    #: The encoder's own scale from cosine to logit; ``None`` where it has none.
    logit_scale: float | None


class Head(nn.Module, ABC):
    """Built as ``build(spec, width, classes, prompts)``; ``prompts`` is ``None`` unless the spec uses them."""

    #: Names of own parameters and buffers whose shape ``fit`` decides (a cache of the labelled items): built empty,
    #: they take the saved shape when a state dict is loaded, so that loading needs no data.
    sized_by_fit: ClassVar[tuple[str, ...]] = ()
    #: Names of own parameters and buffers with a row a class: a run that starts from another takes these rows over by
    #: class name. ``None``: not said, and such a run needs the same classes.
    class_rows: ClassVar[tuple[str, ...] | None] = None

    def fit(self, x: Tensor, targets: Tensor) -> None:
        """Take the labelled support items in, once, before training.

        ``x`` float32 [n, width] are their vectors as the adapter gives them at the start of training, without
        gradients (the frozen vectors, where the adapter starts as the identity); ``targets`` int64 [n] their classes.
        Where the spec sets ``fits_pool``, the unlabelled items of the pool are among them with -1 for their class.
        What is learnt belongs into parameters or persistent buffers: the state dict is what a run saves.
        """

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor:
        """Logits [N, C] of adapted vectors [N, width]."""

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        """As torch's; before it, what ``fit`` sizes takes the shape of what is loaded."""
        for name in self.sized_by_fit:
            own, saved = getattr(self, name), state_dict.get(prefix + name)
            if saved is not None and saved.shape != own.shape:
                empty = torch.empty_like(saved, device=own.device)
                setattr(self, name, nn.Parameter(empty, own.requires_grad) if isinstance(own, nn.Parameter) else empty)
        super()._load_from_state_dict(state_dict, prefix, *rest)


def logits_of(head: Head, x: Tensor) -> Tensor:
    """What the head says of vectors [N, width]. Raises ``ContractError`` where that is no row of logits each."""
    given = head(x)
    if not isinstance(given, Tensor) or given.ndim != 2 or given.shape[0] != x.shape[0]:
        raise broken("head", head, f"gave {form(given)} for {len(x)} vectors; `forward` gives logits [N, C]")
    return given
