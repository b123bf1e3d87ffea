"""Media that are too much, cut, joined, or no longer what was listed."""

from __future__ import annotations

import io
import os
import re
import struct
import zlib
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
from PIL import Image

from graftwork.core.data.items import DataError
from graftwork.core.data.pictures import decode, file_media, open_picture
from graftwork.core.data.sounds import MAX_SAMPLES, file_audio, open_sound
from graftwork.core.data.sounds import decode as decode_sound
from graftwork.core.data.waveform import Waveform
from graftwork.core.roles import CaptionerError, PictureKey
from graftwork.plugins.captioners.captions_file import CaptionsFile
from graftwork.plugins.captioners.specs import CaptionsFileSpec
from graftwork.plugins.datasets import AudioFolderSpec, ImageFolderSpec, JsonLinesSpec
from graftwork.plugins.datasets.folders.audio_folder import AudioFolder
from graftwork.plugins.datasets.folders.image_folder import ImageFolder
from graftwork.plugins.datasets.json_lines.dataset import JsonLines
from graftwork.plugins.encoders.transformers.audio import resampled

from ...support.media.fuzz import sound
from ...support.media.picture_forms import chunk, coloured, encoded
from ...support.media.sound_files import tone, write

GUID = b"\xf3\xac\xd3\x11\x8c\xd1\x00\xc0\x4f\x8e\xdb\x8a"
CHANGED = "changed while the data set was in use; run again"


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (np.full((4, 4), 70_000, np.int32), "whole numbers of 32 bits from 70000 to 70000"),
        (np.full((4, 4), -1, np.int32), "from -1 to -1"),
        (np.full((4, 4), 300, np.float32), "floats from 300 to 300"),
        (np.full((4, 4), np.nan, np.float32), "floats from nan to nan"),
        (np.full((4, 4), -0.5, np.float32), "floats from -0.5 to -0.5"),
    ],
)
def test_a_depth_that_tells_nothing_is_refused_by_name(values: np.ndarray, reason: str) -> None:
    """Never clipped to white or black."""
    with pytest.raises(DataError, match=re.escape("a.tif: not a readable image: its grey values are ") + ".*" + reason):
        decode(encoded(Image.fromarray(values), "TIFF"), "a.tif")
    with pytest.raises(DataError, match=reason):
        open_picture(Image.fromarray(values))


@pytest.mark.parametrize("side", [20_000, 60_000, 2**31 - 1])
def test_a_picture_of_absurd_size_is_refused_before_it_is_decoded(side: int) -> None:
    """A small file that would take gigabytes."""
    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(999))) + chunk(b"IEND", b"")
    with pytest.raises(DataError, match=r"bomb\.png: not a readable image: it has more than 179 megapixels"):
        decode(bomb, "bomb.png")


def test_no_other_program_is_run_for_a_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """PostScript, whatever the file is called."""
    (tmp_path / "gs").write_text("#!/bin/sh\ntouch ran\n")
    (tmp_path / "gs").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match="no image format is recognised"):
        decode(encoded(coloured(), "EPS"), "a.png")
    assert not (tmp_path / "ran").exists()


def test_a_pipe_is_no_file(tmp_path: Path) -> None:
    """It would be waited for, a device read for ever."""
    os.mkfifo(tmp_path / "a.png")
    for read in (open_picture, file_media, open_sound, file_audio):
        for path in (tmp_path / "a.png", Path("/dev/zero"), tmp_path, tmp_path / "none.png"):
            with pytest.raises(DataError, match=re.escape(str(path))):
                read(path)


CHUNKED = [(kind, None) for kind in ("WAV", "WAVEX", "RF64", "AIFF", "AU", "W64", "CAF", "NIST")] + [
    ("WAV", "IMA_ADPCM")
]


@pytest.mark.parametrize("kind", CHUNKED)
@pytest.mark.parametrize("share", [0.3, 0.99])
def test_a_cut_sound_is_refused_by_name(kind: tuple[str, str | None], share: float) -> None:
    """Its header promises more than there is; what is written behind the samples is no matter."""
    content = sound(*kind)
    with pytest.raises(DataError, match="it is cut off: its header promises"):
        decode_sound(content[: max(int(len(content) * share), content.find(b"data") + 20, 1024)], "a.wav")
    if kind[0] in ("W64", "NIST"):  # libsndfile reads them to the end of the file
        with pytest.raises(DataError, match="bytes of samples stand 72 others, which would be heard as samples"):
            decode_sound(content + b"rubbish!" * 9, "a.wav")
    else:
        whole = decode_sound(content, "a.wav").samples
        assert (decode_sound(content + b"rubbish!" * 9, "a.wav").samples == whole).all()


@pytest.mark.parametrize("size", [0xFFFFFFFF, 0x7FFFFFFF, 0x7FFFF000])
def test_a_wav_of_unknown_size_ends_where_the_file_ends(size: int) -> None:
    """As a writer leaves it that cannot go back."""
    content = sound("WAV", None)
    at = content.index(b"data") + 4
    piped = content[:at] + struct.pack("<I", size) + content[at + 4 :]
    assert (decode_sound(piped, "a.wav").samples == decode_sound(content, "a.wav").samples).all()


@pytest.mark.parametrize(
    ("kind", "name", "size", "unknown"),
    [
        ("AIFF", b"SSND", ">I", (0, 0xFFFFFFFF)),
        ("AU", b".snd....", ">I", (0xFFFFFFFF,)),
        ("W64", b"data" + GUID, "<Q", (0, 24, 2**64 - 1)),
    ],
)
def test_other_sounds_of_unknown_size_are_heard_to_the_end(
    kind: str, name: bytes, size: str, unknown: tuple[int, ...]
) -> None:
    """Each of these sizes is read to the end by libsndfile itself."""
    content = sound(kind, None)
    at = content.index(name[:4]) + len(name)
    for one in unknown:
        piped = content[:at] + struct.pack(size, one) + content[at + struct.calcsize(size) :]
        assert (decode_sound(piped, "a").samples == decode_sound(content, "a").samples).all()


@pytest.mark.parametrize("samples", [1, 255, 4096, 4097, 90_000])
def test_a_flac_of_unknown_length_is_heard_to_its_end(samples: int) -> None:
    """libsndfile cannot read what was written to a pipe; its word for it was `Internal psf_fseek() failed`."""
    noise = np.random.default_rng(samples).uniform(-1, 1, samples)
    soundfile.write(out := io.BytesIO(), noise, 44_100, format="FLAC")
    content = bytearray(out.getvalue())
    content[21:26] = bytes([content[21] & 0xF0, 0, 0, 0, 0])
    heard = decode_sound(bytes(content), "a.flac").samples
    assert len(heard) == samples
    assert (heard == decode_sound(out.getvalue(), "a.flac").samples).all()
    for lost in (1, 2, 3, 40, len(content) // 3):
        with pytest.raises(DataError, match="cut off or damaged: no whole frame ends it"):
            decode_sound(bytes(content[:-lost]), "a.flac")


class Pipe:
    """Nobody goes back in it."""

    def __init__(self) -> None:
        self.content = b""

    def write(self, part: bytes) -> int:
        self.content += bytes(part)
        return len(part)


def test_a_flac_that_ffmpeg_wrote_to_a_pipe_is_heard() -> None:
    """Of another encoder, whose last frame says its size in another way."""
    tone = np.round(np.sin(np.arange(10_007) / 20) * 9_000).astype(np.int16)
    with av.open(pipe := Pipe(), "w", format="flac") as container:
        track = container.add_stream("flac", rate=22_050, layout="mono")
        frame = av.AudioFrame.from_ndarray(tone[None], format="s16", layout="mono")
        frame.sample_rate = 22_050
        for part in (frame, None):
            container.mux(track.encode(part))
    content = pipe.content
    assert not int.from_bytes(content[18:26], "big") & (1 << 36) - 1
    heard = decode_sound(content, "a.flac")
    assert heard.rate == 22_050
    assert (np.round(heard.samples * 32_768) == tone).all()


@pytest.mark.parametrize("kind", [("OGG", "VORBIS"), ("OGG", "OPUS"), ("MP3", None), ("FLAC", None), *CHUNKED])
def test_joined_sounds_are_refused_and_not_heard_in_part(kind: tuple[str, str | None]) -> None:
    """Where the decoder hears the first alone; and a compressed one that is cut."""
    content = sound(*kind)
    with pytest.raises(DataError, match="sounds stand one behind the other"):
        decode_sound(content * 2, "a")
    with pytest.raises(DataError, match="not a readable sound"):
        decode_sound(content[: len(content) // 2], "a")


@pytest.mark.parametrize("promised", [0, 1, 1001, 3200])
@pytest.mark.parametrize(
    ("kind", "size", "shorter"),
    [
        ("WAV", "<I", 0),
        ("WAVEX", "<I", 0),
        ("AIFF", ">I", 0),
        ("AU", ">I", 0),
        ("W64", "<Q", 24),
        ("CAF", ">q", 0),
    ],
)
def test_samples_that_the_header_does_not_promise_are_not_passed_over(
    kind: str, size: str, shorter: int, promised: int
) -> None:
    """A recorder that was stopped leaves the size of its last save: a part would be heard, without a word.

    Where libsndfile takes 0 for unknown all of it is heard.
    """
    if promised == 0 and kind in ("AIFF", "W64"):
        return
    content = bytearray(sound(kind, None))
    name = {"AIFF": b"SSND", "AU": b".snd"}.get(kind, b"data")
    at = content.index(name) + {"W64": 16, "AU": 8}.get(kind, 4)
    struct.pack_into(size, content, at, promised + shorter)
    with pytest.raises(
        DataError,
        match=rf"(promises|the) {promised:,} bytes of samples(, and| stand) \S+ (bytes that are none|others, which)",
    ):
        decode_sound(bytes(content), "a.wav")


def test_samples_in_several_chunks_are_not_heard_in_part() -> None:
    """And what follows samples by right is let pass: chunks with and without filling, tags, zeros."""
    content = sound("WAV", None)
    at = content.index(b"data")
    with pytest.raises(DataError, match="its samples stand in several chunks"):
        decode_sound(content + content[at:], "a.wav")
    whole = decode_sound(content, "a.wav").samples
    listed = b"LIST" + struct.pack("<I", 2001) + bytes([7]) * 2001
    for behind in (
        listed,
        listed + b"\0" + listed,
        listed + listed,
        b"TAG" + b"x" * 3000,
        b"ID3" + b"y" * 3000,
        bytes(9999),
        b"LIST" + struct.pack("<I", 2009) + bytes([7]) * 2001,  # its size counts its head
        listed + b"\0" + b"bext" + struct.pack("<I", 9999) + b"z" * 3000,
        b"id3 " + struct.pack("<I", 0xFFFFFFFF) + b"ID3" + b"y" * 3000,
    ):
        assert (decode_sound(content + behind, "a.wav").samples == whole).all()


@pytest.mark.parametrize("kind", ["VOC", "MAT4", "IRCAM", "XI"])
def test_a_sound_that_cannot_be_told_whole_is_refused(kind: str) -> None:
    """Kinds of old programs, which libsndfile reads as far as they go."""
    content = sound(kind, "DPCM_16" if kind == "XI" else "PCM_16")
    with pytest.raises(DataError, match=f"of a sound of kind {kind} it cannot be told whether it is whole"):
        decode_sound(content, "a.wav")


@pytest.mark.parametrize(
    ("channels", "cancelled"),
    [((1, -1), True), ((1, -0.98), True), ((1, -0.5), False), ((1, 1), False), ((1, 0), False), ((1, -1, 1, -1), True)],
)
@pytest.mark.parametrize("kind", ["WAV", "FLAC", "OGG"])
def test_channels_that_cancel_each_other_are_told(kind: str, channels: tuple[float, ...], cancelled: bool) -> None:
    """What is heard is silence; a mean that merely is quieter is none."""
    out = io.BytesIO()
    soundfile.write(out, np.stack([share * tone(440) for share in channels], axis=1), 16_000, format=kind)
    assert decode_sound(out.getvalue(), "a").cancelled is cancelled


def test_a_damaged_mp3_writes_no_lines_of_its_own(capfd: pytest.CaptureFixture[str]) -> None:
    """The frames are counted before its decoder sees it."""
    content = sound("MP3", None)
    with pytest.raises(DataError, match="cut off or damaged"):
        decode_sound(content[: len(content) // 2] + bytes(500) + content[len(content) // 2 + 500 :], "a.mp3")
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("rate", [1, 99, 2_000_000])
def test_a_rate_that_nothing_is_recorded_at_is_refused(rate: int, tmp_path: Path) -> None:
    """Before it is resampled to gigabytes."""
    with pytest.raises(DataError, match=f"a sound of {rate:,} samples a second; between 100 and 1,000,000"):
        open_sound(write(tmp_path / "a.wav", tone(440), rate))
    with pytest.raises(DataError, match="samples a second"):
        open_sound(Waveform(tone(440), rate))
    with pytest.raises(DataError, match=f"more than {MAX_SAMPLES:,} samples; cut it up: of 100 Hz"):
        resampled(np.zeros(MAX_SAMPLES // 400, np.float32), 100, 48_000)


def test_a_long_sound_is_mixed_as_before_block_by_block() -> None:
    """To the bit, beyond one block."""
    samples = np.random.default_rng(0).standard_normal((700_001, 2)).astype(np.float32) * 0.1
    out = io.BytesIO()
    soundfile.write(out, samples, 44_100, format="FLAC")
    whole, _ = soundfile.read(io.BytesIO(out.getvalue()), dtype="float32", always_2d=True)
    assert (decode_sound(out.getvalue(), "a").samples == whole.mean(axis=1)).all()


def test_what_changed_since_it_was_listed_is_no_longer_read(tmp_path: Path) -> None:
    """Pictures and sounds, by folder, by lines, by path: its vector would stand under another content for good."""
    for label in ("one", "two"):
        for number in range(4):
            write(tmp_path / "sounds" / label / f"{number}.wav", tone(100 * number + 50 * len(label)))
            (tmp_path / "pictures" / label).mkdir(parents=True, exist_ok=True)
            (tmp_path / "pictures" / label / f"{number}.png").write_bytes(encoded(coloured().rotate(number), "PNG"))
    (tmp_path / "train.jsonl").write_text('{"image": "pictures/one/0.png", "audio": "sounds/one/0.wav", "label": "a"}')
    sets = [
        ImageFolder(ImageFolderSpec(root=str(tmp_path / "pictures"))),
        AudioFolder(AudioFolderSpec(root=str(tmp_path / "sounds"))),
        JsonLines(JsonLinesSpec(root=str(tmp_path))),
    ]
    listed = [media for one in sets for item in one.load().splits["train"] for media in item.modalities.values()]
    listed += [file_media(tmp_path / "pictures/one/0.png"), file_audio(tmp_path / "sounds/one/0.wav")]
    for media in listed:
        media.read()
    for path in tmp_path.rglob("*.*"):
        path.write_bytes(path.read_bytes() + b"more")
    for media in listed:
        with pytest.raises(DataError, match=re.escape(f"{media.source} {CHANGED}")):
            media.read()


def test_captions_that_changed_since_they_were_noted_are_not_looked_up(tmp_path: Path) -> None:
    """The result names the file's digest."""
    file = tmp_path / "captions.jsonl"
    file.write_text('{"id": "1", "text": "a dog"}\n')
    captions = CaptionsFile(CaptionsFileSpec(file=str(file)))
    file.write_text('{"id": "1", "text": "a cat, rather"}\n')
    with pytest.raises(CaptionerError, match=r"captions\.jsonl changed while it was in use; run again"):
        captions.look_up([PictureKey("1", "", "")])
