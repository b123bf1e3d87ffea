"""``graftwork export``."""

from __future__ import annotations

import click

from ..options import Place, format_option
from ..say import print_json, say


@click.command("export", epilog="Example: graftwork export runs/digits --to onnx --out digits.onnx")
@click.argument("run", type=click.Path())
@click.option("--to", required=True, metavar="onnx|torch|peft", help="The format.")
@click.option("--out", type=Place(), help="The file or folder to make. [default: RUN.onnx, RUN.pt2, RUN-peft]")
@format_option("text", "json")
def command(run: str, to: str, out: str | None, style: str) -> None:
    """Write a finished RUN in another program's format, and check it against the run.

    `onnx` and `torch` (torch.export) take the vectors of the frozen encoder, not pictures, and give logits; `peft` is
    the adapter of a `lora` run, a folder a tower, which PeftModel.from_pretrained loads. What depends on data while it
    runs, as an adapter over a graph does, is refused.
    """
    from ...export.export_run import export

    done = export(run, to, out)
    if style == "json":
        print_json({"paths": [str(path) for path in done.paths], "difference": done.difference, "note": done.note})
        return
    for path in done.paths:
        say(path)
    far = "not checked: no example of what its towers take" if done.difference is None else f"{done.difference:.2g}"
    say(f"largest difference from the run: {far}", err=True)
    say(done.note, err=True)
