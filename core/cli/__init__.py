"""The command line. This module and the command modules import click alone; each command imports what it needs."""

from __future__ import annotations

import sys
from importlib import import_module

import click

#: Command to module; its attribute ``command`` is the click command. In the order of ``--help``.
COMMANDS = {
    "run": "run",
    "sweep": "sweep",
    "compare": "compare",
    "plan": "plan",
    "validate": "validate",
    "predict": "predict",
    "schema": "schema",
    "components": "components",
    "plugins": "plugins",
    "plugin": "plugin",
    "doctor": "doctor",
    "bench": "bench",
}


class LazyGroup(click.Group):
    """Imports a command's module when the command is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All commands, in the order of ``COMMANDS``."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name."""
        if cmd_name not in COMMANDS:
            return None
        command = import_module(f".{COMMANDS[cmd_name]}", __name__).command
        return command if isinstance(command, click.Command) else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click's, but a misspelt command is answered with the nearest one."""
        from ...registry.nearest import nearest

        if args and args[0] not in COMMANDS and not args[0].startswith("-") and (near := nearest(args[0], COMMANDS)):
            ctx.fail(f"no such command '{args[0]}'; did you mean '{near}'?")
        return super().resolve_command(ctx, args)


@click.command(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog="Example: graftwork run examples/ganet_digits.json --set graph.threshold=0.9",
)
@click.version_option(package_name="graftwork")
def cli() -> None:
    """Graft small trainable adapters onto frozen multi-modal models, declared in JSON."""


def main() -> None:
    """Entry point. Exit codes: 0 done, 2 the user's input is at fault, 1 the environment is, 130 interrupted."""
    from ...registry.errors import GraftworkError

    try:
        cli.main(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except GraftworkError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        click.echo("interrupted; what was encoded so far is stored", err=True)
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(1)
