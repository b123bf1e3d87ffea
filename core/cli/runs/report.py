"""``graftwork report``."""

from __future__ import annotations

import click

from ..options import Place, cache_option, force_option, format_option, require_free
from ..say import print_json, say

#: The page where none is named, and what stands in its head.
PAGE, GENERATOR = "report.html", b'<meta name="generator" content="graftwork report">'


@click.command("report", epilog="Example: graftwork report runs/emoji-ganet runs/emoji-tip-adapter --out emoji.html")
@click.argument("runs", nargs=-1, required=True, metavar="RUN...", type=click.Path())
@click.option("--out", type=Place(dir_okay=False), help="The file to write. [default: report.html]")
@force_option
@click.option(
    "--worst", type=click.IntRange(min=0), default=12, show_default=True, help="Wrong answers to show with pictures."
)
@format_option("text", "json")
@cache_option
def command(runs: tuple[str, ...], out: str | None, force: bool, worst: int, style: str, cache: str | None) -> None:
    """Write finished RUNs as one HTML file that stands by itself.

    It holds figures with intervals, learning curves, confusions, calibration, the worst items with their pictures and
    neighbours, the graph, shares of experts, costs, versions and the spec; of several runs also a comparison. A RUN is
    a run folder, or the folder of a sweep or a comparison. What a run lacks is said in the file.
    """
    from ...report.report import report
    from ..options import warn_of_broken_plugins

    warn_of_broken_plugins()
    require_free(out or PAGE, force, ours=b"" if out else GENERATOR)
    written = report(*runs, out=out or PAGE, worst=worst, store=cache)
    if style == "json":
        print_json({"report": str(written)})
    else:
        say(written)
