"""What lock-step costs: two towers at ViT-B width with identity adapters, against the towers run one after the other."""

from __future__ import annotations

import warnings

import torch
from measure import alternate, machine, table  # type: ignore[import-not-found]

from graftwork.core.torchvision_ops import declare_missing_torchvision_ops
from graftwork.core.towers import Tower, lockstep


def main() -> None:
    """Forward alone, and forward with backward through the towers; CLIP ViT-B/16 image, 12 x 512 text tower."""
    declare_missing_torchvision_ops()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import transformers

    vision = transformers.CLIPVisionModel(
        transformers.CLIPVisionConfig(
            hidden_size=768, intermediate_size=3072, num_hidden_layers=12, num_attention_heads=12, patch_size=16
        )
    )
    text = transformers.CLIPTextModel(transformers.CLIPTextConfig())
    towers = {"image": Tower.of("image", vision), "text": Tower.of("text", text)}
    pixels = torch.randn(2, 3, 224, 224)
    words = torch.randint(0, 1000, (2, 77))
    calls = {"image": lambda: vision(pixel_values=pixels), "text": lambda: text(input_ids=words)}
    for place, placement in (("block", "sequential"), ("attention", "parallel")):
        stops = {name: tower.stops(range(12), [place], placement) for name, tower in towers.items()}

        def alone() -> object:
            return {name: call() for name, call in calls.items()}

        def together() -> object:
            return lockstep(calls, stops, lambda meeting, states: {})  # noqa: B023

        with torch.no_grad():
            seconds = alternate({"one after the other": alone, "in lock-step": together}, rounds=3)
        print(table(f"forward, batch 2, stops at {place}, {placement}", seconds), flush=True)
    print(f"Measured on {machine()}.")


if __name__ == "__main__":
    main()
