"""``graftwork plan``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ..options import cache_option, format_option, read_pipeline, spec_argument
from ..progress import shown_progress
from ..say import print_json, print_table, say

if TYPE_CHECKING:
    from ...stages.near_duplicates import NearDuplicates
    from ...stages.stage_plan import Plan


@click.command("plan", epilog="Example: graftwork plan examples/ganet_digits.json --set encoder.image_size=64")
@spec_argument
@cache_option
@click.option("--leaks", is_flag=True, help="Compare stored vectors between splits: near-duplicates, worst first.")
@click.option(
    "--leaks-above",
    type=float,
    metavar="COSINE",
    help="--leaks with another cosine, in (0, 1], from which a pair counts. [default: 0.99]",
)
@format_option("text", "json")
def command(
    spec: str, settings: tuple[str, ...], cache: str | None, leaks: bool, leaks_above: float | None, style: str
) -> None:
    """Show the stages of SPEC, what is stored, what is missing, and parameter counts, without running anything."""
    from ...stages.near_duplicates import ABOVE

    above = (ABOVE if leaks_above is None else leaks_above) if leaks or leaks_above is not None else None
    with shown_progress() as tell:
        plan = read_pipeline(spec, settings).plan(cache, tell, above)
    print_json(plan.to_json()) if style == "json" else print_plan(plan)


def print_plan(plan: Plan) -> None:
    """A table of the stages, and the counts below it, on standard output."""
    rows = [
        (one.stage, one.detail, "" if one.total is None else f"{one.stored} of {one.total} different")
        for one in plan.stages
    ]
    print_table(("stage", "what", "stored"), rows, plan.name, left=2)
    trainable = "known after building" if plan.trainable is None else f"{plan.trainable:,}"
    frozen = "known after loading" if plan.frozen is None else f"{plan.frozen:,}"
    say(f"trainable parameters in all: {trainable}; frozen in all: {frozen}" + _share(plan))
    say(f"trainings: {plan.trainings}")
    for reason in plan.missing:
        say(f"missing: {reason}")
    if plan.leaks:
        _print_leaks(plan.leaks)


def _print_leaks(leaks: NearDuplicates) -> None:
    from ....registry.errors import one_line

    for one in leaks.between:
        say(
            f"leaks, {one.modality}: {one.contents} of {one.compared} contents of {one.second} have a cosine of "
            f"{leaks.above:g} or more with some of {one.first}: {one.pairs} pairs"
        )
        for pair in one.nearest:
            nearest = "" if one.pairs else " (the nearest)"
            say(f"  {pair.cosine:.4f} {one_line(pair.first)} = {one_line(pair.second)}{nearest}")
        if one.pairs > len(one.nearest):
            say(f"  and {one.pairs - len(one.nearest)} more")
    for note in leaks.notes:
        say(f"leaks, {note}")


def _share(plan: Plan) -> str:
    if plan.trainable is None or plan.frozen is None:
        return ""
    return f"; trainable share {plan.trainable / max(plan.trainable + plan.frozen, 1):.2%}"
