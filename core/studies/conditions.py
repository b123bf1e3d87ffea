"""What must be the same for two results to be comparable, and what is not. Light: no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ..storage.result import Result
from ..storage.result_parts import Descriptions, FrozenModel
from ..storage.store import identity_key


@dataclass(frozen=True, slots=True)
class Difference:
    """A condition under which some results came about and others did not."""

    condition: str
    #: Each value with the names of the results that have it.
    values: Mapping[str, tuple[str, ...]]

    def __str__(self) -> str:
        return f"{self.condition}: " + "; ".join(f"{value} ({', '.join(who)})" for value, who in self.values.items())

    def to_json(self) -> dict[str, Any]:
        """As plain JSON."""
        return asdict(self)


def conditions(result: Result) -> dict[str, str]:
    """The conditions of a result, each as text. One that does not apply is left out: prompts of a head that uses
    none.
    """
    dataset, machine = result.dataset, result.machine
    found = {
        "data set": dataset.type,
        "split": dataset.split_id,
        "data": dataset.fingerprint[:12],
        "shots": str(dataset.shots or "all"),
        "seeds": ", ".join(map(str, result.seeds)),
        "selected on": selected(result),
        "reported on": result.test_on,
        "metric": result.metric,
        "nodes": result.nodes,
        "captioner": _captioner(result.descriptions),
        "inductive policy": result.inductive,
        "unlabelled training items": "in the graph" if result.pool == "train" else "unused",
        "machine (of seconds and memory)": f"{machine.device}, {machine.threads} threads, {machine.platform}",
    }
    found = {condition: value for condition, value in found.items() if value}
    found |= {f"{kind} encoder": _encoder(own) for kind, own in result.encoder.items()}
    if not isinstance(result.prompts, str):
        found["prompts"] = " | ".join(result.prompts)
    return found


def _encoder(own: FrozenModel) -> str:
    """One modality's model and how it was asked."""
    keys = f"settings {identity_key(own.identity)[:8]}, preprocessing {identity_key(own.preprocessing)[:8]}"
    return f"weights {own.weights[:12]}, {keys}"


def _captioner(descriptions: Descriptions | None) -> str:
    """Who described the pictures; empty where nobody did."""
    identity = descriptions.captioner if descriptions else None
    return f"{identity['component']} {identity_key(identity)[:8]}" if identity else ""


def selected(result: Result) -> str:
    """The split of its validation score; of a sequence of tasks whose values were searched, the score is of the first
    tasks alone."""
    return f"{result.select_on} of the first tasks" if result.tasks and result.chosen else result.select_on


def reported(result: Result) -> tuple[str, str, str]:
    """Metric, split and data of its scores: only results that share all three stand in one column."""
    return result.metric, result.test_on, result.dataset.fingerprint


def differences(results: Sequence[tuple[str, Result]]) -> list[Difference]:
    """Every condition that the named results do not share, in a fixed order."""
    each = [(name, conditions(result)) for name, result in results]
    found = []
    for condition in dict.fromkeys(key for _, one in each for key in one):
        values: dict[str, list[str]] = {}
        for name, one in each:
            if condition in one:
                values.setdefault(one[condition], []).append(name)
        if len(values) > 1:
            found.append(Difference(condition, {value: tuple(names) for value, names in values.items()}))
    return found


def shared(results: Sequence[Result]) -> dict[str, str]:
    """The conditions that all results to which they apply have in common."""
    each = [conditions(result) for result in results]
    keys = dict.fromkeys(key for one in each for key in one)
    values = {key: {one[key] for one in each if key in one} for key in keys}
    return {key: next(iter(found)) for key, found in values.items() if len(found) == 1}
