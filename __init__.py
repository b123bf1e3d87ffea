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
    from .core.graft.grafted_model import GraftedModel, graft
    from .core.pipeline import Pipeline, compare
    from .core.report.report import report
    from .core.run.load import load
    from .core.studies.evaluate import evaluate
    from .plugins.adapters.hmmoe.spec import HMMoESpec as hmmoe
    from .plugins.adapters.lora.spec import LoraSpec as lora
    from .registry import __version__
    from .registry.errors import GraftworkError, SpecError

__all__ = [
    "GraftClassifier",
    "GraftedModel",
    "GraftworkError",
    "Pipeline",
    "SpecError",
    "__version__",
    "compare",
    "evaluate",
    "graft",
    "hmmoe",
    "load",
    "lora",
    "report",
]

#: Imported on first use (PEP 562), so that ``import graftwork`` costs nothing; `:` before another name there.
_HOMES = {
    "GraftClassifier": ".core.features.classifier",
    "GraftedModel": ".core.graft.grafted_model",
    "graft": ".core.graft.grafted_model",
    "hmmoe": ".plugins.adapters.hmmoe.spec:HMMoESpec",
    "lora": ".plugins.adapters.lora.spec:LoraSpec",
    "Pipeline": ".core.pipeline",
    "compare": ".core.pipeline",
    "load": ".core.run.load",
    "evaluate": ".core.studies.evaluate",
    "report": ".core.report.report",
    "GraftworkError": ".registry.errors",
    "SpecError": ".registry.errors",
    "__version__": ".registry",
}


mend_torchvision()  # before any plugin or model is imported


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    module, _, attribute = _HOMES[name].partition(":")
    return getattr(import_module(module, __name__), attribute or name)


def __dir__() -> list[str]:
    return __all__
