"""Where each file of a tar archive lies, so that a picture can be read without the archive being unpacked."""

from __future__ import annotations

import hashlib
import json
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from ....core.data.items import DataError, Media
from ....core.data.media_files import require_same
from ....core.data.names import not_utf8
from ....core.data.pictures import decode, digest_of, finding

_END = 1024
#: Bytes of the longest class, caption or JSON that is kept with the index.
MAX_TEXT = 1 << 16
#: Bytes of the longest file that is looked at as a picture; a longer one is known by its bytes alone.
MAX_PICTURE = 1 << 28


@dataclass(frozen=True, slots=True)
class Member:
    """A file inside an archive."""

    archive: Path
    name: str
    #: Where its bytes begin in the archive, and how many there are.
    offset: int
    size: int
    #: sha256 (hex) of its bytes, and what makes it be seen otherwise (``pictures.finding``).
    found: str
    #: What a small text says; ``None`` for pictures and all else.
    text: str | None = None

    @property
    def digest(self) -> str:
        """sha256 (hex) of its bytes."""
        return self.found.partition(" ")[0]

    def read(self) -> bytes:
        """Its bytes. Raises ``DataError`` when they are no longer those that were listed."""
        try:
            with open(self.archive, "rb") as file:
                file.seek(self.offset)
                content = file.read(self.size)
        except OSError as error:
            raise DataError(f"{self.archive}: cannot be read: {error.strerror or error}") from None
        return require_same(content, self.digest, f"{self.archive}: {self.name}")

    def picture(self, background: str) -> Media:
        """It as a picture, decoded when it is needed."""
        source = f"{self.archive}:{self.name}"
        read = lambda: decode(self.read(), source, background)  # noqa: E731
        return Media(digest_of(self.found, background), source, read, self.digest)


def tar_index(path: Path) -> str:
    """The regular files of a plain tar archive as JSON ``[[name, offset, size, found, text], ...]``; see ``members``.

    Raises ``DataError`` for a file that is no plain tar archive, is damaged between two files, or was cut off.
    """
    rows: list[tuple[str, int, int, str, str | None]] = []
    try:
        with tarfile.open(path, "r:") as archive:
            for member in archive:
                if spelt := not_utf8(member.name):
                    raise DataError(f"{path}: {spelt}: a name in it is no UTF-8; write the shard again")
                if member.islnk() or member.issym() or member.issparse():
                    raise ValueError(
                        f"{member.name} is a link or sparse, without bytes of its own (--hard-dereference)"
                    )
                content = archive.extractfile(member) if member.isreg() else None
                if content:
                    found, text = _contents(content, member.size)
                    rows.append((member.name, member.offset_data, member.size, found, text))
            end = archive.offset
    except (tarfile.TarError, EOFError, ValueError) as error:
        raise DataError(
            f"{path}: no whole plain tar file: {error}; unpack a compressed one (gunzip), fetch a broken one again"
        ) from None
    _require_end(path, end, rows[-1][0] if rows else "the beginning")
    return json.dumps(rows)


def members(path: Path, index: str) -> list[Member]:
    """What ``tar_index`` found in ``path``."""
    return [Member(path, *row) for row in json.loads(index)]


def _contents(file: IO[bytes], size: int) -> tuple[str, str | None]:
    """Its ``finding``, and the text of what is short and UTF-8, which no picture is."""
    if size > MAX_PICTURE:
        return hashlib.file_digest(file, "sha256").hexdigest(), None  # type: ignore[arg-type]  # reads as files do
    content = file.read()
    if size > MAX_TEXT:
        return finding(content), None
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return finding(content), None
    return hashlib.sha256(content).hexdigest(), text


def _require_end(path: Path, end: int, last: str) -> None:
    """Two blocks of zeros end a tar file. ``tarfile`` stops without a word at anything else that is no header."""
    with open(path, "rb") as file:
        file.seek(end)
        closing = file.read(_END)
    if closing != bytes(_END):
        what = "damaged" if len(closing) == _END else "cut off"
        raise DataError(
            f"{path}: {what} after {last}: the blocks of zeros that end a tar file are missing; fetch it again"
        )
