"""``graftwork compare``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from ..options import (
    Place,
    cache_option,
    checkpoint_option,
    format_option,
    goes_on,
    jobs_option,
    resume_option,
    seeds_option,
    set_option,
    spec_in,
)
from ..progress import shown_progress
from ..say import print_json, print_table, say, say_progress

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from ....registry.errors import GraftworkError
    from ...run.jobs.machine import Jobs
    from ...spec.pipeline_spec import PipelineSpec
    from ...studies.compare_report import Entry


@click.command(
    "compare",
    epilog="Example: graftwork compare examples/digits_zero_shot.json examples/ganet_digits.json --set dataset.shots=4",
)
@click.argument("given", nargs=-1, required=True, metavar="SPEC|RUN...", type=click.Path())
@set_option
@seeds_option
@click.option(
    "--methods",
    metavar="SUITE|NAME,...",
    help="Run tuned methods on the data and encoder of SPEC, the one that is given: the suites few_shot, probes and "
    "towers, or single methods of them, as ga-net,tip-adapter.",
)
@click.option("--against", metavar="NAME", help="The run that the others are paired with. Default: the first.")
@click.option("--out", type=Place(file_okay=False), default="runs/compare", show_default=True, help="Folder.")
@jobs_option
@resume_option
@checkpoint_option
@format_option("table", "markdown", "json")
@cache_option
def command(
    given: tuple[str, ...],
    settings: tuple[str, ...],
    seeds: tuple[int, ...] | None,
    methods: str | None,
    against: str | None,
    out: str,
    jobs: Jobs,
    resume: bool,
    checkpoint_every: float,
    style: str,
    cache: str | None,
) -> None:
    """Put runs beside each other: accuracy, trainable parameters, seconds, memory; and say what differs.

    A SPEC is run first (its --set and --seeds are those given here), unless it was run into the same folder before; a
    RUN is a finished run folder. The others are paired with one of the runs item by item: a 95 % interval over items
    and seeds, and an exact McNemar test. Table and chart are written into --out. Exit code 1 or 2 if a SPEC failed.
    """
    from pathlib import Path

    from ....registry.discovery import default_catalogue
    from ...spec.overrides import parse_set
    from ...storage.root import store_root
    from ...studies.compare import compare, write_comparison
    from ...studies.compare_report import (
        LEGEND,
        comparability,
        comparison_json,
        comparison_markdown,
        comparison_notes,
        comparison_table,
        paired_lines,
        setting_lines,
    )
    from ...studies.winner import predict_command
    from ..options import warn_of_broken_plugins

    warn_of_broken_plugins()
    goes_on("the same command")
    overrides = parse_set(settings) | ({"evaluation.seeds": list(seeds)} if seeds else {})
    store, folder = store_root(cache), Path(out).absolute()
    catalogue, named = default_catalogue(), [one.strip() for one in (methods or "").split(",")]
    listed: Sequence[str | PipelineSpec] = given
    if methods is not None:
        listed, against = _tried(given, named, overrides, against, store)
        overrides = {}  # they are in what is tried
    with shown_progress() as tell:
        comparison = compare(
            listed,
            overrides,
            catalogue,
            store,
            folder,
            _say,
            against,
            jobs,
            tell,
            resume="where equal" if resume else "anew",
            checkpoint_every=checkpoint_every,
        )
    written = write_comparison(comparison, folder)
    use = predict_command(comparison.best.folder.absolute(), catalogue) if comparison.best else None
    if style == "json":
        print_json({**comparison_json(comparison), "folder": str(folder), "use": use})
    elif style == "markdown":
        say(comparison_markdown(comparison), nl=False)
    else:
        print_table(*comparison_table(comparison), title="")
        said = [
            *paired_lines(comparison),
            *comparison_notes(comparison),
            *comparability(comparison),
            *setting_lines(comparison),
        ]
        ends = [f"the best on validation, {comparison.best.name}: {use}"] if comparison.best else []
        say("\n".join([LEGEND, *said, *map(str, written), *ends]))
    if comparison.failures:
        raise SystemExit(max(error.exit_code for error in comparison.failures.values()))


def _tried(
    given: Sequence[str], names: Sequence[str], overrides: Mapping[str, Any], against: str | None, store: Path
) -> tuple[Sequence[str | PipelineSpec], str | None]:
    """The methods on the only SPEC, with the runs that are given; and the one that the others are paired with."""
    from pathlib import Path

    from ....registry.discovery import default_catalogue
    from ...spec.load_spec import load_spec
    from ...studies.suites import methods_on

    specs = [one for one in given if not Path(one).is_dir()]
    if len(specs) != 1:
        data = [one for one in given if not Path(one, "result.json").is_file() and one not in specs]
        hint = f"; {data[0]} is a folder: {spec_in(data[0])}" if data and not specs else ""
        raise click.UsageError(f"--methods tries methods on one SPEC, and {len(specs) or 'none'} are given{hint}")
    catalogue = default_catalogue()
    tried = methods_on(load_spec(specs[0], overrides, catalogue), names, catalogue, store)
    for name, reason in tried.left_out.items():
        say(f"note: {name} is left out: {reason}", err=True)
    runs = [one for one in given if one not in specs]
    return [*tried.specs, *runs], against or tried.against


def _say(name: str, outcome: Entry | GraftworkError, found: bool) -> None:
    from ...studies.compare_report import Entry

    said = f"test {outcome.measured.test}" if isinstance(outcome, Entry) else f"failed: {outcome}"
    say_progress(f"{name}: {said}{' (found)' if found else ''}")
