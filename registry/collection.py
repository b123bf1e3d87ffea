"""No garbage collection while hundreds of classes are made that all stay."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def paused_collection() -> Iterator[None]:
    """Python's collector rests within it: it would look through the same living objects again and again.

    Of 500 component types that was a tenth of the time of `validate` and of `schema`.
    """
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()
