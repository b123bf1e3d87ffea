"""Texts through a model of transformers: token ids, hidden states, pooling, dense layers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from ....core.roles import EncoderError
from ...checkpoints.folder import WEIGHTS, read_json
from .sentence_modules import sentence_modules, transformer_folder
from .side import Hidden, Inputs, Side, masked_mean

#: Tokenizers without a limit of their own say one of this size or more.
_NO_LIMIT = 10**6
_ACTIVATIONS = {"Tanh": nn.Tanh, "Identity": nn.Identity, "ReLU": nn.ReLU, "GELU": nn.GELU}


class TextSide(Side):
    """The text side of a loaded model."""

    modality = "text"

    def __init__(self, model: Any, root: Path, joint: bool) -> None:
        from transformers import AutoTokenizer

        self._model = model
        self.module = model.text_model if joint else model
        self.projection = getattr(model, "text_projection", None) if joint else None  # SigLIP's is in its text model
        folder = transformer_folder(root)
        self._tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        # SigLIP was trained on texts padded to the full window, its padding heard.
        self._pads_to_window = model.config.model_type.startswith("siglip")
        self.window = self._window(folder)
        self._declared = None if joint else sentence_modules(root)
        dense = _dense_layers(self._declared.dense if self._declared else ())
        self.dense = dense.to(model.device).requires_grad_(False)
        if self._declared and (self._declared.others or not {*self._declared.pooling} <= _POOLINGS.keys()):
            unknown = ", ".join([*self._declared.others, *({*self._declared.pooling} - _POOLINGS.keys())])
            raise EncoderError(f"encoder.model: {root} declares {unknown}, which is not known here; set `pooling`")

    def collate(self, batch: Sequence[str]) -> dict[str, Any]:
        """Token ids and mask, padded to the longest; what lies behind the window is cut off."""
        made = self._tokenizer(
            list(batch),
            padding="max_length" if self._pads_to_window else True,
            truncation=True,
            max_length=self.window,
            return_attention_mask=True,
            return_tensors="pt",
        ).to(self._model.device)
        return {key: value for key, value in made.items() if not self._pads_to_window or key == "input_ids"}

    def mask(self, inputs: Inputs) -> Tensor:
        """Where tokens of the text stand, its special ones included."""
        if not self._pads_to_window:
            return inputs["attention_mask"].bool()  # type: ignore[no-any-return]
        words: Tensor = inputs["input_ids"] != self._tokenizer.pad_token_id
        if self._tokenizer.pad_token_id == self._tokenizer.eos_token_id:  # the first of them ends the text
            words = torch.cat([torch.ones_like(words[:, :1]), words[:, :-1]], dim=1)
        return words

    def pooled(self, hidden: Hidden, pooling: str) -> Tensor:
        """Vectors [B, d]. Raises ``EncoderError`` for a pooling that the model does not have."""
        if pooling == "auto":
            modes = self._declared.pooling if self._declared else ("mean",)
            pooled = torch.cat([_POOLINGS[mode](hidden.states.float(), hidden.mask) for mode in modes], dim=-1)
            return self.dense(pooled)  # type: ignore[no-any-return]
        if pooling == "pooler" and hidden.pooler is None:
            raise self.no_pooling(pooling, "`auto`, `mean` or `cls`")
        if pooling == "pooler" and hidden.pooler is not None:
            return hidden.pooler
        return _POOLINGS[pooling](hidden.states.float(), hidden.mask)

    def projected_tokens(self, states: Tensor) -> Tensor:
        """The projection of the pooled token (CLIP) or its head (SigLIP), applied to each."""
        projection = self.projection or self.module.head
        return projection(states)  # type: ignore[no-any-return]

    def truncated(self, texts: Sequence[str]) -> list[bool]:
        """Whether each text does not fit the window."""
        ids = self._tokenizer(list(texts), truncation=False, verbose=False)["input_ids"]
        return [len(one) > self.window for one in ids]

    def _window(self, folder: Path) -> int:
        """Tokens a text may have: the tightest of what sentence-transformers, tokenizer and positions allow."""
        said = read_json(folder / "sentence_bert_config.json")
        limits = [said.get("max_seq_length") if isinstance(said, dict) else None, self._tokenizer.model_max_length]
        positions = getattr(self.module.config, "max_position_embeddings", None)
        embedding = getattr(getattr(self.module, "embeddings", None), "position_embeddings", None)
        skipped = getattr(embedding, "padding_idx", None)  # RoBERTa counts positions from behind its padding's
        limits.append(positions - (skipped + 1 if skipped is not None else 0) if positions else None)
        return min([limit for limit in limits if isinstance(limit, int) and limit < _NO_LIMIT], default=512)


def _first(states: Tensor, mask: Tensor) -> Tensor:
    return states[torch.arange(len(states), device=states.device), mask.int().argmax(1)]


def _last(states: Tensor, mask: Tensor) -> Tensor:
    positions = torch.arange(mask.shape[1], device=mask.device)
    return states[torch.arange(len(states), device=states.device), (mask * positions).argmax(1)]


def _maximum(states: Tensor, mask: Tensor) -> Tensor:
    return states.masked_fill(~mask[..., None], -torch.inf).amax(1)


#: [B, T, d] and mask [B, T] to [B, d], by sentence-transformers' names.
_POOLINGS = {"mean": masked_mean, "cls": _first, "lasttoken": _last, "max": _maximum}


def _dense_layers(folders: Sequence[Path]) -> nn.Sequential:
    """The dense layers behind the pooling of a sentence-transformers folder."""
    layers: list[nn.Module] = []
    for folder in folders:
        said = read_json(folder / "config.json") or {}
        name = str(said.get("activation_function", "Identity")).rpartition(".")[2]
        if name not in _ACTIVATIONS:
            raise EncoderError(f"encoder.model: {folder} has activation {name}; known: {', '.join(_ACTIVATIONS)}")
        linear = nn.Linear(said["in_features"], said["out_features"], bias=said.get("bias", True))
        linear.load_state_dict({key.removeprefix("linear."): value for key, value in _tensors(folder).items()})
        layers += [linear, _ACTIVATIONS[name]()]
    return nn.Sequential(*layers)


def _tensors(folder: Path) -> dict[str, Tensor]:
    return {key: value.float() for key, value in load_file(folder / WEIGHTS).items()}
