"""The page of built-in components, from the registry."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator
from typing import Any

from appended import append
from sphinx.application import Sphinx

from graftwork.core.cli.plugins.component_page import component_page
from graftwork.registry.catalogue import Catalogue
from graftwork.registry.discovery import default_catalogue


def setup(app: Sphinx) -> dict[str, bool]:
    """From what is installed, the built-ins alone."""
    return append(app, "docs/reference/components", lambda: "\n".join(_kinds(default_catalogue())))


def _kinds(catalogue: Catalogue) -> Iterator[str]:
    """Markdown: a section a kind, a section a type in it."""
    (builtin,) = (plugin for plugin in catalogue.plugins if plugin.name == "builtin")
    for kind in dict.fromkeys(component.kind for component in builtin.components):
        yield f"\n## {kind}\n"
        for component in builtin.components:
            if component.kind == kind:
                yield from _component(component_page(component, catalogue))


def _component(page: dict[str, Any]) -> Iterator[str]:
    yield f"({page['kind']}-{page['type']})="
    yield f"### {page['kind']} `{page['type']}`\n"
    yield page["documentation"].replace("``", "`") + "\n"
    for field in page["fields"]:
        default = "required" if field["required"] else f"default `{json.dumps(field['default'], ensure_ascii=False)}`"
        yield f"`{field['name']}`\n: {field['takes']}; {default}\n"
        yield textwrap.indent(field["documentation"], "  ") + "\n"
    if page["example"]:
        yield f"```json\n{json.dumps(page['example'], ensure_ascii=False)}\n```\n"
