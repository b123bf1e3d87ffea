"""The commands, by name. This module and theirs import click alone; each command imports what it needs."""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib import import_module
from typing import Any, TypeVar

import click

from .loudness import loudness_options, own_log, with_loudness

F = TypeVar("F", bound=Callable[..., Any])

#: Command to module; its attribute ``command`` is the click command. In the order of ``--help``.
COMMANDS = {
    "init": "specs.init",
    "run": "runs.run",
    "sweep": "runs.sweep",
    "compare": "runs.compare",
    "evaluate": "runs.evaluate",
    "report": "runs.report",
    "runs": "runs.list_runs",
    "plan": "specs.plan",
    "validate": "specs.validate",
    "lock": "specs.lock",
    "predict": "runs.predict",
    "export": "runs.export",
    "push": "runs.push",
    "cache": "machine.cache",
    "schema": "specs.schema",
    "components": "components",
    "plugins": "plugins",
    "plugin": "plugins.new",
    "doctor": "machine.doctor",
    "bench": "machine.bench",
}


class LazyGroup(click.Group):
    """Imports a command's module when the command is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All commands, in the order of ``COMMANDS``."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name: our own, or else a plugin's."""
        if cmd_name not in COMMANDS:
            from .plugins.mount import plugin_commands

            return plugin_commands(COMMANDS).get(cmd_name)
        command = import_module(f".{COMMANDS[cmd_name]}", __package__).command
        return with_loudness(command) if isinstance(command, click.Command) else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click's, but a misspelt command is answered with the nearest one."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            from ...registry.errors import nearest
            from .plugins.mount import plugin_commands

            known = [*COMMANDS, *plugin_commands(COMMANDS)]
            if args[0] not in known and (near := nearest(args[0], known)):
                ctx.fail(f"no such command '{args[0]}'; did you mean '{near}'?")
        return super().resolve_command(ctx, args)


def _chosen(variable: str) -> Callable[[click.Context, click.Parameter, object], None]:
    """Write an option into the environment, where the registry and processes that we start find it."""

    def choose(ctx: click.Context, parameter: click.Parameter, value: object) -> None:
        if value:
            os.environ[variable] = "1" if value is True else str(value)

    return choose


def _switch(name: str, variable: str, text: str) -> Callable[[F], F]:
    return click.option(
        name, is_flag=True, expose_value=False, callback=_chosen(variable), help=f"{text}  [env: {variable}]"
    )


def _names(name: str, variable: str, text: str) -> Callable[[F], F]:
    return click.option(
        name, metavar="A,B", expose_value=False, callback=_chosen(variable), help=f"{text}  [env: {variable}]"
    )


@click.command(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog="Example: graftwork run examples/ganet_digits.json --set graph.threshold=0.9\n\n"
    "`graftwork pocket` trains the pocket models. Plugins may bring more commands, which `graftwork plugins list` "
    "names.",
)
@_switch("--no-plugins", "GRAFTWORK_PLUGINS_OFF", "Load the built-ins alone.")
@_names("--plugins-allow", "GRAFTWORK_PLUGINS_ALLOW", "Load these plugins alone, besides the built-ins.")
@_names("--plugins-block", "GRAFTWORK_PLUGINS_BLOCK", "Leave these plugins out.")
@_switch("--strict-plugins", "GRAFTWORK_PLUGINS_STRICT", "A plugin that cannot be loaded is an error.")
@click.version_option(package_name="graftwork")
@click.pass_context
def cli(context: click.Context) -> None:
    """Graft small trainable adapters onto frozen multi-modal models, declared in JSON."""
    from ..storage.files import StorageError

    own_log(context)
    try:
        os.getcwd()
    except OSError:  # paths count from it, and oneMKL ends the process where it is gone
        raise StorageError("the working folder was removed; cd to one that exists") from None


cli.params += loudness_options()
