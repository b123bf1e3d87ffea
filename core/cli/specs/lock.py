"""``graftwork lock``."""

from __future__ import annotations

import click

from ..options import (
    Place,
    cache_option,
    force_option,
    format_option,
    lock_beside,
    read_pipeline,
    require_free,
    spec_argument,
)
from ..say import print_json, say, say_note

#: What stands for standard output.
_PRINTED = ("-", "/dev/stdout")


@click.command("lock", epilog="Example: graftwork lock examples/ganet_digits.json -o ganet_digits.lock.json")
@spec_argument
@click.option(
    "-o", "--output", type=Place(dir_okay=False, allow_dash=True), help="[default: SPEC's .lock.json; - prints it]"
)
@force_option
@format_option("text", "json")
@cache_option
def command(
    spec: str, settings: tuple[str, ...], output: str | None, force: bool, style: str, cache: str | None
) -> None:
    """Write down all that the numbers of SPEC depend on: `graftwork run --locked` refuses where any of it differs."""
    from pathlib import Path

    from ...run.lock import Lock
    from ...storage.run_folder import write_json

    target = Path(output or lock_beside(spec))
    if output not in _PRINTED:
        require_free(target, force, ours=b"" if output else b'"lock"')
    lock = read_pipeline(spec, settings).lock(cache)
    if output in _PRINTED:
        print_json(lock)
        return
    write_json(target, lock)
    unknown = [name for name, identity in Lock.from_json(lock, str(target)).models.items() if identity is None]
    if unknown:
        say_note(f"not on this machine, so locked by name alone: {', '.join(unknown)}")
    if style == "json":
        print_json({"file": str(target), "locked_by_name": unknown})
    else:
        say(target)
