"""The manifests of a run folder and of the adapter in it. Light: no torch.

Each is written last, lists the sha256 of every other file of its folder, and carries one of its own; that of the run
knows that of the adapter.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path, PureWindowsPath
from types import MappingProxyType
from typing import Any, ClassVar, Self

from ...registry import __version__
from ...registry.errors import one_line
from .adapter_config import CONFIG, TENSORS, own_words
from .claim import LOCK
from .files import sha256_of
from .record import Versioned
from .run_folder import RunFolderError, write_json
from .sealed import SEAL, is_unaltered, sealed

MANIFEST, ADAPTER = "manifest.json", "adapter"
#: Files beside the adapter that are read again.
_READ = ("result.json", "lock.json", "predictions.jsonl")
#: What to say of a run that an older Graftwork wrote.
UNSEALED = "nothing vouches for its result, lock and events: an older Graftwork wrote it"
_DIGEST = re.compile(r"[0-9a-f]{64}")


class Manifest(Versioned):
    """What ``manifest.json`` holds."""

    NOUN: ClassVar[str] = "manifest"
    REMEDY: ClassVar[str] = "restore it or run the pipeline again"
    FORMAT_KEY: ClassVar[str] = "manifest"
    FORMAT: ClassVar[int] = 2
    LEFT_OUT: ClassVar[frozenset[str]] = frozenset({"adapter", SEAL})

    manifest: int
    """The format of this file: 2."""
    graftwork: str
    """The version of Graftwork that wrote the folder."""
    files: Mapping[str, str]
    """Name of each other file of the folder to its sha256, in hexadecimal digits."""
    adapter: str | None = None
    """sha256 of the manifest of the folder `adapter`; of a whole run alone."""
    sha256: str | None = None
    """Over all keys but this one; formats before 2 have none."""

    @classmethod
    def from_json(cls, value: Mapping[str, Any], name: str) -> Self:
        """Also of format 0: the files alone.

        Raises ``RunFolderError``, also for a name that leads elsewhere and where the manifest itself was altered.
        """
        flat = cls.FORMAT_KEY not in value
        if flat and "files" in value:
            raise RunFolderError(f"{name}: the manifest lacks `manifest`, the number of its format; {cls.REMEDY}")
        found = super().from_json({"manifest": 0, "graftwork": "", "files": value} if flat else value, name)
        if found.sha256 is None and found.manifest > 1:
            raise RunFolderError(f"{name}: the manifest lacks `{SEAL}`; {cls.REMEDY}")
        if found.sha256 is not None and not is_unaltered(value):
            raise RunFolderError(f"{name} was altered after it was written; {cls.REMEDY}")
        for file in found.files:
            if not _is_plain(file):
                raise RunFolderError(
                    one_line(f"{name}: `files`: {file[:100]!r} is no plain name of a file in the folder; {cls.REMEDY}")
                )
        if not all(map(_DIGEST.fullmatch, found.files.values())):
            raise RunFolderError(f"{name} was altered after it was written; {cls.REMEDY}")
        return found


def _is_plain(name: str) -> bool:
    """Whether ``name`` names a file that stands in the folder itself, on any system."""
    # The rules of Windows are the stricter ones: `/`, a backslash and `C:` all lead elsewhere.
    bare = PureWindowsPath(name).name == name and name not in ("", "..")
    return bare and name.isprintable() and len(name.encode()) < 256


def seal(folder: Path, known: Mapping[str, str] = MappingProxyType({})) -> None:
    """Write the manifest over all other files, and over the adapter; the folder counts as whole from now on. What has a
    ``known`` sha256, by name, is not read.
    """
    files = sorted(path for path in folder.iterdir() if path.is_file() and path.name not in (MANIFEST, LOCK))
    digests = {path.name: known.get(path.name) or sha256_of(path) for path in files if _is_plain(path.name)}
    below = folder / ADAPTER / MANIFEST
    adapter = sha256_of(below) if below.is_file() else None
    found = Manifest(manifest=Manifest.FORMAT, graftwork=__version__, files=digests, adapter=adapter)
    write_json(folder / MANIFEST, sealed(found.to_json()))


def adapter_folder(run: Path) -> Path:
    """The verified adapter folder of ``run`` (a run folder, or an adapter folder itself).

    Raises ``RunFolderError`` that names the missing or altered file, or one that loading reads and nothing vouches for;
    an adapter of PEFT is called that.
    """
    is_run = (run / ADAPTER).is_dir()
    if is_run:
        require_whole(run)
    return _verified_adapter(run / ADAPTER if is_run else run, run)


def is_sealed(run: Path) -> bool:
    """Whether a manifest vouches for what stands beside the adapter in a run folder; older ones have none."""
    return (run / MANIFEST).is_file() or not any((run / name).is_file() for name in _READ)


def require_whole(run: Path) -> None:
    """Raises ``RunFolderError`` that names what is missing or altered in a run folder, its adapter left aside.

    A run that an older Graftwork wrote passes: nothing vouches for it (``is_sealed``).
    """
    below = run / ADAPTER / MANIFEST
    if (run / MANIFEST).is_file():
        listed = listed_files(run)
        if unlisted := [name for name in _READ if (run / name).exists() and name not in listed.files]:
            raise RunFolderError(f"{run / MANIFEST} lists nothing of {', '.join(unlisted)}; {Manifest.REMEDY}")
        if listed.adapter is not None:
            _require_unaltered(below, listed.adapter)
    elif not is_sealed(run) and below.is_file() and Manifest.read(below).sha256 is not None:
        raise RunFolderError(f"{run / MANIFEST} is missing; {Manifest.REMEDY}")


def require_listed(path: Path) -> None:
    """Raises ``RunFolderError`` where the manifest beside a file of a run says that it was altered."""
    beside = path.parent / MANIFEST
    if beside.is_file() and (digest := Manifest.read(beside).files.get(path.name)) is not None:
        _require_unaltered(path, digest)


def _verified_adapter(folder: Path, run: Path) -> Path:
    if not folder.is_dir():
        raise RunFolderError(f"{run} is no folder; name a finished run, as `graftwork run` printed it")
    if not (folder / MANIFEST).exists():
        if (folder / CONFIG).is_file():
            own_words(folder)  # PEFT's adapters have no manifest, and are told by their own name
        raise RunFolderError(f"{run} holds no finished run: {MANIFEST} is missing (it is written last)")
    listed = listed_files(folder).files
    read = {CONFIG, TENSORS, *(path.name for path in [*folder.glob("*.safetensors"), *folder.glob("pipeline.json")])}
    if unlisted := sorted(read - listed.keys()):
        raise RunFolderError(f"{folder / MANIFEST} lists nothing of {', '.join(unlisted)}; {Manifest.REMEDY}")
    return folder


def listed_files(folder: Path) -> Manifest:
    """The manifest of a folder whose files are those it lists. Raises ``RunFolderError`` for the first that is not."""
    listed = Manifest.read(folder / MANIFEST)
    for name, digest in listed.files.items():
        _require_unaltered(folder / name, digest)
    return listed


def _require_unaltered(path: Path, digest: str) -> None:
    if not path.is_file():
        raise RunFolderError(f"{path} is missing; {Manifest.REMEDY}")
    try:
        found = sha256_of(path)
    except OSError as error:
        raise RunFolderError(f"{path} cannot be read: {error.strerror or error}") from None
    if found != digest:
        raise RunFolderError(f"{path} was altered after the run; {Manifest.REMEDY}")
