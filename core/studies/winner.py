"""The command that uses a run which validation chose. Light: no torch."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

from ...registry.catalogue import Catalogue
from ...registry.errors import SpecError
from ..spec.load_spec import load_spec
from ..spec.node_kinds import modalities_of, ordered, used_captioner
from ..spec.pipeline_spec import PipelineSpec

#: Modality to what stands for it in a command, alone and beside another.
_WORDS = {
    "image": ("PICTURES", "PICTURES"),
    "video": ("CLIPS", "CLIPS"),
    "audio": ("SOUNDS", "--sound SOUND"),
    "text": ("--text TEXT", "--text TEXT"),
}


def predict_command(folder: Path, catalogue: Catalogue) -> str:
    """``graftwork predict FOLDER PICTURES``: the folder from here, and what the run must be given of each item."""
    near = os.path.relpath(folder) if folder.is_relative_to(Path.cwd()) else str(folder)
    try:
        hears = _hears(load_spec(folder / "adapter" / "pipeline.json", catalogue=catalogue))
    except SpecError:  # of a plugin that is not installed: what it hears is not known
        return f"graftwork predict {shlex.quote(near)} ..."
    words = [_WORDS[one][number > 0] for number, one in enumerate(hears) if one in _WORDS]
    return " ".join(["graftwork predict", shlex.quote(near), *words])


def _hears(spec: PipelineSpec) -> list[str]:
    """What it reads of each item; not a text that its captioner writes."""
    if spec.level == "layers":
        return ordered(spec.encoder.modalities() or ("image", "text"))
    own = [one for one in modalities_of(spec) if one != "text" or used_captioner(spec) is None]
    return ordered(own or ["image"])
