"""A step of adapters inside the towers of CLIP ViT-B/16 with random weights: frozen forward, forward, step, the step as
a captured graph; timed by `sections.py`. Needs pydantic and greenlet."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from ...core.graft.grafted import GraftedTowers
from ...core.roles.tower_specs import TowerAdapterSpec
from ...core.towers.tower import Tower
from ...plugins.adapters.hmmoe import HMMoESpec
from ...plugins.adapters.lora import LoraSpec
from ...triton_kernels.testing import counted
from .measuring import launched

Ms = Callable[[Callable[[], object]], float | None]
BUDGET = {"trainable_share": 0.06}
SPECS: Mapping[str, TowerAdapterSpec] = {
    "LoRA": LoraSpec.model_validate({"alpha": 16, "budget": BUDGET}),
    "HMMoE": HMMoESpec.model_validate({"budget": BUDGET}),
    "HMMoE, balance": HMMoESpec.model_validate({"budget": BUDGET, "router": {"balance": 0.01}}),
    "unimodal experts": HMMoESpec.model_validate(
        {"experts": [{"type": "unimodal"}], "router": {"uniform": True}, "budget": BUDGET}
    ),
    "cross-attention experts": HMMoESpec.model_validate(
        {"experts": [{"type": "cross_attention", "latent": 8}], "budget": BUDGET}
    ),
}
"""Each trains 6 % of the parameters; places and sizes are the defaults."""


@dataclass
class Towers:
    """Frozen towers, and a batch for them."""

    vision: nn.Module
    text: nn.Module
    inputs: Mapping[str, Mapping[str, Tensor]]
    kind: str = field(init=False)

    def __post_init__(self) -> None:
        self.kind = self.inputs["image"]["pixel_values"].device.type

    def frozen(self) -> None:
        """One forward without adapters."""
        with torch.no_grad(), self.precision():
            self.vision(**self.inputs["image"])
            self.text(**self.inputs["text"])

    def precision(self) -> AbstractContextManager[object]:
        """Of a step; without torch's cache of cast weights, which a captured graph must not share."""
        return torch.autocast(self.kind, torch.bfloat16, cache_enabled=False)


def towers(device: torch.device, batch: int, tiny: bool) -> Towers:
    """Of ViT-B/16 and its text tower; ``tiny``: two blocks, 32 pixels."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import transformers

    torch.manual_seed(0)
    depth, side, tokens = (2, 32, 16) if tiny else (12, 224, 77)
    sizes = {"hidden_size": 768, "intermediate_size": 3072, "num_attention_heads": 12, "num_hidden_layers": depth}
    vision = transformers.CLIPVisionConfig(patch_size=16, image_size=side, **sizes)
    words = torch.randint(1, 1000, (batch, tokens), device=device)
    words[:, -1] = 49407  # the end of each text
    text = transformers.CLIPTextConfig(num_hidden_layers=depth)
    return Towers(
        transformers.CLIPVisionModel(vision).to(device).eval().requires_grad_(False),
        transformers.CLIPTextModel(text).to(device).eval().requires_grad_(False),
        {
            "image": {"pixel_values": torch.randn(batch, 3, side, side, device=device)},
            "text": {"input_ids": words, "attention_mask": torch.ones_like(words)},
        },
    )


def grafted(of: Towers, spec: TowerAdapterSpec) -> GraftedTowers:
    """The towers with an adapter in them, which is to be trained."""
    model = GraftedTowers([Tower.of("image", of.vision), Tower.of("text", of.text)])
    model.add_adapter("default", spec)
    return model.to(of.inputs["image"]["pixel_values"].device).train()


def lost(model: GraftedTowers, inputs: Mapping[str, Mapping[str, Tensor]]) -> Tensor:
    """A loss of both towers' read-outs and the adapter's own."""
    out = model(inputs)
    pooled = [out.outputs[name].pooler_output.float().square().mean() for name in ("image", "text")]
    loss: Tensor = pooled[0] + pooled[1] + out.auxiliary_loss()
    return loss


class Grafted:
    """The towers with one adapter, and what is done with them."""

    def __init__(self, of: Towers, spec: TowerAdapterSpec) -> None:
        self._of, self.model = of, grafted(of, spec)
        on_gpu = of.kind == "cuda"
        self._optimizer = torch.optim.AdamW(self.model.parameters(), lr=1e-4, fused=on_gpu, capturable=on_gpu)

    def forward(self) -> None:
        """Without gradients."""
        with torch.no_grad(), self._of.precision():
            self.model(self._of.inputs)

    def step(self) -> Tensor:
        """Forward, backward and the optimizer's; gives the loss."""
        with self._of.precision():
            loss = lost(self.model, self._of.inputs)
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)
        return loss.detach()

    def captured(self) -> Callable[[], None]:
        """A replay of one step; needs CUDA."""
        beside = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        beside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(beside):
            for _ in range(3):
                self.step()
        torch.cuda.current_stream().wait_stream(beside)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self.step()
        return graph.replay


def of_call(call: Callable[[], object]) -> dict[str, int]:
    """Operators that one call dispatches, views included, and numbers that the host waits for."""
    with counted() as counts:
        call()
    return {"operators": counts.operators.total(), "reads": counts.reads.total()}


def timed(device: torch.device, ms: Ms) -> Iterator[dict[str, Any]]:
    """Rows of the section; what captures comes last, as a failure of it may end what the process can do."""
    dry = device.type == "cpu"
    batch = 2 if dry else 64
    of = towers(device, batch, dry)
    base = ms(of.frozen)
    yield {"what": f"frozen towers, forward, batch {batch}", "ms": base, **of_call(of.frozen)}
    for name, spec in SPECS.items():
        of_spec = Grafted(of, spec)
        forward, step = ms(of_spec.forward), ms(of_spec.step)
        yield {"what": f"{name}, forward", "ms": forward, "of frozen": _over(forward, base)}
        row = {"what": f"{name}, step", "ms": step, "of frozen": _over(step, base), **of_call(of_spec.step)}
        row["trained"] = sum(one.numel() for one in of_spec.model.parameters())
        yield {**row, **({} if dry else _taken(of_spec.step)), "right": bool(of_spec.step().isfinite())}
    for name in () if dry else ("LoRA", "HMMoE"):
        row = {"what": f"{name}, captured step"}
        try:
            replayed = ms(Grafted(of, SPECS[name]).captured())
        except RuntimeError as problem:  # what cannot be captured is a result
            yield {**row, "ms": None, "not captured": str(problem)[:300]}
            continue
        yield {**row, "ms": replayed, "of frozen": _over(replayed, base)}


def _over(took: float | None, base: float | None) -> float | None:
    return None if took is None or base is None else round(took / base, 3)


def _taken(call: Callable[[], object]) -> dict[str, float]:
    """Of one call: peak memory, and milliseconds in which the GPU works."""
    torch.cuda.reset_peak_memory_stats()
    busy = sum(one["ms"] for one in launched(call))
    return {"peak GB": round(torch.cuda.max_memory_allocated() / 1e9, 2), "busy ms": round(busy, 1)}
