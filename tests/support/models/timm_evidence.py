"""`make evidence-timm`: which architectures of timm adapters can enter, tried without weights. Prints a page."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import torch
from torch import nn

from graftwork.core.graft import Tower, TowerError
from graftwork.core.towers.lockstep import walked
from graftwork.plugins.encoders.timm.encoder import import_timm

HEAD = """# What adapters can enter of timm

Made by `make evidence-timm` with timm {version}: of each file of timm and each first word of its architectures' names,
the first architecture is made without weights, on torch's device `meta`, and passed on a blank picture of its own size
with a stop behind every block. *Entered*: each block runs once, in order, and is as wide as its norms say. *Refused*:
it is not, as encoder `timm` finds, too, when it opens weights.

{entered} of {tried} are entered.

| file of timm | entered: architecture (blocks, widths) | refused |
|---|---|---|
"""


class Features(nn.Module):
    """What runs before a classifier's head."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, pixels: torch.Tensor) -> object:
        return self.model.forward_features(pixels)  # type: ignore[operator]


def firsts() -> Iterator[tuple[str, str]]:
    """File and name of the first architecture of each first word."""
    timm = import_timm()
    seen = set()
    for name in timm.list_models():
        file = timm.models._registry._model_to_module[name]
        if (word := (file, name.partition("_")[0])) not in seen:
            seen.add(word)
            yield file, name


def entered(name: str) -> str | None:
    """Number of blocks and widths; ``None`` where it is refused."""
    timm = import_timm()
    with torch.device("meta"):
        model = timm.create_model(name, pretrained=False)
        try:
            tower = Tower.of("image", Features(model))
            walked(tower, {"pixels": torch.zeros(1, *model.pretrained_cfg.get("input_size", (3, 224, 224)))})
        except TowerError:
            return None
    widths = sorted(set(tower.widths))
    return f"{name} ({len(tower.blocks)}, {widths[0]}" + (f"–{widths[-1]})" if len(widths) > 1 else ")")


def main() -> None:
    """Print the page."""
    found: dict[str, tuple[list[str], list[str]]] = defaultdict(lambda: ([], []))
    for file, name in firsts():
        said = entered(name)
        found[file][said is None].append(said or name)
    counts = [sum(len(one[kind]) for one in found.values()) for kind in (0, 1)]
    print(HEAD.format(version=import_timm().__version__, entered=counts[0], tried=sum(counts)), end="")
    for file, (open_, closed) in sorted(found.items()):
        print(f"| {file} | {', '.join(open_) or '–'} | {', '.join(closed) or '–'} |")


if __name__ == "__main__":
    main()
