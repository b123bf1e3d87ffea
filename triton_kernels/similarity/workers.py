"""A pool of threads that each compute single-threaded, and torch's settings put back as they were found."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import torch


@contextmanager
def single_threaded_workers() -> Iterator[ThreadPoolExecutor]:
    """As many workers as torch has threads, each with one thread of its own and full float32 products.

    One product a worker beats one product over all threads (up to 3.3 x on a busy machine), and a worker's result does
    not depend on how many workers there are. The caller has one thread too meanwhile: OpenMP's threads spin after each
    small step and would take the workers' time. New threads start with grad mode, autocast and inference mode at their
    defaults, so none of these changes a result either.
    """
    threads = torch.get_num_threads()
    matmul = torch.backends.mkldnn.matmul  # type: ignore[attr-defined]  # a property of the module's class
    precision = matmul.fp32_precision
    try:
        torch.set_num_threads(1)
        matmul.fp32_precision = "ieee"  # set_float32_matmul_precision("medium") would make it bfloat16
        with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            yield pool
    finally:
        torch.set_num_threads(threads)  # a worker's setting leaks into threads started later
        matmul.fp32_precision = precision
