"""Standard output and error that cost no run: what nobody reads is dropped, and what cannot be written is said."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Iterator
from typing import TextIO

from ...registry.errors import GraftworkError


class OutputError(GraftworkError):
    """Standard output takes no more."""


class _Dropping(io.FileIO):
    """A file whose reader may be gone: what it does not take is dropped."""

    def __init__(self, file: int, *, progress: bool) -> None:
        super().__init__(file, "w", closefd=False)
        #: Nothing depends on it, whatever is wrong; of results a failure that is no closed pipe is said, once.
        self._progress = progress

    def write(self, data: object, /) -> int:
        """Bytes taken or dropped: always all. Raises ``OutputError`` the first time that results are lost."""
        try:
            return super().write(data)  # type: ignore[arg-type]
        except OSError as error:
            said_already, self._progress = self._progress, True
            if not said_already and not isinstance(error, BrokenPipeError):
                raise OutputError(f"cannot write to standard output: {error.strerror}; what follows is lost") from error
            return memoryview(data).nbytes  # type: ignore[arg-type]


@contextlib.contextmanager
def dropping_streams() -> Iterator[None]:
    """Within it standard output and error are such files, where they are the process's own; what is closed reads
    nothing, as a pipe that is."""
    out, err = sys.stdout, sys.stderr
    if out is sys.__stdout__:
        sys.stdout = _dropping(out, progress=False)
    if err is sys.__stderr__:
        sys.stderr = _dropping(err, progress=True)
    try:
        yield
    finally:
        for one in {sys.stdout, sys.stderr} - {out, err, None}:
            with contextlib.suppress(OutputError):
                one.flush()
        sys.stdout, sys.stderr = out, err


def _dropping(stream: TextIO | None, *, progress: bool) -> TextIO:
    if stream is None:
        return open(os.devnull, "w", encoding="utf-8")
    if not isinstance(stream, io.TextIOWrapper):
        return stream
    stream.flush()
    return io.TextIOWrapper(
        io.BufferedWriter(_Dropping(stream.fileno(), progress=progress)),
        stream.encoding,
        stream.errors,
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )
