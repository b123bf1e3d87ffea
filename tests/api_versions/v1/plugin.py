"""A plugin of API version 1 that uses all of it. Frozen: what loads today must load as long as version 1 is spoken."""

from typing import Literal

import click

from graftwork.core.roles import AdapterSpec
from graftwork.registry.component import Component
from graftwork.registry.hookspecs import Check, hookimpl

GRAFTWORK_API = 1
HEARD = []


class StillSpec(AdapterSpec):
    """Leaves vectors as they are, by a learned factor."""

    type: Literal["still"] = "still"
    scale: float = 1.0
    """The factor at the start."""

    def parameter_count(self, width: int) -> int:
        return 1


@hookimpl
def graftwork_components():
    yield Component("adapter", "still", StillSpec, f"{__name__}:build", "a learned factor")


@hookimpl
def graftwork_commands(cli):
    @cli.command("still")
    def still() -> None:
        """Say so."""
        click.echo("still here")


@hookimpl
def graftwork_run_event(event):
    HEARD.append(type(event).__name__)


@hookimpl(wrapper=True)
def graftwork_stage(stage, context):
    HEARD.append(f"> {stage} of {context.name} on {context.device}, shots {context.spec['dataset']['shots']}")
    try:
        return (yield)
    finally:
        HEARD.append(f"< {stage}")


@hookimpl
def graftwork_doctor():
    return [Check("stillness", True, "undisturbed")]


def build(spec, width):
    import torch

    from graftwork.core.roles import Adapter

    class Still(Adapter):
        def __init__(self):
            super().__init__()
            self.output_width = width
            self.factor = torch.nn.Parameter(torch.tensor(float(spec.scale)))

        def forward(self, x, graph=None):
            return x * self.factor

    return Still()
