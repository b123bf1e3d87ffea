"""``graftwork schema``."""

from __future__ import annotations

import click

from .options import print_json, warn_of_broken_plugins


@click.command("schema", epilog="Example: graftwork schema > graftwork.schema.json")
def command() -> None:
    """Print the JSON Schema of a pipeline with every installed component, for completion in editors."""
    from ...registry.discovery import default_catalogue
    from ...registry.schema import export_schema
    from ..spec.pipeline_spec import PipelineSpec

    warn_of_broken_plugins()
    print_json(export_schema(PipelineSpec, default_catalogue()))
