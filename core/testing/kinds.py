"""The kinds and their checks, as data: a new kind of component is one entry here.

A kind's module has ``make(case)``, which builds one, and ``exercise(case)``, which puts it to use on fixed inputs and
returns what came out, so that "the same under a seed", "no network" and "no writes" are written once for all.
"""

from __future__ import annotations

from dataclasses import dataclass

from ...registry.component import Component
from ...registry.spec import Spec
from .. import roles
from .check import Check

_HERE = f"{__package__}.checks"


def _checks(module: str, **summaries: str) -> tuple[Check, ...]:
    return tuple(Check(name, f"{_HERE}.{module}:{name}", summary) for name, summary in summaries.items())


SPEC = _checks(
    "specs",
    light_import="the spec's module imports no torch, transformers, open_clip, torch_geometric or triton",
    round_trip="the spec as JSON validates to the same spec, with whatever valid values",
    schema="the JSON schema can be exported, and names the type",
    defaults="every default of the spec is valid by its own rules",
    documented="the spec, each of its fields and the component say in words what they are",
    drawn_specs="any JSON in its fields is either valid or a ValidationError, never another exception",
)
RUNS = _checks(
    "runs",
    deterministic="built and used twice under one seed, it gives the same bits",
    no_network="it never asks for the network",
    no_writes="it writes nothing outside the work folder",
    leaves_randomness="using it leaves the seeds and settings of the process as they were",
)
_MODULE = _checks(
    "modules",
    parameter_count="as many trainable parameters as the spec says",
    gradients="within two steps every trainable parameter, and no other, has a finite gradient",
    state_dict="saved by safetensors and loaded into a new one, it gives the same bits",
)
_BUDGET = _checks("modules", budget="with a `budget` no more is trainable than that share of the frozen parameters")


@dataclass(frozen=True, slots=True)
class Kind:
    """What is checked of the components of one kind (or of a form of it that is built otherwise)."""

    #: ``adapter``, ``layer_adapter`` ...; what ``checks_for`` takes.
    name: str
    #: The kind in a ``Component``.
    kind: str
    #: Components whose spec is one of this; of several that fit, the last in ``KINDS`` counts.
    spec: type[Spec]
    #: Whose ``make`` and ``exercise`` build one and use it; empty where nothing is known about building.
    module: str
    #: In the order they run.
    checks: tuple[Check, ...]
    #: ``written`` of captioners; ``None``: either.
    written: bool | None = None

    def fits(self, component: Component) -> bool:
        """Whether a component is of this kind and form."""
        if self.written is not None and getattr(component.spec, "written", False) != self.written:
            return False
        return component.kind == self.kind and issubclass(component.spec, self.spec)


def _kind(
    name: str,
    spec: type[Spec],
    module: str,
    *checks: Check,
    kind: str | None = None,
    runs: tuple[Check, ...] = RUNS,
    written: bool | None = None,
) -> Kind:
    return Kind(name, kind or name, spec, f"{_HERE}.{module}", (*SPEC, *runs, *checks), written)


_WITHOUT_OUTPUT = tuple(check for check in RUNS if check.name != "deterministic")

KINDS: tuple[Kind, ...] = (
    _kind(
        "dataset",
        roles.DatasetSpec,
        "datasets",
        *_checks(
            "datasets",
            splits="there is a `train` with items, and class names are unique",
            unique_ids="no id stands twice in the data set",
            stable="loaded again, it has the same fingerprint",
            targets="targets are in range of the classes",
            media="contents can be read, are of their kind, and read the same twice",
            digests="digests are sha256 of contents: one digest, one content",
        ),
        runs=_WITHOUT_OUTPUT,
    ),
    _kind(
        "captioner",
        roles.CaptionerSpec,
        "captioners",
        *_checks(
            "captioners",
            descriptions="one text for each picture, also for none",
            pixels_alone="a description depends on the pixels: not on file names, metadata or targets",
            order="the descriptions stand in the order of the pictures",
        ),
        written=False,
    ),
    _kind(
        "written_captions",
        roles.CaptionerSpec,
        "captioners",
        *_checks(
            "captioners",
            answers="one answer for each key, in order, also for none",
            unknown_keys="an item that nobody described has no description",
        ),
        kind="captioner",
        written=True,
    ),
    _kind(
        "encoder",
        roles.EncoderSpec,
        "encoders",
        *_checks(
            "encoders",
            vectors="float32 [B, d] of unit length on the CPU, d as the spec says, without gradients",
            facts="weights by sha256, a number of parameters (0 without any), the same when built again",
            one_item="the vector of an item does not depend on the batch",
            preprocessed="what `preprocess` makes of a content is encoded as the content itself",
            tokens="token vectors float32 [T, d] that do not depend on the batch",
            other_modality="a modality that it does not have is an EncoderError",
        ),
    ),
    _kind(
        "graph",
        roles.GraphSpec,
        "graphs",
        *_checks(
            "graphs",
            square="the support's graph is [S, S], its weights finite, without self-loops",
            queries="the queries' graph is [Q, S], its weights finite",
            query_alone="a query's row depends on that query and the support alone",
            settled="a settled spec is of the same type, and holds nothing relative any more",
            items_apart="within items, no edge leaves its item",
        ),
    ),
    _kind(
        "adapter",
        roles.AdapterSpec,
        "adapters",
        *_checks(
            "adapters",
            shape="float32 [N, output_width] on the device of its input, also for one item",
            identity_at_start="before training it changes nothing, where its spec says so",
            one_item="without a graph, the vector of an item does not depend on the batch",
            messages="with a graph, a node hears those it is linked to and nobody else",
            aggregated="what it computes once of vectors and graph gives each row as `forward` does",
        ),
        *_MODULE,
    ),
    _kind(
        "tower_adapter",
        roles.TowerAdapterSpec,
        "tower_adapters",
        *_checks(
            "tower_adapters",
            identity_at_start="before training the towers give the same bits",
            restored="afterwards the towers' modules are the frozen ones, also after an error",
            frozen_weights="the towers' own weights get no gradient and stay as they are",
        ),
        *_BUDGET,
        *(check for check in _MODULE if check.name != "parameter_count"),
        kind="adapter",
    ),
    _kind(
        "layer_adapter",
        roles.LayerAdapterSpec,
        "layer_adapters",
        *_checks(
            "layer_adapters",
            updates="an update has the shape and dtype of the hidden state it is for",
            zero_at_start="before training every update is zero",
            absent_stream="a stream may be absent",
            masked_tokens="what a masked token holds matters to no other one",
            names_by_stream="parameters are named by stream first",
        ),
        *_BUDGET,
        *_MODULE,
        kind="adapter",
    ),
    _kind(
        "expert",
        roles.ExpertSpec,
        "experts",
        *_checks(
            "experts",
            shape="[B, N, out] as the spec's `widths` say, whatever the lengths",
            masked_tokens="what a masked token holds matters to no other one",
            partner_order="the order of the partner's tokens does not matter",
            missing_partner="an expert on one modality works without a partner",
            one_item="what a sample gives does not depend on the batch",
        ),
        *_MODULE,
    ),
    _kind(
        "head",
        roles.HeadSpec,
        "heads",
        *_checks(
            "heads",
            logits="float32 [N, C], finite, also for one item",
            one_item="the logits of an item do not depend on the batch",
        ),
        *_MODULE,
    ),
    _kind(
        "task",
        roles.TaskSpec,
        "tasks",
        *_checks(
            "tasks",
            losses="a finite loss for each item, [N], and a gradient on the logits",
            metrics="named finite figures, `primary` among them",
            item_order="the order of the items changes no figure",
            best_logits="logits that are right score best, and lose least",
        ),
    ),
    _kind(
        "regularizer",
        roles.RegularizerSpec,
        "regularizers",
        *_checks(
            "regularizers",
            penalty="finite scalars of at least 0, on parameters and on logits",
            pulls="once parameters have moved, its gradient reaches them and is finite",
            saved="what `finish` gives can be saved as safetensors",
            resumes="interrupted and resumed by what `state` gave, it comes to the same bits",
            remembers="it remembers items that it was shown, each once, and the same ones again",
        ),
    ),
    _kind(
        "optimizer",
        roles.OptimizerSpec,
        "optimizers",
        *_checks(
            "optimizers",
            is_optimizer="a torch.optim.Optimizer with the spec's learning rate",
            descends="on a bowl it goes down",
            own_parameters="it changes the parameters that it was given, and no others",
        ),
    ),
    _kind(
        "reporter",
        roles.ReporterSpec,
        "reporters",
        *_checks(
            "reporters",
            every_event="it hears every kind of event, also one it does not know, without an error",
            early_close="a run that fails before its first event closes it without an error",
            clean_output="it writes nothing to standard output",
        ),
        runs=_WITHOUT_OUTPUT,
    ),
)


def kind_of(component: Component) -> Kind:
    """The entry of ``KINDS`` for a component; of kinds that Graftwork does not know, the spec alone is checked."""
    fitting = [kind for kind in KINDS if kind.fits(component)]
    return fitting[-1] if fitting else Kind(component.kind, component.kind, component.spec, "", SPEC)
