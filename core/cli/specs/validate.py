"""``graftwork validate``."""

from __future__ import annotations

import dataclasses

import click

from ..options import format_option, read_pipeline, spec_argument
from ..say import print_json, say


@click.command("validate", epilog="Example: graftwork validate examples/ganet_digits.json --format json")
@spec_argument
@format_option("text", "json")
def command(spec: str, settings: tuple[str, ...], style: str) -> None:
    """Check SPEC and name every problem with file, line, column and JSON path."""
    from ....registry.errors import SpecError

    try:
        pipeline = read_pipeline(spec, settings)
    except SpecError as error:
        if style == "text":
            raise
        problems = [{**dataclasses.asdict(one), "json_path": one.json_path} for one in error.problems]
        print_json({"valid": False, "problems": problems})
        raise SystemExit(error.exit_code) from None
    if style == "json":
        print_json({"valid": True, "pipeline": pipeline.spec.to_json()})
    else:
        say(f"{spec}: valid")
