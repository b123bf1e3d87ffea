"""``graftwork schema``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ..options import warn_of_broken_plugins
from ..say import print_json

if TYPE_CHECKING:
    from ...storage.record import Record


@click.command("schema", epilog="Example: graftwork schema > graftwork.schema.json")
@click.option(
    "--of",
    type=click.Choice(["pipeline", "result", "adapter_config", "lock", "manifest"]),
    default="pipeline",
    show_default=True,
    help="A pipeline, or a file that a run writes.",
)
def command(of: str) -> None:
    """Print the JSON Schema of a pipeline with every installed component, for completion in editors; or of a file."""
    if of != "pipeline":
        print_json({"$schema": "https://json-schema.org/draft/2020-12/schema", **files()[of].model_json_schema()})
        return
    from ....registry.discovery import default_catalogue
    from ....registry.schema import export_schema
    from ...spec.pipeline_spec import PipelineSpec

    warn_of_broken_plugins()
    print_json(export_schema(PipelineSpec, default_catalogue()))


def files() -> dict[str, type[Record]]:
    """The files that a run writes, without their ending, to what each holds."""
    from ...run.lock import Lock
    from ...storage.adapter_config import AdapterConfig
    from ...storage.manifest import Manifest
    from ...storage.result import Result

    return {"result": Result, "adapter_config": AdapterConfig, "lock": Lock, "manifest": Manifest}
