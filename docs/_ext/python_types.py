"""Types for a reader: names that only a type checker imports are found, fields of specs go without their machinery."""

from __future__ import annotations

import ast
import builtins
import inspect
import pkgutil
from collections.abc import Iterator
from importlib import import_module
from types import ModuleType
from typing import get_type_hints

from docutils import nodes
from pydantic import BaseModel
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx

from graftwork.core.cli.plugins.component_page import takes

PACKAGES = ("graftwork.registry", "graftwork.core", "graftwork.triton_kernels")


def setup(app: Sphinx) -> dict[str, bool]:
    """Once before reading, then for each object."""
    app.connect("builder-inited", _prepare)
    app.connect("autodoc-skip-member", _hide_settings)
    app.connect("autodoc-process-signature", _shorten)
    app.connect("autodoc-process-docstring", _describe_field, priority=600)
    app.connect("doctree-read", _tidy)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _prepare(app: Sphinx) -> None:
    modules = list(_modules())
    for module in modules:
        _import_for_types(module)
    for module in modules:
        for spec in vars(module).values():
            if _is_spec(spec) and spec.__module__ == module.__name__:
                spec.model_rebuild()  # from the whole annotations
                hints = get_type_hints(spec)  # without ``Annotated``: ranges are said in words
                spec.__annotations__ = {name: hints[name] for name in spec.__annotations__}


def _modules() -> Iterator[ModuleType]:
    for package in map(import_module, PACKAGES):
        yield package
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            yield import_module(found.name)


def _import_for_types(module: ModuleType) -> None:
    """Run the body of its ``if TYPE_CHECKING:``; everything is imported by now, so that no circle is left."""
    for node in ast.parse(inspect.getsource(module)).body:
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            exec(compile(ast.Module(node.body, []), module.__name__, "exec"), vars(module))


def _is_spec(value: object) -> bool:
    return inspect.isclass(value) and issubclass(value, BaseModel)


def _hide_settings(app: Sphinx, what: str, name: str, obj: object, skip: bool, options: object) -> bool | None:
    """pydantic's, of which each spec has a copy."""
    return True if name == "model_config" else None


def _shorten(
    app: Sphinx, what: str, name: str, obj: object, options: object, signature: str | None, returns: str | None
) -> tuple[str, str | None] | None:
    """A spec's signature repeats its fields, which stand under it; a dataclass's default factory is no Python."""
    if what == "class" and _is_spec(obj):
        return "", None
    return (signature.replace("<factory>", "..."), returns) if signature else None


def _describe_field(app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    """Under a field of a spec: its default, and what it takes in JSON."""
    owner, _, field = name.rpartition(".")
    module, _, attribute = owner.rpartition(".")
    spec = getattr(import_module(module), attribute, None) if what == "attribute" and module else None
    if spec is None or not _is_spec(spec) or field not in spec.model_fields:
        return
    info, schema = spec.model_fields[field], spec.model_json_schema()
    said = takes(schema["properties"][info.alias or field], schema.get("$defs", {})).replace("`", "")
    default = "Required" if info.is_required() else f"Default: ``{info.get_default(call_default_factory=True)!r}``"
    lines += ["", f"{default}. In JSON: {said}.", ""]


def _tidy(app: Sphinx, document: nodes.document) -> None:
    """Bases that say nothing go; ``type`` in a signature is Python's, not the field ``type`` of some class."""
    for bases in list(document.findall(nodes.paragraph)):
        if bases.astext() in ("Bases: object", "Bases: ABC"):
            bases.parent.remove(bases)
    for link in list(document.findall(pending_xref)):
        if link.get("refdomain") == "py" and hasattr(builtins, link["reftarget"]):
            link.replace_self(link.children)
