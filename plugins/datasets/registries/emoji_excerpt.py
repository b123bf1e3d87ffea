"""The excerpt of the emoji that comes with Graftwork: one tar file, read in place, with the licences of what it holds.

``build_emoji_excerpt`` makes it.
"""

from __future__ import annotations

import json
from pathlib import Path

from ....core.data.file_memo import FileMemo
from ....registry.errors import GraftworkError
from ..records.tar_index import members, tar_index
from .emoji_pictures import EmojiPicture

EXCERPT = Path(__file__).with_name("emoji_excerpt.tar")
SHA256 = "79c28ebeb3394dbfbe489bbbd4c43b368a41617559da7397fed6af4b20e57700"
#: A line an emoji: ``{"hexcode": "1F3A0", "subgroup": "place-other", "words": "carousel horse: ...", "vendors": []}``.
LIST = "emoji.jsonl"
NOTICE = "NOTICE"


class DamagedExcerpt(GraftworkError):
    """The file that came with Graftwork is another one."""


def path_of(vendor: str, hexcode: str) -> str:
    """A picture's path in the excerpt."""
    return f"{vendor}/{hexcode}.webp"


def excerpt_pictures(files: FileMemo, background: str) -> list[EmojiPicture]:
    """Every picture of the excerpt, in the order of its list. Raises ``DamagedExcerpt``."""
    if not EXCERPT.is_file() or files.sha256(EXCERPT.parent, [EXCERPT]) != [SHA256]:
        raise DamagedExcerpt(f"{EXCERPT}: not the file that came with Graftwork; install Graftwork again")
    (index,) = files.of("tar index, 2", EXCERPT.parent, [EXCERPT], tar_index)
    held = {member.name: member for member in members(EXCERPT, index)}
    lines = held[LIST].read().decode().splitlines()
    return [
        EmojiPicture(
            vendor,
            one["hexcode"],
            one["subgroup"],
            one["words"],
            held[path_of(vendor, one["hexcode"])].picture(background),
        )
        for one in map(json.loads, lines)
        for vendor in one["vendors"]
    ]
