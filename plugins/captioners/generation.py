"""How tokens are generated: our settings on a model's own defaults, and what of the output is new."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from .specs import TransformersCaptionerSpec


def settings(spec: TransformersCaptionerSpec, defaults: Any) -> Any:
    """``defaults`` (the model's ``GenerationConfig``: special tokens, penalties) with our length, beams and draws.

    What the spec leaves out is off, not the model's habit: a spec says the same for every model.
    """
    defaults.max_new_tokens, defaults.max_length, defaults.min_length = spec.max_new_tokens, None, 0
    defaults.num_beams, defaults.do_sample = spec.num_beams, spec.do_sample
    drawn = spec.do_sample
    defaults.temperature = (spec.temperature or 1.0) if drawn else None
    defaults.top_p = (spec.top_p or 1.0) if drawn else None
    defaults.top_k = 0 if drawn else None
    if defaults.pad_token_id is None:
        ends = defaults.eos_token_id
        defaults.pad_token_id = ends[0] if isinstance(ends, list) else ends
    return defaults


def new_tokens(prompt: Tensor, output: Tensor) -> Tensor:
    """int64 [B, n]: ``output`` without the prompt int64 [B, L] where it repeats it, as most decoder-only models do.

    The first column is not compared (BLIP replaces it), nor the last (BLIP drops the separator there). Encoder-decoder
    models, and those that are fed vectors, give new tokens alone.
    """
    length = prompt.shape[1]
    for repeated in (length, length - 1):
        if 2 <= repeated <= output.shape[1] and bool((output[:, 1:repeated] == prompt[:, 1:repeated]).all()):
            return output[:, repeated:]
    return output
