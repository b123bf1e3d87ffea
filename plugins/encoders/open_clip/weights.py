"""Where the weights behind an open_clip tag are, told from files: without importing open_clip or torch."""

from __future__ import annotations

import ast
import os
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from ...checkpoints.fetch import how_to_get
from . import files

#: What open_clip looks for in a hub repository, the first that is there.
HUB_WEIGHTS = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")
Source = dict[str, str]


def missing(model: str, pretrained: str | None, checkpoint: str | None) -> str | None:
    """What must be on this machine and is not, and how to get it; ``None`` where everything is there."""
    folder = files.folder_of(model)
    if checkpoint is not None:
        return None if Path(checkpoint).is_file() else f"encoder.checkpoint: {checkpoint} does not exist"
    if folder is not None:
        return None if files.weights_file(model, None) else f"encoder: {folder} holds no weights"
    if model.startswith("hf-hub:"):
        return _absent_from_hub(model, model.removeprefix("hf-hub:"), HUB_WEIGHTS)
    tags = sources().get(model.removesuffix("-quickgelu"), {})  # the same weights under another activation
    return _absent_tag(model, str(pretrained), tags.get(str(pretrained).lower().replace("-", "_"), {}))


def _absent_tag(model: str, tag: str, source: Source) -> str | None:
    what = f"weights `{tag}` of {model}"
    if repository := source.get("hf_hub"):
        owner, _, rest = repository.partition("/")
        name, _, file = rest.partition("/")
        return _absent_from_hub(what, f"{owner}/{name}", (file,) if file else HUB_WEIGHTS)
    url = source.get("url")
    if not url or Path(os.path.expanduser("~/.cache/clip"), url.rpartition("/")[2]).is_file():
        return None  # there, or a tag that only open_clip knows: loading tells
    return f"{what} are not on this machine; where there is a network, a run gets them from {url} (size not known here)"


def _absent_from_hub(what: str, repository: str, names: tuple[str, ...]) -> str | None:
    from huggingface_hub import try_to_load_from_cache

    looked_for = {alternative for name in names for alternative in (name, f"{name.rpartition('.')[0]}.safetensors")}
    if any(isinstance(try_to_load_from_cache(repository, name), str) for name in looked_for):
        return None
    how = how_to_get(f"hf download {repository} {names[0]}", repository)
    return f"{what}: not on this machine; {how}, or name a file under `checkpoint`"


@cache
def sources() -> dict[str, dict[str, Source]]:
    """Architecture to tag to ``url`` and ``hf_hub``, read from the source text of open_clip's table of weights."""
    found = find_spec("open_clip")
    if not found or not found.origin:
        return {}
    try:
        tree = ast.parse((Path(found.origin).parent / "pretrained.py").read_text("utf-8"))
    except (OSError, SyntaxError, ValueError):
        return {}
    assigned = {
        node.targets[0].id: node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    }
    table = assigned.get("_PRETRAINED")
    if not isinstance(table, ast.Dict):
        return {}
    values = [assigned.get(node.id, node) if isinstance(node, ast.Name) else node for node in table.values]
    named = zip(table.keys, values, strict=True)
    return {str(key.value): _tags(value) for key, value in named if isinstance(key, ast.Constant)}


def _tags(node: ast.expr) -> dict[str, Source]:
    """Of ``dict(openai=_pcfg(url="...", hf_hub="..."), ...)``."""
    if not isinstance(node, ast.Call):
        return {}
    return {one.arg: _strings(one.value) for one in node.keywords if one.arg and isinstance(one.value, ast.Call)}


def _strings(call: ast.Call) -> Source:
    return {
        one.arg: one.value.value
        for one in call.keywords
        if one.arg and isinstance(one.value, ast.Constant) and isinstance(one.value.value, str)
    }
