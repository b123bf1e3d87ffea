"""Importing a plugin's module: standard output stays clean, waiting is explained, side effects are noticed.

And torchvision, whoever imports it: open_clip, timm and transformers need its pure-Python transforms. One that was
built for another torch cannot load its operators, and its import dies on ``operator torchvision::nms does not exist``.
The schemas that it looks up are declared then: transforms work, the operators, which nothing here calls, do not.
"""

from __future__ import annotations

import contextlib
import gc
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

#: Packages that an entry module must not import: every command would wait for them.
HEAVY = ("torch", "transformers", "open_clip", "torch_geometric", "triton", "sklearn", "tensorflow", "jax")
#: Seconds after which it is said which plugin is being waited for; said again after twice as many, and so on.
PATIENCE = 5.0
#: Where a replaced function of torch is looked for: modules, then classes.
_MODULES = ("torch", "torch.nn", "torch.nn.functional", "torch.nn.init", "torch.linalg", "torch.optim")
_CLASSES = (("torch", "Tensor"), ("torch.nn", "Module"), ("torch.nn", "Linear"), ("torch.optim", "Optimizer"))
_NMS = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
#: torchvision's operators that were declared in this process, because they are missing.
declared_operators: list[str] = []


class _Torchvision:
    """Imports torchvision as ever, and once more with its schemas declared where it fails for want of them."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        found = PathFinder.find_spec(fullname, path, target) if fullname == "torchvision" else None
        if found and found.loader:
            itself: Any = self
            self._loader, found.loader = found.loader, itself
        return found

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        try:
            self._loader.exec_module(module)
        except RuntimeError as error:
            if "torchvision::" not in str(error) or declared_operators:
                raise
            for name in ("nms", "qnms"):
                sys.modules["torch"].library.define(f"torchvision::{name}", _NMS)
                declared_operators.append(name)
            self._loader.exec_module(module)


def mend_torchvision() -> None:
    """From now on, in this process. Costs nothing before torchvision is imported."""
    if not any(isinstance(one, _Torchvision) for one in sys.meta_path):
        sys.meta_path.insert(0, _Torchvision())


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
