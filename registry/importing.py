"""Importing a plugin's module: standard output stays clean, waiting is explained, side effects are noticed."""

from __future__ import annotations

import contextlib
import gc
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

#: Packages that an entry module must not import: every command would wait for them.
HEAVY = ("torch", "transformers", "open_clip", "torch_geometric", "triton", "sklearn", "tensorflow", "jax")
#: Seconds after which it is said which plugin is being waited for; said again after twice as many, and so on.
PATIENCE = 5.0
#: Where a replaced function of torch is looked for: modules, then classes.
_MODULES = ("torch", "torch.nn", "torch.nn.functional", "torch.nn.init", "torch.linalg", "torch.optim")
_CLASSES = (("torch", "Tensor"), ("torch.nn", "Module"), ("torch.nn", "Linear"), ("torch.optim", "Optimizer"))


@contextlib.contextmanager
def watched_import(name: str, label: str) -> Iterator[list[str]]:
    """Import a plugin within it. What is noticed about heavy imports is in the list afterwards.

    What Python code prints goes to standard error, so that standard output holds results alone; output of C libraries
    and child processes is not caught. An import cannot be stopped from within its process: it is waited for, in words.
    """
    notes: list[str] = []
    before = {module for module in HEAVY if module in sys.modules}
    with contextlib.redirect_stdout(sys.stderr), _waiting_said(name, label):
        yield notes
    if heavy := [module for module in HEAVY if module in sys.modules and module not in before]:
        notes.append(f"imports {', '.join(heavy)} with its entry module, and every command waits for it")


@contextlib.contextmanager
def _waiting_said(name: str, label: str) -> Iterator[None]:
    done, patience, terminal = threading.Event(), PATIENCE, sys.stderr

    def watch() -> None:
        waited = 0.0
        while not done.wait(max(waited, patience)):
            waited += max(waited, patience)
            remedy = f"Ctrl-C ends the command, --plugins-block {name} leaves the plugin out"
            terminal.write(f"waiting for plugin {name} of {label} to be imported, {waited:g} s so far; {remedy}\n")
            terminal.flush()

    threading.Thread(target=watch, daemon=True).start()
    try:
        yield
    finally:
        done.set()


def replaced_in_torch(module: ModuleType) -> list[str]:
    """Names in torch whose function was defined in the package of ``module``: it was put there.

    Found where torch is imported by now, in the modules and classes that nearly all computing goes through; what is
    replaced later, elsewhere, or by a ``functools.partial``, is not.
    """
    package = module.__name__.partition(".")[0]
    spaces = [(name, sys.modules[name]) for name in _MODULES if name in sys.modules]
    spaces += [(f"{name}.{cls}", getattr(sys.modules[name], cls)) for name, cls in _CLASSES if name in sys.modules]
    return [
        f"{name}.{attribute}"
        for name, space in spaces
        for attribute, value in list(vars(space).items())
        if callable(value) and str(getattr(value, "__module__", "")).partition(".")[0] == package
    ]


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
