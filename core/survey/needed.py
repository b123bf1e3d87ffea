"""Which parts of the store the runs of a spec read or write. Light: no torch, and no data set is listed."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

from ...registry.catalogue import Catalogue
from ..spec.load_spec import spec_from_dict
from ..spec.node_kinds import used_captioner
from ..spec.pipeline_spec import PipelineSpec
from ..spec.search_values import lists_of
from ..stages.context import RunContext
from ..storage.store.inventory import FILES, PICTURES, folders
from ..storage.store.namespace import read_about

#: Sections that decide what is stored.
_SECTIONS = ("encoder", "captioner", "level", "graph")


def needed(spec: PipelineSpec, catalogue: Catalogue, root: Path) -> set[Path]:
    """Folders of the units of the store that a spec needs, whichever of its search values it is at.

    Findings on files count as needed while the folder of the files is there, kept pictures where its data set streams.
    """
    found = set(_of_files(root))
    if getattr(spec.dataset, "streaming", False):
        found.add(root / PICTURES)
    for one in _combinations(spec, catalogue):
        context = RunContext(catalogue, root)
        encoder, captioner = context.encoder(one), context.captioner(one) if used_captioner(one) else None
        kinds = one.encoder.modalities() or ("image", "text", "audio", "video")
        found |= {encoder.tower(kind).namespace.folder for kind in kinds}
        found |= {captioner.namespace.folder} if captioner else set()
    return found


def _combinations(spec: PipelineSpec, catalogue: Catalogue) -> Iterator[PipelineSpec]:
    """The spec at each of those search values that decide what is stored."""
    lists = {key: values for key, values in lists_of(spec).items() if key.partition(".")[0] in _SECTIONS}
    base = {key: value for key, value in spec.to_json().items() if key not in ("search", "trials")}
    for combination in itertools.product(*lists.values()):
        yield spec_from_dict(base, dict(zip(lists, combination, strict=True)), catalogue) if combination else spec


def _of_files(root: Path) -> Iterator[Path]:
    for folder in folders(root):
        if folder.parent == root / FILES:
            identity = (read_about(folder) or {}).get("identity", {})
            if Path(str(identity.get("root", ""))).is_dir():
                yield folder
