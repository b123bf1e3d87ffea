"""Instruments: recordings out of a sound font, drawings out of npm packages, pairs that neither tells alone."""

from __future__ import annotations

import itertools
import json
import struct
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner
from PIL import Image

from graftwork import Pipeline
from graftwork.core.data.items import DataError
from graftwork.plugins.datasets.registries.build_instruments import INSTRUMENTS, PHOTOGRAPHS, SPLITS, build, main
from graftwork.plugins.datasets.registries.sound_font import SoundFont
from graftwork.registry.errors import UserError

from ...support.paths import ROOT

RATE = 8000
#: Recordings a program, each of two channels.
RECORDINGS = 5


def chunk(name: bytes, content: bytes) -> bytes:
    """With a byte more where its length is odd."""
    return name + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)


def sound_font(programs: list[int], seconds: float = 0.5) -> bytes:
    """A font whose programs have five recordings each, in stereo; their loop is the second half."""
    count, length = len(programs) * RECORDINGS * 2, int(RATE * seconds)
    time = np.arange(length) / RATE
    waves = [(8000 * np.sin(2 * np.pi * (200 + 30 * n) * time)).astype("<i2") for n in range(count)]
    headers, bags, generators = b"", b"", b""
    for n in range(count):
        start, kind = n * length, 4 if n % 2 == 0 else 2
        places = (start, start + length, start + length // 2, start + length, RATE)
        headers += struct.pack("<20sIIIIIBbHH", f"note {n}".encode(), *places, 60, 0, n + 1 - n % 2 * 2, kind)
        bags += struct.pack("<HH", n, 0)
        generators += struct.pack("<HH", 53, n)
    presets = b"".join(struct.pack("<20sHHHIII", b"preset", one, 0, at, 0, 0, 0) for at, one in enumerate(programs))
    each = range(len(programs) + 1)
    rows = {
        b"phdr": presets + struct.pack("<20sHHHIII", b"EOP", 0, 0, len(programs), 0, 0, 0),
        b"pbag": b"".join(struct.pack("<HH", at, 0) for at in each),
        b"pgen": b"".join(struct.pack("<HH", 41, at) for at in each),
        b"inst": b"".join(struct.pack("<20sH", b"instrument", at * RECORDINGS * 2) for at in each),
        b"ibag": bags + struct.pack("<HH", count, 0),
        b"igen": generators + struct.pack("<HH", 0, 0),
        b"shdr": headers + struct.pack("<20sIIIIIBbHH", b"EOS", 0, 0, 0, 0, 0, 0, 0, 0, 0),
    }
    samples = chunk(b"LIST", b"sdta" + chunk(b"smpl", b"".join(wave.tobytes() for wave in waves)))
    whole = b"sfbk" + samples + chunk(b"LIST", b"pdta" + b"".join(chunk(*row) for row in rows.items()))
    return chunk(b"RIFF", whole)


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A small font of all programs, sets of emoji of which three know all instruments, photographs of one colour."""
    root = tmp_path_factory.mktemp("sources")
    (root / "small.sf2").write_bytes(sound_font(sorted(n for one in INSTRUMENTS.values() for n in one.programs)))
    sets = sorted({one for split in SPLITS.values() for one in split.pictures} - {PHOTOGRAPHS})
    for number, source in enumerate(sets):
        known = list(INSTRUMENTS.values())[: None if source in ("noto", "openmoji", "twemoji") else 5]
        shape = '<rect x="{}" y="{}" width="3" height="5" fill="rgb({},90,20)"/>'
        icons = {
            one.emoji if number % 2 else one.emoji.replace("-", ""): {"body": shape.format(at, at, 20 * number)}
            for at, one in enumerate(known)
        }
        (root / "icons" / source).mkdir(parents=True)
        (root / "icons" / source / "icons.json").write_text(json.dumps({"icons": icons, "width": 16, "height": 16}))
    for number, path in enumerate(itertools.chain(*(one.photographs for one in INSTRUMENTS.values()))):
        file = root / "stamps" / "hobbies" / "music" / f"{path}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (20, 40), (0, 30 * number, 200)).save(file)
    return {"font": root / "small.sf2", "icons": root / "icons", "stamps": root / "stamps"}


@pytest.fixture(scope="module")
def built(sources: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data set of the sources."""
    return build(tmp_path_factory.mktemp("built") / "data", **sources)


def test_recordings_are_those_of_the_program_left_channels_alone(sources: dict[str, Path]) -> None:
    """By name; of a file that lacks a part, or is none, the name is said."""
    found = SoundFont(sources["font"]).recordings(24)
    assert [one.name for one in found] == ["note 20", "note 22", "note 24", "note 26", "note 28"]
    assert {one.rate for one in found} == {RATE}
    for content in (b"RIFF", b"RIFF" + bytes(100), sources["font"].read_bytes()[:2000]):
        other = sources["font"].with_name("other.sf2")
        other.write_bytes(content)
        with pytest.raises(DataError, match=r"other\.sf2: no SoundFont 2 file"):
            SoundFont(other)
    other.write_bytes(sources["font"].read_bytes().replace(struct.pack("<HH", 53, 0), struct.pack("<HH", 53, 999)))
    with pytest.raises(DataError, match=r"other\.sf2: program 0 names a part that is not there"):
        SoundFont(other).recordings(0)


def test_a_short_recording_goes_on_in_its_loop(sources: dict[str, Path]) -> None:
    """As a sampler plays it: its second half again and again; a longer one is cut."""
    one = SoundFont(sources["font"]).recordings(0)[0]
    played, half = one.lasting(10_000), len(one.samples) // 2
    assert len(played) == 10_000
    assert np.array_equal(played[: 2 * half], one.samples)
    assert np.array_equal(played[2 * half : 3 * half], one.samples[half:])
    assert np.array_equal(one.lasting(100), one.samples[:100])


def test_neither_the_picture_nor_the_sound_tells_the_answer(built: Path) -> None:
    """Each stands in as many true items as false ones, in every split; labels are right; no file is in two splits."""
    seen: dict[str, set[str]] = {}
    for split in SPLITS:
        lines = [json.loads(line) for line in (built / f"{split}.jsonl").read_text().splitlines()]
        for kind in ("image", "audio"):
            truly = Counter(one[kind] for one in lines if one["label"])
            assert truly == Counter(one[kind] for one in lines if not one["label"])
            assert not seen.setdefault(kind, set()) & set(truly)
            seen[kind] |= set(truly)
        for one in lines:
            assert one["label"] == (one["image"].split("_")[0] == one["audio"].split("_")[0])
        assert (
            len({one["id"] for one in lines})
            == len(lines)
            == 2 * len(INSTRUMENTS) * SPLITS[split].sounds * (SPLITS[split].each)
        )


def test_the_example_goes_from_the_sources_to_a_result(built: Path, tmp_path: Path) -> None:
    """With the pocket towers in the place of the real ones; sounds last a second at whatever note."""
    info = soundfile.info(built / "flute_test_7.wav")
    assert info.frames / info.samplerate == pytest.approx(1.0, abs=1e-3)
    for split in SPLITS:
        lines = (built / f"{split}.jsonl").read_text().splitlines(keepends=True)
        (built / f"few_{split}.jsonl").write_text("".join(lines[::61]))
    overrides = {
        "dataset.root": str(built),
        "dataset.splits": {split: f"few_{split}.jsonl" for split in SPLITS},
        "encoder.image": {"type": "transformers", "model": "pocket:scene_clip"},
        "encoder.audio": {"type": "transformers", "model": "pocket:ast"},
        "trainer.epochs": 1,
        "reporters": [],
    }
    run = Pipeline.from_file(ROOT / "examples" / "instruments.json", overrides).run(
        tmp_path / "run", tmp_path / "store"
    )
    assert 0 < run.result["adapter"]["share_of_frozen"] < 0.03


def test_what_is_not_there_is_said_with_the_command_that_brings_it(sources: dict[str, Path], tmp_path: Path) -> None:
    """One line, and nothing is written; a folder that is there stays as it is."""
    nowhere = tmp_path / "nowhere"
    for kind, says in (
        ("font", "apt-get install fluid-soundfont-gm"),
        ("icons", "npm install --ignore-scripts @iconify-json/twemoji"),
        ("stamps", "apt-get install tuxpaint-stamps-default"),
    ):
        with pytest.raises(UserError, match=says):
            build(tmp_path / "data", **{**sources, kind: nowhere})
        assert not (tmp_path / "data").exists()
    options = [part for kind, path in sources.items() for part in (f"--{kind}", str(path))]
    said = CliRunner().invoke(main, [str(tmp_path), *options])
    assert (said.exit_code, said.output.count("\n")) == (1, 1)
    assert "exists already" in said.output


@pytest.mark.parametrize("content", ["[]", '{"icons": []}', '{"icons": {"guitar": {}}}', "no JSON"])
def test_a_package_of_another_form_is_refused_in_words(content: str, sources: dict[str, Path], tmp_path: Path) -> None:
    """By the name of its file."""
    icons = tmp_path / "icons"
    (icons / "twemoji").mkdir(parents=True)
    (icons / "twemoji" / "icons.json").write_text(content)
    with pytest.raises(DataError, match=r"twemoji/icons\.json: no icons of Iconify"):
        build(tmp_path / "data", sources["font"], icons, sources["stamps"])
