"""Emoji: three vendors' pictures with the words that people use for them."""

from __future__ import annotations

from pathlib import Path

from ....core.data.items import DatasetContent, Item, Media
from ....core.roles import Dataset
from ..missing_splits import require_classes_everywhere
from . import WORDS_NOTE
from .emoji_excerpt import excerpt_pictures
from .emoji_packages import PACKAGES, EmojiPackages
from .emoji_pictures import CLASS_NAMES, EmojiPicture
from .group_split import SHARES, split_by_group
from .specs import EmojiSpec

#: Pictures and emoji of the packages in the versions of ``PACKAGES``.
PUBLISHED = (2074, 694)


class Emoji(Dataset):
    """Ids are ``VENDOR/HEXCODE``, the same in the excerpt and in the whole set.

    Source: Unicode's emoji list in subgroups (emoji-datasource), pictures of Noto Emoji, Twemoji and Fluent Emoji,
    labels and tags of CLDR as emojibase has them.
    """

    def __init__(self, spec: EmojiSpec) -> None:
        self.spec = spec

    def load(self) -> DatasetContent:
        """Raises ``DataError`` naming what is missing, with the command that fetches it."""
        pictures, source, notes = self._packages(Path(self.spec.root)) if self.spec.root else self._excerpt()
        index = {subgroup: number for number, subgroup in enumerate(CLASS_NAMES)}
        items, group_of = [], {}
        for one in pictures:
            words = Media.of_text(one.words, f"words of {one.hexcode}")
            item = Item(f"{one.vendor}/{one.hexcode}", {"image": one.picture, "text": words}, index[one.subgroup])
            items.append(item)
            group_of[item.id] = one.hexcode
        splits = split_by_group(items, group_of, f"emoji 1/{self.spec.split_seed}")
        names = tuple(CLASS_NAMES.values())
        require_classes_everywhere(splits, names, source)
        return DatasetContent(
            {name: tuple(split) for name, split in splits.items()},
            names,
            f"emoji, {source} ({SHARES} by emoji, stratified; split seed {self.spec.split_seed})",
            (*notes, WORDS_NOTE),
        )

    def _excerpt(self) -> tuple[list[EmojiPicture], str, list[str]]:
        return excerpt_pictures(self.files, self.spec.background), "excerpt 1", []

    def _packages(self, root: Path) -> tuple[list[EmojiPicture], str, list[str]]:
        packages = EmojiPackages(root)
        pictures = packages.pictures(self.files, self.spec.background)
        versions = packages.versions()
        notes = [
            f"{name} is of version {versions[name]}; the figures of the documentation are of {version}"
            for name, version in PACKAGES.items()
            if versions[name] != version
        ]
        size, emoji = len(pictures), len({one.hexcode for one in pictures})
        if (size, emoji) != PUBLISHED:
            notes.append(
                f"{size:,} pictures of {emoji:,} emoji, with the versions named in the documentation "
                f"{PUBLISHED[0]:,} of {PUBLISHED[1]:,}: not comparable with results on those"
            )
        return pictures, "npm packages " + ", ".join(f"{name} {version}" for name, version in versions.items()), notes
