"""What the built-ins need from the machine."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from ..registry.errors import EXTRAS
from ..registry.hookspecs import Check
from ..registry.importing import declared_operators
from .pocket import AST_FOLDER, CLIP_FOLDER, LLAVA_FOLDER, SCENE_CLIP_FOLDER, VILT_FOLDER


def checks() -> Iterator[Check]:
    """Torch and its devices, open_clip, transformers, the pocket models' files."""
    import torch

    devices = ["cpu", *(f"cuda:{index}" for index in range(torch.cuda.device_count()))]
    yield Check("torch", True, f"{torch.__version__}, {torch.get_num_threads()} threads, devices: {', '.join(devices)}")
    if find_spec("open_clip") is not None:
        try:
            from .encoders.open_clip.encoder import import_open_clip

            import_open_clip()
            yield Check("open_clip", True, version("open_clip_torch"))
        except ImportError as error:
            yield Check("open_clip", False, str(error), 'pip install -c constraints.txt "graftwork[clip]"')
    yield _extras()
    if find_spec("torchvision") is not None:
        yield _torchvision()
    yield Check("transformers", True, f"{version('transformers')}{_accelerate()}")
    yield _folder("pocket CLIP", CLIP_FOLDER, ("open_clip_config.json", "open_clip_model.safetensors"), "make pocket")
    llava = ("config.json", "processor_config.json", "tokenizer.json", "model.safetensors")
    yield _folder("pocket LLaVA", LLAVA_FOLDER, llava, "make pocket-llava")
    audio = ("config.json", "preprocessor_config.json", "model.safetensors")
    yield _folder("pocket AST", AST_FOLDER, audio, "make pocket-towers")
    yield _folder("pocket scene CLIP", SCENE_CLIP_FOLDER, llava, "make pocket-towers")
    yield _folder("pocket ViLT", VILT_FOLDER, llava, "make pocket-towers")


def _extras() -> Check:
    """Which are installed whole; what lacks another is no fault."""
    lacking = {extra for module, extra in EXTRAS.items() if find_spec(module) is None}
    there = sorted(set(EXTRAS.values()) - lacking)
    brings = f'; without {", ".join(sorted(lacking))} (pip install "graftwork[all]")' if lacking else ""
    return Check("extras", True, f"{', '.join(there) or 'none'}{brings}")


def _torchvision() -> Check:
    import torchvision

    if not declared_operators:
        return Check("torchvision", True, str(torchvision.__version__))
    missing = ", ".join(f"torchvision::{name}" for name in declared_operators)
    works = f"{missing} are missing, as it was built for another torch; Graftwork declares them: transforms and models"
    return Check("torchvision", True, f"{torchvision.__version__}; {works} work, detection (boxes, RoI) does not")


def _accelerate() -> str:
    return "; device_map works (accelerate)" if find_spec("accelerate") else "; no device_map (pip install accelerate)"


def _folder(name: str, folder: Path, files: Iterable[str], made_by: str) -> Check:
    missing = [file for file in files if not (folder / file).is_file()]
    found = "all files are there" if not missing else f"missing: {', '.join(missing)}"
    return Check(name, not missing, f"{folder}: {found}", f"reinstall graftwork, or train it: {made_by}")
