"""From scenes to pictures, a batch at a time, in tensor operations: float32 [batch, 3, side, side] in [0, 1]."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from .look import photograph
from .scene import TEXTURES, Ground, Scene, Thing
from .stencils import FILL, StencilBank


def render(scenes: Sequence[Scene], bank: StencilBank, generator: torch.Generator, side: int = 32) -> Tensor:
    """The pictures of ``scenes``. The generator only shakes: elastic warps and sensor noise."""
    picture = paint(scenes, bank, generator, side)
    return photograph(picture, [scene.look for scene in scenes], generator)


def paint(scenes: Sequence[Scene], bank: StencilBank, generator: torch.Generator, side: int) -> Tensor:
    """The pictures before the camera: ground first, then each thing's ink over it."""
    picture = _paint_grounds([scene.ground for scene in scenes], side)
    layers = max((len(scene.things) for scene in scenes), default=0)
    for layer in range(layers):
        # Things of one layer belong to different scenes, so they can be painted at once.
        chosen = [(index, scene.things[layer]) for index, scene in enumerate(scenes) if len(scene.things) > layer]
        index = torch.tensor([index for index, _ in chosen])
        things = [thing for _, thing in chosen]
        ink = draw_ink(things, bank, generator, side)
        colour = torch.tensor([thing.rgb for thing in things])[:, :, None, None]
        picture[index] = torch.lerp(picture[index], colour.expand(-1, -1, side, side), ink)
    return picture


def draw_ink(things: Sequence[Thing], bank: StencilBank, generator: torch.Generator, side: int) -> Tensor:
    """How much of each pixel each thing's ink covers: float32 [things, 1, side, side] in [0, 1]."""
    fields = bank.fields[torch.tensor([thing.row for thing in things])][:, None].float()
    grid = _stencil_coordinates(things, side) + _elastic(things, generator, side)
    distance = F.grid_sample(fields, grid, mode="bilinear", padding_mode="border", align_corners=False)
    pen = torch.tensor([thing.pen * FILL for thing in things])[:, None, None, None]
    pixels = torch.tensor([thing.extent / FILL * side for thing in things])[:, None, None, None]
    # Full ink half a pixel inside the edge, none half a pixel outside it.
    return ((pen - distance) * pixels + 0.5).clamp(0, 1)


def _stencil_coordinates(things: Sequence[Thing], side: int) -> Tensor:
    """Where each pixel lies in each stencil, in [-1, 1]: [things, side, side, 2], x first, as grid_sample reads it."""
    inverse = torch.linalg.inv(torch.tensor([_forward_matrix(thing) for thing in things]))
    centre = torch.tensor([[thing.x, thing.y] for thing in things])
    pixel = (torch.arange(side) + 0.5) / side
    row, column = torch.meshgrid(pixel, pixel, indexing="ij")
    offset = torch.stack([column, row], -1)[None] - centre[:, None, None]  # (things, side, side, 2)
    return 2 * torch.einsum("tij,tyxj->tyxi", inverse, offset)


def _forward_matrix(thing: Thing) -> list[list[float]]:
    """Stencil to picture: stretch the width, shear, turn, scale."""
    turn = math.radians(thing.angle)
    cos, sin, scale = math.cos(turn), math.sin(turn), thing.extent / FILL
    wide, lean = thing.stretch, -thing.shear
    return [[scale * cos * wide, scale * (cos * lean - sin)], [scale * sin * wide, scale * (sin * lean + cos)]]


def _elastic(things: Sequence[Thing], generator: torch.Generator, side: int) -> Tensor:
    """A smooth random displacement in stencil coordinates: [things, side, side, 2]."""
    strength = torch.tensor([2 * FILL * thing.warp for thing in things])[:, None, None, None]
    coarse = torch.randn((len(things), 2, 4, 4), generator=generator) * strength
    # Interpolation is linear: once for the identity gives the matrix, and a product is faster than resizing.
    spread = F.interpolate(torch.eye(4)[None], size=side, mode="linear", align_corners=True)[0].T  # (side, 4)
    return torch.einsum("yi,tcij,xj->tyxc", spread, coarse, spread)


def _paint_grounds(grounds: Sequence[Ground], side: int) -> Tensor:
    first = torch.tensor([ground.rgb for ground in grounds])[:, :, None, None]
    second = torch.tensor([ground.second_rgb for ground in grounds])[:, :, None, None]
    return torch.lerp(first.expand(-1, -1, side, side), second.expand(-1, -1, side, side), _pattern(grounds, side))


def _pattern(grounds: Sequence[Ground], side: int) -> Tensor:
    """The share of the second colour at each pixel: [batch, 1, side, side]."""
    pixel = (torch.arange(side) + 0.5) / side
    y, x = torch.meshgrid(pixel, pixel, indexing="ij")
    period = torch.tensor([ground.period for ground in grounds])[:, None, None]
    phase = torch.tensor([ground.phase for ground in grounds])[:, None, None]
    texture = torch.tensor([TEXTURES.index(ground.texture) for ground in grounds])[:, None, None]
    along_x, along_y = (torch.sin(2 * math.pi * (axis / period + phase)) for axis in (x, y))
    diagonal = torch.sin(2 * math.pi * ((x + y) / period / math.sqrt(2) + phase))
    waves = (
        -torch.ones_like(along_x),
        along_y,
        along_x,
        diagonal,
        along_x * along_y,
        0.35 * (along_x + along_y) - 0.35,
    )
    pattern = torch.zeros_like(along_x)
    for number, wave in enumerate(waves):
        pattern = torch.where(texture == number, (wave * 6 + 0.5).clamp(0, 1), pattern)
    # Half of the shadings run left to right, half top to bottom.
    pattern = torch.where(texture == len(waves), torch.where(phase < 0.5, x, y), pattern)
    return pattern[:, None]
