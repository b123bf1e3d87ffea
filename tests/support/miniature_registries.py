"""Data sets of package registries in miniature: pictures and sounds of ours, laid out as the originals."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from graftwork.plugins.datasets.registries.emoji_packages import PACKAGES
from graftwork.plugins.datasets.registries.emoji_pictures import CLASS_NAMES

from .media import sound_files
from .miniature_sets import write

#: Birds and fruit of the miniature.
EACH = 6
LANGUAGES = ("de", "fr", "ca@valencia")
#: As LibreOffice and Inkscape write them: points without a view box, and pixels with one.
SVG = '<svg xmlns="http://www.w3.org/2000/svg" {size}><rect width="4" height="4" fill="#ff0000"/></svg>'


def picture(path: Path, seed: Sequence[int], mode: str = "RGBA") -> Path:
    """8 x 8 pixels of noise; with alpha, the left column is transparent."""
    pixels = np.random.default_rng(seed).integers(0, 256, (8, 8, len(mode)), np.uint8)
    if mode == "RGBA":
        pixels[..., 3] = 255
        pixels[:, 0, 3] = 0
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, lossless=True)
    return path


def described(picture: Path, english: str, languages: Sequence[str] = LANGUAGES) -> Path:
    """The description beside a stamp: English first, then a line a language, some with a blank at their end."""
    lines = [english, *(f"{language}.utf8={language}: {english} " for language in languages), ""]
    write(picture.with_suffix(".txt"), "\n".join(lines))
    return picture


def stamps(root: Path) -> Path:
    """Birds (three of one description, with mirror image, sounds, spoken names), fruit (one of them drawn), and what is
    no stamp of a class."""
    for number in range(EACH):
        bird = picture(root / "animals" / "birds" / f"bird{number}.png", (0, number))
        described(bird, "A sparrow." if number < 3 else f"Bird number {number}.", LANGUAGES if number else ("de",))
        write(bird.with_suffix(".dat"), "nomirror\n")
        sound_files.write(bird.with_suffix(".ogg"), sound_files.tone(200 + 100 * number, seconds=0.1))
        sound_files.write(bird.with_name(f"bird{number}_desc.ogg"), sound_files.tone(300 + number, seconds=0.1))
        sound_files.write(bird.with_name(f"bird{number}_desc_fr.wav"), sound_files.tone(400 + number, seconds=0.1))
        folder = root / "food" / "fruit" / ("cartoon" if number % 2 else ".")
        described(picture(folder / f"fruit{number}.png", (1, number)), f"A fruit, {number}.")
        sound_files.write(folder / f"fruit{number}.wav", sound_files.tone(1000 + 100 * number, seconds=0.1))
        sound_files.write(folder / f"fruit{number}_desc_fr.ogg", sound_files.tone(500 + number, seconds=0.1))
    picture(root / "animals" / "birds" / "bird1_mirror.png", (2, 0))
    described(picture(root / "symbols" / "math" / "plus.png", (3, 0)), "A plus.")
    write(root / "food" / "fruit" / "fruit0.svg", SVG.format(size='width="8" height="4"'))
    described(
        write(root / "food" / "fruit" / "drawn.svg", SVG.format(size='width="6pt" height="3pt"')), "A drawn fruit."
    )
    return root


def emoji(root: Path, each: int = 4, versions: Mapping[str, str] = PACKAGES) -> Path:
    """The four npm packages as ``npm install --prefix`` leaves them; ``each`` emoji a class, the first drawn by two
    vendors alone and without tags, the last without words; and a subgroup that is no class."""
    modules = root / "node_modules"
    google, twitter, fluent, base = (modules / name for name in PACKAGES)
    entries, words = [], []
    for label, subgroup in enumerate([*CLASS_NAMES, "country-flag"]):
        for number in range(each):
            code = f"{0x1F000 + 16 * label + number:X}" + ("-FE0F" if number == 1 else "")
            image = f"{code.lower()}.png"
            name = f"{subgroup} {number}".upper()
            entries.append({"unified": code, "image": image, "subcategory": subgroup, "name": name})
            picture(google / "img" / "google" / "64" / image, (label, number, 0))
            picture(twitter / "img" / "twitter" / "64" / image, (label, number, 1))
            if number:
                picture(fluent / "assets" / f"{code.replace('-FE0F', '').lower()}.webp", (label, number, 2))
            if number < each - 1:
                tags = {"tags": ["small", "drawn"]} if number else {}
                words.append({"hexcode": code.replace("-FE0F", ""), "label": f"thing {label}", **tags})
    write(google / "emoji.json", json.dumps(entries))
    write(base / "en" / "data.json", json.dumps(words))
    for name, version in versions.items():
        write(modules / name / "package.json", json.dumps({"name": name, "version": version}))
    return root
