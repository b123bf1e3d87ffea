"""Whether a lock holds here: everything that differs from it, named."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...registry import __version__
from ...registry.catalogue import Catalogue
from ...registry.errors import SpecError, one_line
from ..spec.load_spec import spec_from_dict
from ..spec.pipeline_spec import PipelineSpec
from ..storage.record import Json, Record
from .lock import Lock, LockError, Weights
from .make_lock import installed_versions, make_lock, weights_of
from .provenance import installed

if TYPE_CHECKING:
    from ..training.trial import Trial

_ABSENT = object()
_MOST = 50


def locked_spec(lock: Lock, catalogue: Catalogue, name: str) -> PipelineSpec:
    """The pipeline of a lock. Raises ``LockError`` where what is installed differs."""
    if found := list(_installed_otherwise(lock, catalogue)):
        raise _differs(name, found)
    try:
        return spec_from_dict(lock.pipeline, catalogue=catalogue)
    except SpecError as error:  # what the versions do not tell: a path that is no longer there
        raise LockError(f"{name}: its pipeline is not valid here\n{error}") from error


def hold(lock: Lock, spec: PipelineSpec, catalogue: Catalogue, store: Path, name: str) -> None:
    """Compare everything that can be told without loading a model. Raises ``LockError`` naming each difference.

    Nothing is said of a model that was not on the machine when it was locked.
    """
    found = [*_installed_otherwise(lock, catalogue), *_of_pipelines(lock, spec.to_json(), catalogue)]
    if not found:
        now = make_lock(spec, catalogue, store, may_download=True)
        found += _differences("components", lock.components, now.components)
        found += _differences("start_from", lock.start_from, now.start_from)
        found += _differences("data_fingerprint", lock.data_fingerprint, now.data_fingerprint)
        found += _of_the_known("models", lock.models, now.models)
        found += _of_other_weights(lock, now.encoder)
    if found:
        raise _differs(name, found)


def _of_pipelines(lock: Lock, now: Json, catalogue: Catalogue) -> Iterator[str]:
    """The spec against the locked one, in which fields that are younger than the lock have their defaults."""
    if lock.pipeline == now:
        return
    try:
        locked = spec_from_dict(lock.pipeline, catalogue=catalogue).to_json()
    except SpecError:  # what is wrong with it is among the differences
        locked = lock.pipeline
    yield from _differences("$", locked, now)


def hold_weights(lock: Lock, trial: Trial[Any, Any], name: str) -> None:
    """Compare the weights behind a prepared trial. Raises ``LockError``."""
    if found := list(_of_other_weights(lock, weights_of(trial))):
        raise _differs(name, found)


def _of_other_weights(lock: Lock, now: Mapping[str, Weights]) -> Iterator[str]:
    yield from _of_the_known("encoder", {kind: one for kind, one in lock.encoder.items() if kind in now}, now)


def _of_the_known(at: str, locked: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    known = {key: value for key, value in locked.items() if value is not None}
    yield from _differences(at, known, {key: now[key] for key in known if key in now})


def _differs(name: str, found: list[str]) -> LockError:
    more = [f"and {len(found) - _MOST} more"] if len(found) > _MOST else []
    return LockError("\n".join([f"{name} does not hold here:", *(f"  {one}" for one in [*found[:_MOST], *more])]))


def _installed_otherwise(lock: Lock, catalogue: Catalogue) -> Iterator[str]:
    yield from _differences("graftwork", lock.graftwork, __version__)
    here = {one.name: installed(one) for one in catalogue.plugins if one.name in lock.plugins}
    yield from _differences("plugins", lock.plugins, {name: here[name] for name in lock.plugins if name in here})
    for one in catalogue.plugins:
        if one.failure and one.name in lock.plugins:
            yield f"plugins.{one.name}: could not be loaded: {one.failure}"
    yield from _differences("versions", lock.versions, installed_versions())


def _differences(at: str, locked: Any, now: Any) -> Iterator[str]:
    """One line for each value that differs, under the innermost name that both share."""
    locked, now = (one.to_json() if isinstance(one, Record) else one for one in (locked, now))
    if isinstance(locked, dict) and isinstance(now, dict):
        for key in {**locked, **now}:
            yield from _differences(f"{at}.{key}", locked.get(key, _ABSENT), now.get(key, _ABSENT))
    elif json.dumps(locked, default=repr) != json.dumps(now, default=repr):
        yield one_line(f"{at}: locked {_shown(locked)}, now {_shown(now)}")


def _shown(value: Any) -> str:
    text = "absent" if value is _ABSENT else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else f"{text[:60]} ... ({len(text)} letters)"
