"""What can be told of a captioner's model from its files alone. Light: no torch, no transformers."""

from __future__ import annotations

from typing import Any

from ...core.storage.files import remembered_sha256
from ..checkpoints.fetch import command, how_to_get
from ..checkpoints.folder import CONFIG, WEIGHTS, pickles_in, refused, weight_files
from ..checkpoints.locate import folder_of, is_path, ships

#: Files that a description may depend on; a README is not among them.
CONTENT = ("*.safetensors", "*.json", "*.jinja", "*.txt", "*.model", "additional_chat_templates/*.jinja")


def missing(model: str, revision: str | None) -> str | None:
    """What must be on this machine and is not, and how to get it; ``None`` where everything is there."""
    folder = folder_of(model, revision)
    if folder is None and not is_path(model):
        return f"{model} is neither a folder here nor in the hub's cache; {how(model, revision)}"
    if folder is None:
        remedy = "reinstall graftwork" if ships(model) else "name a folder, `pocket`, or a hub id `OWNER/NAME`"
        return f"{model} does not exist; {remedy}"
    if reason := refused(folder):
        return f"{model}: {reason}"
    if not (folder / CONFIG).is_file():
        return f"{model}: {folder} holds no {CONFIG}; name a folder as save_pretrained() of transformers writes it"
    found = weight_files(folder)
    absent = [path.name for path in found if not path.is_file()] if found else [WEIGHTS]
    if absent and (pickles := pickles_in(folder)):
        return (
            f"{model}: the weights in {folder} are pickles ({', '.join(pickles[:3])}), which can run code when they "
            "are opened; only safetensors are loaded. Take a revision with safetensors, or convert where you trust the "
            "file: load it with transformers and save_pretrained() it"
        )
    if absent:
        remedy = "complete the folder" if is_path(model) else how(model, revision)
        return f"{model}: {folder} lacks {', '.join(absent[:3])}{' ...' if len(absent) > 3 else ''}; {remedy}"
    return None


def how(model: str, revision: str | None) -> str:
    """How to get a model of the hub."""
    return how_to_get(command(model, revision), model)


def identity(model: str, revision: str | None) -> dict[str, Any]:
    """Local files by content, wherever they stand; a hub model by id and revision (its commit is noted when loaded)."""
    folder = folder_of(model, revision) if is_path(model) else None
    if folder is None:
        return {"id": model, "revision": revision}
    files = sorted({path for pattern in CONTENT for path in folder.glob(pattern) if path.is_file()})
    return {"files": {path.relative_to(folder).as_posix(): remembered_sha256(path) for path in files}}
