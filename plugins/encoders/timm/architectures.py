"""The architectures and tags that the installed timm knows, read from its source text; it is not imported."""

from __future__ import annotations

import re
import sys
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from ....registry.errors import nearest

_REGISTERED = re.compile(r"^@register_model\s*\ndef (\w+)\(", re.MULTILINE)
#: `'resnet50.a1_in1k': _cfg(`: an architecture and the tag of its weights.
_TAGGED = re.compile(r"^\s+['\"](\w+)\.([\w.-]+)\*?['\"]\s*:\s*_\w*cfg\w*\(", re.MULTILINE)


@cache
def known() -> dict[str, tuple[str, ...]]:
    """Architecture to the tags of its weights; nothing where timm is not installed."""
    found = find_spec("timm")
    folders = found.submodule_search_locations or () if found else ()
    texts = [file.read_text("utf-8") for folder in folders for file in sorted(Path(folder, "models").glob("*.py"))]
    names = {name: dict[str, None]() for text in texts for name in _REGISTERED.findall(text)}
    for text in texts:
        for name, tag in _TAGGED.findall(text):
            names.setdefault(name, {})[tag] = None
    return {name: tuple(tags) for name, tags in names.items()}


def require_known(model: str) -> None:
    """Raises ``ValueError`` for an architecture, or a tag of one, that timm does not have, with the nearest name."""
    architecture, _, tag = model.partition(".")
    if architecture not in known():
        if not known() or _registered_since(architecture):
            return
        near = nearest(architecture, known())
        raise ValueError(f"timm has no architecture `{architecture}`" + (f"; did you mean `{near}`?" if near else ""))
    tags = known()[architecture]
    if tag and tags and tag not in tags:
        near = nearest(tag, tags)
        hint = f"did you mean `{architecture}.{near}`?" if near else f"there are: {', '.join(tags)}"
        raise ValueError(f"timm has no weights `{tag}` of {architecture}; {hint}")


def _registered_since(architecture: str) -> bool:
    """Whether somebody's own module has registered it with the timm that is loaded here."""
    timm = sys.modules.get("timm")
    return timm is not None and bool(timm.is_model(architecture))
