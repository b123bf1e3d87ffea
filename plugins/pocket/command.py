"""``graftwork pocket``: train the pocket models. Mounted by the built-in plugin's ``graftwork_commands``."""

from __future__ import annotations

from importlib import import_module

import click

#: Name to module, whose ``main`` is the click command and imports torch, and what it does.
TRAININGS = {
    "clip": ("clip.train", "Train the pocket CLIP."),
    "llava": ("llava.train", "Train the pocket LLaVA."),
    "towers": ("towers.train", "Train the pocket AST, scene CLIP and ViLT, or those that are named."),
}


class _Trainings(click.Group):
    """Imports a training when it is asked for, and not for the list of them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All of them."""
        return list(TRAININGS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name."""
        if cmd_name not in TRAININGS:
            return None
        command = import_module(f".{TRAININGS[cmd_name][0]}", __package__).main
        return command if isinstance(command, click.Command) else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Names and what they do."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in TRAININGS.items()])


@click.command("pocket", cls=_Trainings, epilog="Example: graftwork pocket clip --steps 300 --out /tmp/clip")
def command() -> None:
    """Train the models that ship with Graftwork, from scratch, on what its own scripts draw and play."""
