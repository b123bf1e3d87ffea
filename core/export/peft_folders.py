"""A LoRA run as folders of PEFT's, one a tower, held against real peft where it is installed."""

from __future__ import annotations

import copy
import warnings
from pathlib import Path

import torch

from ..data.items import DataError
from ..graft.peft_folder import save_peft
from ..layers.predictor import LayerPredictor
from .vectors_in import content

#: Modality to what ``features`` calls it.
_GIVEN = {"image": "images", "text": "texts", "audio": "sounds"}


def peft_folders(predictor: LayerPredictor, target: Path) -> tuple[tuple[Path, ...], float | None]:
    """Write ``target``, or of several towers ``target/TOWER`` each; the paths, and how far PEFT's model is from ours.

    ``None``: nothing could be asked, as for clips. Raises ``TowerError`` for an adapter that is none of PEFT's.
    """
    grafted = predictor.module.model.grafted
    names = [name for name, tower in grafted.towers.items() if tower.blocks]
    paths = {name: target / name if len(names) > 1 else target for name in names}
    for name, path in paths.items():
        save_peft(grafted, path, tower=name)
    try:
        given = predictor.features(**{_GIVEN.get(kind, kind): [content(kind)] * 2 for kind in predictor.modalities})
    except (DataError, TypeError):
        return tuple(paths.values()), None
    return tuple(paths.values()), max(_difference(predictor, name, path, given) for name, path in paths.items())


@torch.no_grad()
def _difference(predictor: LayerPredictor, name: str, folder: Path, given: dict[str, dict[str, torch.Tensor]]) -> float:
    from peft import PeftModel

    model = predictor.module.model
    frozen = next(one for one in model.towers.frozen if one.tower.name == name)
    ours = model.run(given).vectors[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # peft's own
        theirs = PeftModel.from_pretrained(copy.deepcopy(frozen.tower.model), str(folder)).eval()
    found = frozen.read_out(theirs(**given[name]), given[name])
    return float((torch.nn.functional.normalize(found.float(), dim=-1) - ours).abs().max())
