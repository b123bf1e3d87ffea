"""WebDataset shards: files that share a key are one sample; pictures stay in their shard until they are needed.

The format is that of the webdataset library (and of its tar files only): a key is the path up to the first dot of the
file's name, the rest is the suffix. The library itself streams whole shards and so cannot give one picture; reading by
offset can.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from braceexpand import braceexpand

from ....core.data.items import DataError, DatasetContent, some_of
from ....core.roles import Dataset
from ....registry.errors import counted
from ..json_lines.json_object import json_value
from .brace_patterns import most_expansions
from .items import Record, as_label, as_text, content_of, given_names
from .specs import WebDatasetSpec
from .tar_index import MAX_TEXT, Member, members, tar_index

Sample = dict[str, Member]
#: Shards of a split.
MAX_SHARDS = 100_000
#: Digits of a class index; more are a name.
MAX_DIGITS = 19


class WebDataset(Dataset):
    """Ids are ``SPLIT/KEY``."""

    def __init__(self, spec: WebDatasetSpec) -> None:
        self.spec = spec

    def load(self) -> DatasetContent:
        """Reads every shard once to know its contents (remembered as long as the shard stays as it is)."""
        names = given_names(self.spec)
        splits: dict[str, list[Record]] = {
            split: list(self._records(split, pattern, frozenset(names or ())))
            for split, pattern in self.spec.shards.items()
        }
        patterns = ", ".join(f"{split} {Path(pattern).name}" for split, pattern in self.spec.shards.items())
        return content_of(splits, names, self.spec, f"shards ({patterns})", to_score=self.to_score)

    def _records(self, split: str, pattern: str, names: frozenset[str]) -> Iterator[Record]:
        samples = self._samples(split, pattern)
        unpictured = [key for key, sample in samples.items() if self._picture(sample) is None]
        if unpictured:
            raise DataError(
                f"{pattern}: {len(unpictured)} of {len(samples)} samples have no picture "
                f"({', '.join(self.spec.image)}):{some_of(unpictured)}"
            )
        for key, sample in samples.items():
            picture = self._picture(sample)
            assert picture is not None
            place = f"{picture.archive}: {key}"
            label = as_label(_value(sample, self.spec.label), f"{place}, `{self.spec.label}`")
            if isinstance(label, str) and not (label in names and "." in self.spec.label):
                label = _number(label)
            text = _value(sample, self.spec.text) if self.spec.text else None
            shown = picture.picture(self.spec.background)
            yield Record(key, shown, label, as_text(text, f"{place}, `{self.spec.text}`"))

    def _picture(self, sample: Sample) -> Member | None:
        return next((sample[suffix] for suffix in self.spec.image if suffix in sample), None)

    def _samples(self, split: str, pattern: str) -> dict[str, Sample]:
        """Key to suffix to file. Raises ``DataError`` for missing shards and for keys that stand in two samples."""
        shards = _expanded(pattern)
        missing = [str(shard) for shard in shards if not shard.is_file()]
        if missing:
            raise DataError(
                f"dataset.shards.{split}: {len(missing)} of {len(shards)} shards do not exist:{some_of(missing)}"
            )
        indexes = self.files.of("tar index, 2", shards[0].parent, shards, tar_index)
        samples: dict[str, Sample] = {}
        twice: list[str] = []
        for shard, index in zip(shards, indexes, strict=True):
            for member in members(shard, index):
                key, suffix = _key_and_suffix(member.name)
                sample = samples.setdefault(key, {}) if suffix else {}
                if suffix in sample or any(other.archive != shard for other in sample.values()):
                    twice.append(f"{key} ({member.name} of {shard.name})")
                sample[suffix] = member
        if not samples:
            raise DataError(
                f"dataset.shards.{split}: no sample in {counted(len(shards), 'shards')} ({pattern}): nothing is there, "
                "or no file has a dot behind its name; fetch them again, or leave the split out"
            )
        if twice:
            raise DataError(f"{pattern}: {counted(len(twice), 'keys', 'stand')} there more than once:{some_of(twice)}")
        return samples


def _expanded(pattern: str) -> list[Path]:
    if (many := most_expansions(pattern)) > MAX_SHARDS:
        raise DataError(
            f"dataset.shards: {pattern:.80} names up to {many:,} shards, and {MAX_SHARDS:,} are the most; "
            "write train-{000000..000009}.tar with the numbers that there are"
        )
    try:
        return [Path(one) for one in braceexpand(pattern, escape=False)]
    except (ValueError, RecursionError) as error:
        raise DataError(f"dataset.shards: {pattern:.80}: {error}; write train-{{000000..000009}}.tar") from None


def _key_and_suffix(name: str) -> tuple[str, str]:
    """``a/b.seg.png`` is key ``a/b``, suffix ``seg.png``; without a dot, or hidden, a file belongs to no sample."""
    folder, _, file = name.rpartition("/")
    stem, _, suffix = file.partition(".")
    return f"{folder}/{stem}" if folder else stem, suffix.lower() if stem else ""


def _value(sample: Sample, field: str) -> Any:
    """What stands in the file of that suffix, or under ``json.field`` in the JSON file; ``None`` where it is not."""
    if field in sample:
        return _text(sample[field]).strip()
    suffix, _, key = field.partition(".")
    if key and suffix in sample:
        content = sample[suffix]
        value = json_value(f"{content.archive}:{content.name}", _text(content))
        return value.get(key) if isinstance(value, Mapping) else None
    return None


def _text(member: Member) -> str:
    if member.text is None:
        raise DataError(f"{member.archive}:{member.name}: not UTF-8, or longer than {MAX_TEXT} bytes")
    return member.text


def _number(text: str) -> int | str:
    """A number where it looks like one."""
    return int(text) if text.removeprefix("-").isdecimal() and len(text) < MAX_DIGITS else text
