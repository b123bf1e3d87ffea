"""The manifest of an adapter folder: written last, it lists the sha256 of every other file. Light: no torch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Self

from ...registry import __version__
from .files import sha256_of
from .record import Versioned
from .run_folder import RunFolderError, write_json

MANIFEST = "manifest.json"


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
    """Path of each file below the folder to its sha256, in hexadecimal digits."""

    @classmethod
    def from_json(cls, value: Mapping[str, Any], name: str) -> Self:
        """Also of format 0: the files alone."""
        flat = cls.FORMAT_KEY not in value
        return super().from_json({"manifest": 0, "graftwork": "", "files": value} if flat else value, name)


def seal(folder: Path) -> None:
    """Write the manifest over all other files; the folder counts as whole from now on."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != MANIFEST)
    digests = {path.relative_to(folder).as_posix(): sha256_of(path) for path in files}
    write_json(folder / MANIFEST, Manifest(manifest=Manifest.FORMAT, graftwork=__version__, files=digests).to_json())


def adapter_folder(run: Path) -> Path:
    """The verified adapter folder of ``run`` (a run folder, or an adapter folder itself).

    Raises ``RunFolderError`` that names the missing or altered file.
    """
    folder = run / "adapter" if (run / "adapter").is_dir() else run
    if not folder.is_dir():
        raise RunFolderError(f"{run} is no folder; name a finished run, as `graftwork run` printed it")
    if not (folder / MANIFEST).is_file():
        raise RunFolderError(f"{run} holds no finished run: {MANIFEST} is missing (it is written last)")
    for name, digest in Manifest.read(folder / MANIFEST).files.items():
        if not (folder / name).is_file():
            raise RunFolderError(f"{folder / name} is missing; restore it or run the pipeline again")
        if sha256_of(folder / name) != digest:
            raise RunFolderError(f"{folder / name} was altered after the run; restore it or run the pipeline again")
    return folder
