"""Make the excerpt of the emoji: ``python -m graftwork.plugins.datasets.registries.build_emoji_excerpt ROOT``.

``ROOT`` holds the npm packages. Equal packages and an equal Pillow give an equal file, byte for byte.
"""

from __future__ import annotations

import hashlib
import json
import sys
import tarfile
from collections import defaultdict
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path

from PIL import Image

from ....core.data.file_memo import FileMemo
from ....core.data.media_files import read_file
from ....core.storage.files import sha256_of, write_whole
from .emoji_excerpt import EXCERPT, LIST, NOTICE, path_of
from .emoji_packages import EmojiPackages
from .emoji_pictures import EmojiPicture

#: Emoji of a class, at most; bytes of the file, at most.
MOST, LIMIT = 15, 3_000_000
SIZE = (64, 64)
#: Pillow's WebP encoder: about half of what the pictures weigh as PNG.
QUALITY = 80


def build(root: Path) -> bytes:
    """The excerpt of the packages in ``root``: ``MOST`` emoji a class of those that all vendors draw."""
    of_emoji: dict[str, list[EmojiPicture]] = defaultdict(list)
    for picture in EmojiPackages(root).pictures(FileMemo(), "#ffffff"):
        of_emoji[picture.hexcode].append(picture)
    vendors = max(map(len, of_emoji.values()))
    chosen = _chosen([some for some in of_emoji.values() if len(some) == vendors])
    lines = [
        {
            "hexcode": some[0].hexcode,
            "subgroup": some[0].subgroup,
            "words": some[0].words,
            "vendors": [one.vendor for one in some],
        }
        for some in chosen
    ]
    listed = "".join(f"{json.dumps(line, ensure_ascii=False)}\n" for line in lines)
    pictures = [(path_of(one.vendor, one.hexcode), _webp(Path(one.picture.source))) for some in chosen for one in some]
    notice = EXCERPT.with_suffix(f".{NOTICE}").read_bytes()
    return _tar([(NOTICE, notice), (LIST, listed.encode()), *pictures])


def _chosen(emoji: Iterable[list[EmojiPicture]]) -> list[list[EmojiPicture]]:
    """By sha256 of the hexcode, class by class; in the given order."""
    of_class: dict[str, list[list[EmojiPicture]]] = defaultdict(list)
    for some in emoji:
        of_class[some[0].subgroup].append(some)
    rank = lambda some: hashlib.sha256(some[0].hexcode.encode()).hexdigest()  # noqa: E731
    kept = {some[0].hexcode for group in of_class.values() for some in sorted(group, key=rank)[:MOST]}
    return [some for group in of_class.values() for some in group if some[0].hexcode in kept]


def _webp(path: Path) -> bytes:
    """With its transparency, which whoever reads it lays on a background."""
    picture = Image.open(BytesIO(read_file(path))).convert("RGBA")
    if picture.size != SIZE:
        picture = picture.resize(SIZE, Image.Resampling.LANCZOS)
    buffer = BytesIO()
    picture.save(buffer, "WEBP", quality=QUALITY, method=4)
    return buffer.getvalue()


def _tar(files: Iterable[tuple[str, bytes]]) -> bytes:
    buffer = BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, content in files:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, BytesIO(content))
    return buffer.getvalue()


def main(root: str) -> None:
    """Write the excerpt beside this file, and say what to pin."""
    content = build(Path(root))
    if len(content) > LIMIT:
        sys.exit(f"the excerpt has {len(content):,} bytes, more than {LIMIT:,}; lower MOST or QUALITY")
    write_whole(EXCERPT, content, durable=True)
    sys.stdout.write(f"{EXCERPT}: {len(content):,} bytes; emoji_excerpt.SHA256 is {sha256_of(EXCERPT)}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
