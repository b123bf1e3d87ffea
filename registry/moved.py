"""Where documented imports of before the folders of `core` are now, for plugins that still name them.

It is asked where a plugin failed to load or a component could not be built. A program of one's own that imports an old
path gets Python's message alone: nothing stands in the old places. To be dropped at 1.0.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from types import ModuleType

#: Old module, new module, names; without `graftwork.` before them.
_TABLE = """
core.adapter                     core.roles                       Adapter
core.captioner                   core.roles                       Captioner CaptionerError PictureKey WrittenCaptions
core.contract                    core.roles                       ContractError
core.dataset                     core.roles                       Dataset
core.dataset                     core.data.items                  DataError DatasetContent Item Media
core.encoder                     core.roles                       Encoder EncoderError EncoderFacts
core.expert                      core.roles                       Expert columns_of masked_mean
core.file_memo                   core.data.file_memo              FileMemo
core.frozen_tower                core.towers.frozen_tower         FrozenTower
core.fusion                      core.graph.fusion                TokenPair
core.graft_plan                  core.graft.plan                  plan_graft
core.graph                       core.roles                       GraphBuilder GraphError
core.head                        core.roles                       ClassPrompts Head
core.layer_adapter               core.roles                       LayerAdapter Updates parameter_name
core.layout                      core.data.layout                 Layout
core.measured                    core.run.measured                Kept Measured
core.measured                    core.storage.result_parts        Score
core.meeting                     core.roles                       Meeting
core.neighbours                  core.data.prediction             Neighbour
core.pipeline_spec               core.spec.pipeline_spec          EvaluationSpec PipelineSpec TrainerSpec
core.plan                        core.stages.stage_plan           Plan StagePlan
core.prediction                  core.data.prediction             Prediction
core.predictor                   core.run.load                    CodeWarning PolicyWarning load
core.predictor                   core.training.predictor          Predictor
core.regularizer                 core.roles                       Regularizer TrainingView
core.reporter                    core.roles                       Reporter
core.run                         core.run.run                     Run
core.run_once                    core.studies.run_cache           Done
core.sweep                       core.studies.sweep               Point Sweep
core.sweep_report                core.studies.sweep_report        WrittenSweep
core.task                        core.roles                       PairTask Task
core.tokens                      core.data.tokens                 Tokens
core.tower_adapter               core.roles                       TowerAdapter
core.towers                      core.graft                       GraftedTowers HubError Tower TowerError builder
core.towers                      core.graft                       load_adapter push_to_hub save_pretrained
core.waveform                    core.data.waveform               Waveform
plugins.pocket.captions          plugins.pocket.scenes.captions   caption
plugins.pocket.compose           plugins.pocket.scenes.compose    Composer
plugins.pocket.fonts             plugins.pocket.scenes.fonts      FONT_PACKAGES
plugins.pocket.render            plugins.pocket.scenes.render     render
plugins.pocket.scene             plugins.pocket.scenes.scene      facts
plugins.pocket.sounds            plugins.pocket.world.sounds      Sound
plugins.pocket.stencils          plugins.pocket.scenes.stencils   build_bank
plugins.pocket.world             plugins.pocket.world.scene       draw_scene
plugins.pocket.world_captions    plugins.pocket.world.captions    caption
plugins.pocket.world_picture     plugins.pocket.world.picture     paint
triton_kernels.attach            triton_kernels                   attach
triton_kernels.gcn_bottleneck    triton_kernels                   gcn_bottleneck
triton_kernels.propagate         triton_kernels                   propagate
triton_kernels.similarity_graph  triton_kernels                   similarity_graph
triton_kernels.sparse_graph      triton_kernels                   SparseGraph
triton_kernels.structure         triton_kernels.sparse.structure  Structure
"""


def moves() -> dict[str, dict[str, str]]:
    """Old module to its documented names, each with its module now."""
    found: dict[str, dict[str, str]] = {}
    for line in _TABLE.strip().splitlines():
        old, new, *names = line.split()
        found.setdefault(f"graftwork.{old}", {}).update(dict.fromkeys(names, f"graftwork.{new}"))
    return found


def moved(error: BaseException) -> str | None:
    """Where that is now which ``error``, or what led to it, did not find; ``None`` where nothing of it has moved."""
    return next((place for one in _with_causes(error) if (place := _place(*_sought(one)))), None)


def _with_causes(error: BaseException | None) -> Iterator[BaseException]:
    """A plugin may have raised an error of its own in place of what Python said."""
    seen = set[int]()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def _sought(error: BaseException) -> tuple[str | None, str | None]:
    """A module, and the name that it lacks; ``None`` where it is the module itself that is not there."""
    if isinstance(error, AttributeError):
        return (error.obj.__name__, error.name) if isinstance(error.obj, ModuleType) else (None, None)
    if not isinstance(error, ImportError):
        return None, None
    lacking = re.match(r"cannot import name '(\w+)'", str(error))
    return error.name, lacking[1] if lacking else None


def _place(module: str | None, lacking: str | None) -> str | None:
    if f"{module}.{lacking}" in moves():
        module, lacking = f"{module}.{lacking}", None  # what a package lacks may be a module
    names = moves().get(module or "", {})
    if lacking is not None:  # the module is there, and now another
        names = {name: new for name, new in names.items() if name == lacking}
    if not names:
        return None
    places = list(dict.fromkeys(names.values()))
    lines = [f"from {new} import {', '.join(name for name in names if names[name] == new)}" for new in places]
    return f"{module} is {' and '.join(places)} now: {'; '.join(lines)}"
