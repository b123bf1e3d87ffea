"""Which shares of each class become the splits that data does not bring, so that its smallest class is in all."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from ..data.items import MAX_NAMED, DataError

#: The fields of a data set that cuts: nothing is cut.
UNCUT = {"val_fraction": 0.0, "test_fraction": 0.0}


def fractions_of(
    train: Mapping[str, int], given: Collection[str], cuts: Collection[str], type_: str
) -> dict[str, float]:
    """Fields of a data set's section that cuts ``train`` (class to labelled items), beside its defaults.

    ``given``: the splits that there are; ``cuts``: those of the two fields that may be set. Raises ``DataError`` for
    classes that are too small for a test split.
    """
    least = min(train.values())
    fields: dict[str, float] = {}
    if "test" not in given and "test_fraction" in cuts:
        _require(train, 2, f"a class needs 2 items, one to learn from and one to test on, and {type_} cuts them here")
        val = "val" not in given
        fields["test_fraction"] = 0.3 if least >= 3 or not val else 0.5
        if val and "val_fraction" in cuts:
            fields["val_fraction"] = 0.2 if least >= 3 else 0.0
    elif "val" not in given and "val_fraction" in cuts:
        fields["val_fraction"] = 0.2 if least >= 3 else 0.5 if least == 2 else 0.0
    return fields


def _require(train: Mapping[str, int], least: int, why: str) -> None:
    small = [f"{name} ({count})" for name, count in train.items() if count < least]
    if small:
        names = ", ".join(small[:MAX_NAMED]) + (" ..." if len(small) > MAX_NAMED else "")
        raise DataError(
            f"too small to be divided: {names}: {why}. Add items, or leave these classes out: of folders by "
            f"--set 'dataset.exclude=[\"{next(name for name, count in train.items() if count < least)}\"]'"
        )
