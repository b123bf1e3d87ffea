"""The modules that a sentence-transformers folder names. Light: no torch, no transformers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ...checkpoints.folder import read_json

_POOLING_KEYS = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}


@dataclass(frozen=True, slots=True)
class SentenceModules:
    """What the `modules.json` of a sentence-transformers folder puts around its transformer."""

    #: Names of its pooling; several are concatenated there.
    pooling: tuple[str, ...]
    #: Folders of its dense layers, in order.
    dense: tuple[Path, ...]
    #: Modules of other kinds.
    others: tuple[str, ...]


def modules_of(root: Path) -> list[tuple[str, Path]]:
    """Kind and folder of each module of a sentence-transformers folder."""
    found = read_json(root / "modules.json")
    rows = [row for row in found if isinstance(row, dict)] if isinstance(found, list) else []
    return [(str(row.get("type", "")).rpartition(".")[2], root / str(row.get("path", ""))) for row in rows]


def outside(root: Path) -> str | None:
    """That a module of a sentence-transformers folder stands elsewhere, in words; no class that one names is imported,
    only its name is read.
    """
    for name, folder in modules_of(root):
        if not folder.resolve().is_relative_to(root.resolve()):
            return f"{root / 'modules.json'}: the folder of {name} lies outside of {root}"
    return None


def transformer_folder(root: Path) -> Path:
    """The folder of the transformer itself: ``root``, or the first module of a sentence-transformers folder."""
    modules = modules_of(root)
    return modules[0][1] if modules else root


def sentence_modules(root: Path) -> SentenceModules | None:
    """Pooling and dense layers of a sentence-transformers text model."""
    modules = modules_of(root)[1:]
    pooling = next((folder for name, folder in modules if name == "Pooling"), None)
    if pooling is None:
        return None
    said = read_json(pooling / "config.json") or {}
    mode = said.get("pooling_mode") or [name for key, name in _POOLING_KEYS.items() if said.get(key)] or "mean"
    return SentenceModules(
        (mode,) if isinstance(mode, str) else tuple(mode),
        tuple(folder for name, folder in modules if name == "Dense"),
        tuple(name for name, _ in modules if name not in ("Pooling", "Dense", "Normalize")),
    )
