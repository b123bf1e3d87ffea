"""The sentence under each field of a spec, read from the source of its module.

pydantic's ``use_attribute_docstrings`` reads the source of each class when the class is made, which most commands never
need. Here a module is read once, when somebody asks: a schema, `components show`, a message about a missing field.
"""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Iterator, Mapping
from functools import cache

from pydantic import BaseModel

Docs = Mapping[str, str]


def field_docs(spec: type[BaseModel]) -> dict[str, str]:
    """Field to what it says: its ``Field(description=...)``, else the docstring under it in the class that declares it.

    Fields without either are left out, and so are those of classes without a source file (typed in at a prompt).
    """
    return {name: doc for name in spec.model_fields if (doc := field_doc(spec, name))}


def field_doc(spec: type[BaseModel], name: str) -> str | None:
    """What one field says; see ``field_docs``."""
    if given := spec.model_fields[name].description:
        return given
    declaring = next((one for one in spec.__mro__ if name in inspect.get_annotations(one)), spec)
    return _docs_in(declaring.__module__).get(declaring.__qualname__, {}).get(name)


@cache
def _docs_in(module: str) -> Mapping[str, Docs]:
    """Qualified name of each class in a module to the docstrings under its annotated names."""
    try:
        source = inspect.getsource(sys.modules[module])
    except (OSError, TypeError, KeyError):
        return {}
    return {name: _docs_of(node) for name, node in _classes(ast.parse(source), "")}


def _classes(parent: ast.AST, within: str) -> Iterator[tuple[str, ast.ClassDef]]:
    """Every class below a node, by ``__qualname__``."""
    for node in ast.iter_child_nodes(parent):
        if isinstance(node, ast.ClassDef):
            yield within + node.name, node
            yield from _classes(node, f"{within}{node.name}.")
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from _classes(node, f"{within}{node.name}.<locals>.")
        elif not isinstance(node, ast.expr):
            yield from _classes(node, within)


def _docs_of(node: ast.ClassDef) -> Docs:
    return {
        field.target.id: inspect.cleandoc(doc.value.value)
        for field, doc in zip(node.body, node.body[1:], strict=False)
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
        if isinstance(doc, ast.Expr) and isinstance(doc.value, ast.Constant) and isinstance(doc.value.value, str)
    }
