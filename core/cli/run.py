"""``graftwork run``."""

from __future__ import annotations

import click

from .options import cache_option, read_pipeline, spec_argument


@click.command(
    "run", epilog="Example: graftwork run examples/ganet_digits.json --set trainer.epochs=50 --out runs/first"
)
@spec_argument
@click.option("--out", type=click.Path(), help="Run folder to make. [default: the first free runs/NAME]")
@cache_option
def command(spec: str, settings: tuple[str, ...], out: str | None, cache: str | None) -> None:
    """Run the pipeline in SPEC: encode, train, select, test, save."""
    pipeline = read_pipeline(spec, settings)
    click.echo(pipeline.run(out=out, store=cache).folder)
