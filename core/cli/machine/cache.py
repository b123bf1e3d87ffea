"""``graftwork cache``: the store as something to look after."""

from __future__ import annotations

import click

from .cache_ls import command as ls
from .cache_prune import command as prune
from .cache_verify import command as verify


@click.group("cache")
def command() -> None:
    """What is stored: list it, verify it, take away what nobody needs."""


for _one in (ls, verify, prune):
    command.add_command(_one)
