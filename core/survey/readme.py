"""The page beside a drafted spec: what was seen, what the spec does, what to try next."""

from __future__ import annotations

import shlex
import textwrap
from collections.abc import Iterator
from pathlib import Path

from ...registry.errors import counted, one_line
from .draft import Draft

#: A page that begins so is one that ``init`` may write again.
FIRST = "# What graftwork init saw"


def readme(made: Draft, spec: Path) -> str:
    """Markdown."""
    return "\n".join([FIRST, "", *_lines(made, spec)]) + "\n"


def rows(made: Draft) -> list[tuple[str, str]]:
    """What was seen and what was chosen, a line each."""
    seen, counts = made.seen, made.seen.classes
    fewest, most = min(counts, key=counts.__getitem__), max(counts, key=counts.__getitem__)
    each = ", ".join(f"{name} {count}" for name, count in list(counts.items())[:8])
    more = f" ... fewest {fewest} {counts[fewest]}, most {most} {counts[most]}" if len(counts) > 8 else ""
    splits = ", ".join(
        f"{name} {count:,}{'' if name in seen.given else ' (cut)'}" for name, count in seen.splits.items()
    )
    unlabelled = sum(seen.splits.values()) - sum(counts.values())
    head, seeds = made.spec.task.head, len(made.spec.seeds)
    method = (
        f"{made.spec.adapter.type}, head {head.type if head else 'none'}; {_shots(made)}; {counted(seeds, 'seeds')}"
    )
    return [
        ("data", f"{made.spec.dataset.type}: {seen.what}"),
        (f"{len(counts)} classes", one_line(each + more)),
        *([("unlabelled", f"{unlabelled:,}")] if unlabelled else []),
        ("splits", splits),
        *seen.contents.items(),
        ("copies", f"{seen.copies:,} of {sum(seen.splits.values()):,}" if seen.copies else "none"),
        ("encoder", encoder_in_words(made)),
        ("method", method),
    ]


def encoder_in_words(made: Draft) -> str:
    """Type and model of each part."""
    section = made.spec.encoder.model_dump(mode="json", exclude_defaults=True)
    parts = {kind: one for kind, one in section.items() if isinstance(one, dict)} or {"": section}
    types = {kind: getattr(made.spec.encoder, kind).type if kind else made.spec.encoder.type for kind in parts}
    named = [
        " ".join(filter(None, [kind, types[kind], str(one.get("weights") or one.get("model") or "")]))
        for kind, one in parts.items()
    ]
    return ", ".join(named)


def _shots(made: Draft) -> str:
    return f"{made.spec.dataset.shots} labelled a class" if made.spec.dataset.shots else "all labelled"


def _lines(made: Draft, spec: Path) -> Iterator[str]:
    yield f"Of `{made.seen.path}`. The pipeline is in `{spec.name}`, beside this page."
    yield ""
    yield "| what | seen |"
    yield "|---|---|"
    yield from (f"| {name} | {value.replace('|', '/')} |" for name, value in rows(made))
    yield ""
    for note in made.notes:
        yield from textwrap.wrap(f"- {note}", 100, subsequent_indent="  ")
    yield from ["", "## What the spec does", ""]
    yield from textwrap.wrap(_does(made), 100)
    yield from ["", "## What to try next", ""]
    for what, command in next_commands(made, spec):
        yield from [what, "```bash", command, "```"]
    yield from ["", "Every field: `graftwork schema`, or docs/pipeline.md. Paths in the spec are absolute."]


def _does(made: Draft) -> str:
    shots, spec = made.spec.dataset.shots, made.spec
    few = (
        f"Of each class {shots} labelled items are drawn from `train`, once a seed"
        if shots
        else "All of `train` is used"
    )
    pool = (
        "; the others are in the graph without their labels"
        if shots and spec.graph and spec.graph.pool == "train"
        else ""
    )
    chosen = (
        "The values under `search` and the epoch are chosen on `val`; the number comes from `test`, which chooses none."
        if spec.evaluation.selecting_split
        else "There is no `val`, so nothing is chosen and the last epoch is kept; the number comes from `test`."
    )
    cut = [name for name in made.seen.splits if name not in made.seen.given and name != "train"]
    cuts = (
        f" {' and '.join(cut)} {'are' if len(cut) > 1 else 'is'} cut off `train` by content, class by class."
        if cut
        else ""
    )
    return (
        f"The frozen encoder turns each item into a vector, once. {few}{pool}. `ga_net`, a small graph adapter, lets "
        f"each item hear its nearest neighbours, and a logistic regression tells the classes apart. {chosen}{cuts}"
    )


def next_commands(made: Draft, spec: Path) -> list[tuple[str, str]]:
    """What for, and the command."""
    file = shlex.quote(_shown(spec))
    run = shlex.quote(f"runs/{made.spec.name}")
    some = shlex.quote(_shown(made.seen.path))
    told = [
        ("The usual methods beside each other, each tuned alike:", f"graftwork compare --methods few_shot {file}"),
        ("What would be done, without doing it:", f"graftwork plan {file}"),
        (
            "This pipeline alone; then answers of what it learned:",
            f"graftwork run {file}\ngraftwork predict {run} {some}",
        ),
    ]
    if made.spec.dataset.shots:
        told.append(("With every label:", f"graftwork run {file} --set dataset.shots-"))
    other = '\'encoder={"type": "open_clip", "model": "ViT-B-16", "pretrained": "openai"}\''
    if "image" in made.seen.modalities and "text" not in made.seen.modalities:
        told.append(("Another encoder, here a CLIP that is fetched:", f"graftwork run {file} --set {other}"))
    return told


def _shown(path: Path) -> str:
    """From the working folder, where it lies in it."""
    try:
        return str(path.absolute().relative_to(Path.cwd()))
    except ValueError:
        return str(path)
