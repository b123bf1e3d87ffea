"""Graftwork: graft small trainable adapters onto frozen multi-modal models; pipelines in JSON, parts from plugins.

from graftwork import Pipeline, load

run = Pipeline.from_file("examples/ganet_digits.json").run()
load(run.folder).predict(["digit.png"])
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .registry.importing import mend_torchvision

if TYPE_CHECKING:
    from .core.features.classifier import GraftClassifier
    from .core.pipeline import Pipeline
    from .core.run.load import load
    from .registry import __version__
    from .registry.errors import GraftworkError, SpecError

__all__ = ["GraftClassifier", "GraftworkError", "Pipeline", "SpecError", "__version__", "load"]

#: Imported on first use (PEP 562), so that ``import graftwork`` costs nothing.
_HOMES = {
    "GraftClassifier": ".core.features.classifier",
    "Pipeline": ".core.pipeline",
    "load": ".core.run.load",
    "GraftworkError": ".registry.errors",
    "SpecError": ".registry.errors",
    "__version__": ".registry",
}


mend_torchvision()  # before any plugin or model is imported


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name], __name__), name)


def __dir__() -> list[str]:
    return __all__
