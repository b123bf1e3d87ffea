"""Pictures that come by once, in a stream, kept in the store under the sha256 of their bytes.

<store>/pictures/<first two digits>/<sha256>
"""

from __future__ import annotations

import hashlib
from functools import partial
from pathlib import Path

from PIL import Image

from ....core.data.items import DataError, Media
from ....core.data.pictures import decode, digest_of, finding
from ....core.storage.files import write_whole
from ....core.storage.store.inventory import PICTURES
from ....core.storage.store.locks import keep_used
from ....core.storage.store.namespace import INDEX, USED


class KeptPictures:
    """Those of a store, which nobody prunes while this object or a picture that it gave lives."""

    def __init__(self, store: Path) -> None:
        self._folder = store / PICTURES
        keep_used(self, store / INDEX / PICTURES / USED)

    def keep(self, content: bytes, source: str, background: str) -> Media:
        """Write the encoded picture, unless it is there, and give it as media. Raises ``StorageError``."""
        found = finding(content)
        digest = found.partition(" ")[0]
        path = self._folder / digest[:2] / digest
        if not path.is_file() or path.stat().st_size != len(content):
            write_whole(path, content, durable=False)
        read = partial(self._read, path, digest, source, background)
        return Media(digest_of(found, background), source, read, sha256=digest)

    def _read(self, path: Path, digest: str, source: str, background: str) -> Image.Image:
        return _read(path, digest, source, background)


def _read(path: Path, digest: str, source: str, background: str) -> Image.Image:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{source}: kept as {path}, which cannot be read: {error.strerror or error}") from None
    if hashlib.sha256(content).hexdigest() != digest:
        path.unlink(missing_ok=True)
        raise DataError(f"{source}: kept as {path}, which was damaged and is now removed; run again to stream it anew")
    return decode(content, source, background)
