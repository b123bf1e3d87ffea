"""``graftwork components``."""

from __future__ import annotations

import textwrap
from typing import Any

import click

from .options import format_option, warn_of_broken_plugins
from .say import print_json, say, width


@click.group("components")
def command() -> None:
    """What a spec may name."""


@command.command("list", epilog="Example: graftwork components list --kind adapter")
@click.option("--kind", help="One kind alone: adapter, encoder, dataset ...")
@format_option("text", "json")
def list_(kind: str | None, style: str) -> None:
    """List the installed components."""
    from ...registry.discovery import default_catalogue

    warn_of_broken_plugins()
    catalogue = default_catalogue()
    if kind is not None:
        _require_kind(kind, "--kind")
    rows = [
        {"kind": one.kind, "type": one.type, "summary": one.summary, "plugin": str(catalogue.owner(one))}
        for one in catalogue
        if kind in (None, one.kind)
    ]
    if style == "json":
        print_json(rows)
        return
    builtin = {str(plugin) for plugin in catalogue.plugins if plugin.name == "builtin"}
    for row in rows:
        foreign = "" if row["plugin"] in builtin else f"  [{row['plugin']}]"
        line = f"{row['kind']:<12} {row['type']:<16} {row['summary']}{foreign}"
        say(textwrap.fill(line, width(), subsequent_indent=" " * 30, break_on_hyphens=False, break_long_words=False))


@command.command("show", epilog="Example: graftwork components show adapter lora")
@click.argument("kind")
@click.argument("type_", metavar="TYPE")
@format_option("text", "json")
def show(kind: str, type_: str, style: str) -> None:
    """Show one component: its fields with defaults and ranges, an example, and where it comes from."""
    from ...registry.discovery import default_catalogue
    from .plugins.component_page import component_page

    warn_of_broken_plugins()
    catalogue = default_catalogue()
    _require_kind(kind, "KIND")
    page = component_page(catalogue.find(kind, type_), catalogue)
    if style == "json":
        print_json(page)
    else:
        say("\n".join(_lines(page)))


def _require_kind(kind: str, where: str) -> None:
    from ...registry.discovery import default_catalogue
    from ...registry.errors import nearest

    known = default_catalogue().kinds()
    if kind not in known:
        near = nearest(kind, known)
        hint = f"did you mean '{near}'?" if near else f"known: {', '.join(known)}"
        raise click.BadParameter(f"no component is of kind '{kind}'; {hint}", param_hint=where)


def _lines(page: dict[str, Any]) -> list[str]:
    """For reading; standard output of ``show``."""
    import json

    def wrapped(text: str, indent: str) -> list[str]:
        return textwrap.wrap(text, width(), initial_indent=indent, subsequent_indent=indent)

    lines = [f"{page['kind']} `{page['type']}`, version {page['version']}", "", *page["documentation"].splitlines()]
    for field in page["fields"]:
        default = "required" if field["required"] else f"default {json.dumps(field['default'], ensure_ascii=False)}"
        lines += ["", f"{field['name']}: {field['takes']}; {default}", *wrapped(field["documentation"], "    ")]
    said = "none: see its documentation" if page["example"] is None else json.dumps(page["example"], ensure_ascii=False)
    return [
        *lines,
        "",
        f"example: {said}",
        f"from: {page['distribution']} {page['distribution_version']} (plugin {page['plugin']})",
        f"spec: {page['file']}",
        f"build: {page['build']}",
    ]
