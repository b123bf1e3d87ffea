"""What the built-ins need from the machine."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import version
from importlib.util import find_spec

from ..registry.hookspecs import Check
from .captioners import model_files
from .pocket import CLIP_FOLDER, LLAVA_FOLDER


def checks() -> Iterator[Check]:
    """Torch and its devices, open_clip, transformers, the pocket models' files."""
    import torch

    devices = ["cpu", *(f"cuda:{index}" for index in range(torch.cuda.device_count()))]
    yield Check("torch", True, f"{torch.__version__}, {torch.get_num_threads()} threads, devices: {', '.join(devices)}")
    try:
        from .encoders.open_clip import import_open_clip

        import_open_clip()
        yield Check("open_clip", True, version("open_clip_torch"))
    except ImportError as error:
        yield Check("open_clip", False, str(error), "pip install -c constraints.txt graftwork")
    missing = [
        name for name in ("open_clip_config.json", "open_clip_model.safetensors") if not (CLIP_FOLDER / name).is_file()
    ]
    found = "all files are there" if not missing else f"missing: {', '.join(missing)}"
    yield Check("pocket CLIP", not missing, f"{CLIP_FOLDER}: {found}", "reinstall graftwork, or train it: make pocket")
    yield Check("transformers", True, f"{version('transformers')}{_accelerate()}")
    if LLAVA_FOLDER.is_dir():
        absent = model_files.missing("pocket", None)
        yield Check(
            "pocket LLaVA", absent is None, absent or f"{LLAVA_FOLDER}: all files are there", "reinstall graftwork"
        )


def _accelerate() -> str:
    return "; device_map works (accelerate)" if find_spec("accelerate") else "; no device_map (pip install accelerate)"
