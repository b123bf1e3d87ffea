"""Recorded instruments beside pictures of them, as files for data set `json_lines`.

    python -m graftwork.plugins.datasets.registries.build_instruments FOLDER

The label of an item says whether its sound is of the instrument that its picture shows. Neither tells alone: each
picture, and each sound, stands in as many items of one answer as of the other. Recordings and drawers of a split are in
no other.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np

from ....core.cli.say import say
from ....core.data.items import DataError
from ....core.data.sounds import soundfile
from ....registry.errors import UserError
from .sound_font import Recording, SoundFont
from .svg_pictures import rendered


@dataclass(frozen=True, slots=True)
class Instrument:
    """How the sources call one."""

    #: In sets of emoji.
    emoji: str
    #: Programs of General MIDI.
    programs: Sequence[int]
    #: Photographs below ``hobbies/music`` of Tux Paint's stamps.
    photographs: Sequence[str] = ()


INSTRUMENTS: Mapping[str, Instrument] = {
    "piano": Instrument("musical-keyboard", (0,)),
    "guitar": Instrument("guitar", (24, 25), ("string/guitar2", "string/guitar_classical", "string/guitar_electric")),
    "violin": Instrument("violin", (40,), ("string/violin",)),
    "saxophone": Instrument("saxophone", (65, 66)),
    "trumpet": Instrument("trumpet", (56, 59), ("brass/trumpet",)),
    "flute": Instrument("flute", (73,)),
    "accordion": Instrument("accordion", (21,)),
    "banjo": Instrument("banjo", (105,)),
}
#: A recording among those of the guitars that is none of their notes.
NO_NOTE = "Extension"
PHOTOGRAPHS = "photographs"


@dataclass(frozen=True, slots=True)
class Split:
    """What stands in one."""

    #: Sets of emoji, and ``PHOTOGRAPHS``.
    pictures: Sequence[str]
    #: The share of an instrument's recordings, and how many there are at least.
    share: float
    least: int
    #: Sounds an instrument: each recording, then at other notes.
    sounds: int
    #: Items of either answer that a sound stands in.
    each: int


#: All sets of one drawer are in one split; so are Twemoji and FxEmoji, whose trumpets look alike.
SPLITS: Mapping[str, Split] = {
    "test": Split(("twemoji", "fxemoji", "streamline-emojis", PHOTOGRAPHS), 0.3, 2, 24, 1),
    "val": Split(("openmoji",), 0.2, 1, 12, 1),
    "train": Split(("noto", "noto-v1", "fluent-emoji", "fluent-emoji-flat", "emojione", "emojione-v1"), 1.0, 1, 24, 2),
}
SECONDS, FADE = 1.0, 0.1
#: Semitones by which a recording is played higher each time that it stands in a split once more.
NOTES = (0, -3, 2, -1, 4, -4, 1, 3, -2, 5, -5, 6)
#: Rates are multiples of this, so that resampling needs short filters; a note is at most 4 cents off.
RATE_STEP = 50
FONT, PHOTOGRAPHS_AT = "/usr/share/sounds/sf2/FluidR3_GM.sf2", "/usr/share/tuxpaint/stamps"


def build(folder: Path, font: Path, icons: Path, stamps: Path) -> Path:
    """Write ``train.jsonl``, ``val.jsonl``, ``test.jsonl`` and what they name into ``folder``, which must not be there.

    ``font``: a SoundFont of General MIDI; ``icons``: the folder of the npm packages; ``stamps``: those of Tux Paint.
    Raises ``UserError`` for what is not there, with the command that brings it.
    """
    if folder.exists():
        raise UserError(f"{folder} exists already; name another folder, or remove it first")
    pictures = {name: _pictures(split, icons, stamps) for name, split in SPLITS.items()}
    if not font.is_file():
        raise UserError(f"{font} is not there: apt-get install fluid-soundfont-gm (148 MB; MIT)")
    sounds = _sounds(SoundFont(font))
    folder.mkdir(parents=True)
    for split, of_instruments in pictures.items():
        for name, shown in of_instruments.items():
            for source, png in shown.items():
                (folder / f"{name}_{source}.png").write_bytes(png)
        for name, heard in sounds[split].items():
            for number, (recording, semitones) in enumerate(heard):
                _write_sound(folder / f"{name}_{split}_{number}.wav", recording, semitones)
        lines = _lines(split, {name: list(shown) for name, shown in of_instruments.items()})
        (folder / f"{split}.jsonl").write_text("".join(f"{json.dumps(one)}\n" for one in lines), "utf-8")
    return folder


def _lines(split: str, shown: Mapping[str, Sequence[str]]) -> Iterator[dict[str, Any]]:
    """The items of a split; ``shown``: instrument to the sources of its pictures.

    The k-th item of each instrument's sounds shows that instrument; its counterpart has the picture of the k-th item of
    another one, the same number of places further for all, so that each picture is shown as often falsely as truly.
    """
    names, made = list(shown), SPLITS[split]
    for at, name in enumerate(names):
        for turn in range(made.sounds * made.each):
            other = names[(at + 1 + turn % (len(names) - 1)) % len(names)]
            for seen in (name, other):
                sound, picture = f"{name}_{split}_{turn // made.each}", f"{seen}_{shown[seen][turn % len(shown[seen])]}"
                files = {"image": f"{picture}.png", "audio": f"{sound}.wav"}
                yield {"id": f"{sound}/{turn % made.each}/{picture}", **files, "label": seen == name}


def _pictures(split: Split, icons: Path, stamps: Path) -> dict[str, dict[str, bytes]]:
    """Instrument to source to PNG."""
    found: dict[str, dict[str, bytes]] = {name: {} for name in INSTRUMENTS}
    for source in split.pictures:
        if source == PHOTOGRAPHS:
            for name, one in INSTRUMENTS.items():
                for path in one.photographs:
                    found[name][Path(path).name] = _photograph(stamps / "hobbies" / "music" / f"{path}.png")
            continue
        drawn = _icons(icons / source / "icons.json", source)
        for name, one in INSTRUMENTS.items():
            if svg := drawn.get(one.emoji.replace("-", "")):
                found[name][source] = rendered(svg.encode(), f"{source}: {one.emoji}")
    return found


def _photograph(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError:
        raise UserError(f"{file} is not there: apt-get install tuxpaint-stamps-default (160 MB; GPL-2)") from None


def _icons(file: Path, source: str) -> dict[str, str]:
    """Name without dashes to drawing, of a set in Iconify's JSON (https://iconify.design/docs/types/iconify-json.html)."""
    try:
        found = json.loads(file.read_bytes())
        size = {key: found.get(key, 16) for key in ("width", "height")}
        places = {name: {"left": 0, "top": 0, **size, **icon} for name, icon in found["icons"].items()}
        return {name.replace("-", ""): _svg(icon) for name, icon in places.items()}
    except OSError:
        raise UserError(f"{file} is not there: npm install --ignore-scripts @iconify-json/{source}") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{file}: no icons of Iconify: {error!r}; install the package again") from None


def _svg(icon: Mapping[str, Any]) -> str:
    box = " ".join(str(icon[key]) for key in ("left", "top", "width", "height"))
    spaces = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
    return f'<svg {spaces} viewBox="{box}">{icon["body"]}</svg>'


def _sounds(font: SoundFont) -> dict[str, dict[str, list[tuple[Recording, int]]]]:
    """Split to instrument to its sounds: a recording, and by how many semitones it is played higher."""
    found: dict[str, dict[str, list[tuple[Recording, int]]]] = {split: {} for split in SPLITS}
    for name, instrument in INSTRUMENTS.items():
        own = {one.name: one for program in instrument.programs for one in font.recordings(program)}
        own.pop(NO_NOTE, None)
        left = sorted(own, key=lambda one: hashlib.sha256(one.encode()).hexdigest())
        count = len(left)
        for split, made in SPLITS.items():
            few = max(made.least, round(made.share * count))
            taken, left = left[:few], left[few:]
            if not taken:
                raise DataError(f"{name}: the sound font has {count} recordings, and 4 are needed")
            turns = [divmod(number, len(taken)) for number in range(made.sounds)]
            found[split][name] = [(own[taken[at]], NOTES[turn % len(NOTES)]) for turn, at in turns]
    return found


def _write_sound(file: Path, recording: Recording, semitones: int) -> None:
    """Higher by so many semitones: its samples at another rate."""
    rate = round(recording.rate * 2 ** (semitones / 12) / RATE_STEP) * RATE_STEP
    samples = recording.lasting(int(rate * SECONDS)).astype(np.float32)
    fade = min(int(rate * FADE), len(samples))
    samples[len(samples) - fade :] *= np.linspace(1, 0, fade, dtype=np.float32)
    soundfile().write(file, 0.9 * samples / max(float(np.abs(samples).max(initial=0)), 1.0), rate, subtype="PCM_16")


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--font", type=click.Path(path_type=Path), default=FONT, show_default=True, help="the recordings")
@click.option("--icons", type=click.Path(path_type=Path), default="node_modules/@iconify-json", show_default=True)
@click.option("--stamps", type=click.Path(path_type=Path), default=PHOTOGRAPHS_AT, show_default=True)
def main(folder: Path, font: Path, icons: Path, stamps: Path) -> None:
    """Write sounds, pictures and a list of them for each split into FOLDER, which must not exist yet."""
    try:
        say(f"written: {build(folder, font, icons, stamps)}")
    except UserError as error:
        raise click.ClickException(str(error)) from None


if __name__ == "__main__":
    main()
