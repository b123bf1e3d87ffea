"""The manifest of an adapter folder: written last, it lists the sha256 of every other file. Light: no torch."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path, PureWindowsPath
from typing import Any, ClassVar, Self

from ...registry import __version__
from ...registry.errors import one_line
from .adapter_config import CONFIG, TENSORS
from .files import sha256_of
from .record import Versioned
from .run_folder import RunFolderError, write_json

MANIFEST = "manifest.json"
_DIGEST = re.compile(r"[0-9a-f]{64}")


class Manifest(Versioned):
    """What ``manifest.json`` holds."""

    NOUN: ClassVar[str] = "manifest"
    REMEDY: ClassVar[str] = "restore it or run the pipeline again"
    FORMAT_KEY: ClassVar[str] = "manifest"

    manifest: int
    """The format of this file: 1."""
    graftwork: str
    """The version of Graftwork that wrote the folder."""
    files: Mapping[str, str]
    """Name of each other file of the folder to its sha256, in hexadecimal digits."""
    sha256: str | None = None
    """Over `files`, so that an altered digest is not taken for an altered file; `null` before there was one."""

    @classmethod
    def from_json(cls, value: Mapping[str, Any], name: str) -> Self:
        """Also of format 0: the files alone. Raises ``RunFolderError``, also for a name that leads elsewhere."""
        flat = cls.FORMAT_KEY not in value
        if flat and "files" in value:
            raise RunFolderError(f"{name}: the manifest lacks `manifest`, the number of its format; {cls.REMEDY}")
        found = super().from_json({"manifest": 0, "graftwork": "", "files": value} if flat else value, name)
        for file in found.files:
            if not _is_plain(file):
                raise RunFolderError(
                    one_line(f"{name}: `files`: {file[:100]!r} is no plain name of a file in the folder; {cls.REMEDY}")
                )
        if found.sha256 not in (None, _over(found.files)) or not all(map(_DIGEST.fullmatch, found.files.values())):
            raise RunFolderError(f"{name} was altered since it was written; {cls.REMEDY}")
        return found


def _over(files: Mapping[str, str]) -> str:
    return hashlib.sha256(json.dumps(dict(files), sort_keys=True).encode()).hexdigest()


def _is_plain(name: str) -> bool:
    """Whether ``name`` names a file that stands in the folder itself, on any system."""
    # The rules of Windows are the stricter ones: `/`, a backslash and `C:` all lead elsewhere.
    bare = PureWindowsPath(name).name == name and name not in ("", "..")
    return bare and name.isprintable() and len(name.encode()) < 256


def seal(folder: Path) -> None:
    """Write the manifest over all other files; the folder counts as whole from now on."""
    files = sorted(path for path in folder.iterdir() if path.is_file() and path.name != MANIFEST)
    digests = {path.name: sha256_of(path) for path in files}
    sealed = Manifest(manifest=Manifest.FORMAT, graftwork=__version__, files=digests, sha256=_over(digests))
    write_json(folder / MANIFEST, sealed.to_json())


def adapter_folder(run: Path) -> Path:
    """The verified adapter folder of ``run`` (a run folder, or an adapter folder itself).

    Raises ``RunFolderError`` that names the missing or altered file, or one that loading reads and nothing vouches for.
    """
    folder = run / "adapter" if (run / "adapter").is_dir() else run
    if not folder.is_dir():
        raise RunFolderError(f"{run} is no folder; name a finished run, as `graftwork run` printed it")
    if not (folder / MANIFEST).exists():
        raise RunFolderError(f"{run} holds no finished run: {MANIFEST} is missing (it is written last)")
    listed = Manifest.read(folder / MANIFEST).files
    for name, digest in listed.items():
        try:
            found = sha256_of(folder / name)
        except FileNotFoundError:
            raise RunFolderError(f"{folder / name} is missing; restore it or run the pipeline again") from None
        except OSError as error:
            raise RunFolderError(f"{folder / name} cannot be read: {error.strerror or error}") from None
        if found != digest:
            raise RunFolderError(f"{folder / name} was altered after the run; restore it or run the pipeline again")
    read = {CONFIG, TENSORS, *(path.name for path in [*folder.glob("*.safetensors"), *folder.glob("pipeline.json")])}
    if unlisted := sorted(read - listed.keys()):
        raise RunFolderError(f"{folder / MANIFEST} lists nothing of {', '.join(unlisted)}; {Manifest.REMEDY}")
    return folder
