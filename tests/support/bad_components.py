"""For each check of the conformance kit a component that fails just that one: a good one, with one fault."""

from __future__ import annotations

import gc
import hashlib
import itertools
import os
import socket
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import torch
from PIL import Image
from pydantic import Field, WithJsonSchema, create_model, field_validator
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize

from graftwork.core.data.items import DatasetContent, Item, Media
from graftwork.core.roles import (
    Adapter,
    AdapterSpec,
    Captioner,
    CaptionerSpec,
    Dataset,
    DatasetSpec,
    Encoder,
    EncoderError,
    EncoderFacts,
    EncoderSpec,
    Expert,
    ExpertSpec,
    GraphBuilder,
    GraphSpec,
    Head,
    HeadSpec,
    LayerAdapter,
    LayerAdapterSpec,
    OptimizerSpec,
    Regularizer,
    RegularizerSpec,
    Reporter,
    ReporterSpec,
    Task,
    TaskSpec,
    TowerAdapter,
    TowerAdapterSpec,
    Updates,
    WrittenCaptions,
    masked_mean,
    parameter_name,
)
from graftwork.core.towers.errors import TowerError
from graftwork.registry.component import Component
from graftwork.registry.spec import Items
from graftwork.triton_kernels import propagate, similarity_graph

#: Kind (as in ``KINDS``) and check, to the component that fails it and the example it is tried on.
BAD: dict[tuple[str, str], tuple[Component, Mapping[str, Any]]] = {}
#: The good ones that the faults were put into.
GOOD: dict[str, tuple[Component, Mapping[str, Any]]] = {}
#: Said of the specs, which stand beside torch here: importing that module imports nothing heavy.
LIGHT = "graftwork.core.roles"
_HERE = sys.modules[__name__]


def declared(kind: str, name: str, spec: type[Any], build: Any, module: str = LIGHT, **fields: Any) -> Component:
    """A component of a type and a spec of its own."""
    type_ = f"{kind}_{name}"
    own = create_model(  # type: ignore[call-overload]
        f"{type_}_spec",
        __base__=spec,
        __module__=module,
        __doc__=spec.__doc__,
        **{"type": (Literal[type_], type_), **fields},
    )
    setattr(_HERE, f"build_{type_}", build)
    kinds = {"layer_adapter": "adapter", "tower_adapter": "adapter", "written_captions": "captioner"}
    return Component(kinds.get(kind, kind), type_, own, f"{__name__}:build_{type_}", "made for a test")


def bad(
    kind: str, check: str, spec: type[Any], build: Any, example: Mapping[str, Any] | None = None, **more: Any
) -> None:
    """Put one into the table."""
    BAD[kind, check] = declared(kind, check, spec, build, **more), example or {}


def fault(kind: str, check: str, spec: type[Any], example: Mapping[str, Any] | None = None) -> Callable[[Any], Any]:
    """As ``bad``, over the class with the fault."""

    def put(build: Any) -> Any:
        bad(kind, check, spec, build, example)
        return build

    return put


def good(kind: str, spec: type[Any], build: Any, example: Mapping[str, Any] | None = None) -> None:
    """Put the one without a fault into its table."""
    GOOD[kind] = declared(kind, "good", spec, build), example or {}


# Adapters on features; the checks of specs and of whatever runs are tried on these.


class ShiftSpec(AdapterSpec):
    """A learned offset."""

    def parameter_count(self, width: int) -> int:
        return width


class Shift(Adapter):
    def __init__(self, spec: Any, width: int) -> None:
        super().__init__()
        self.output_width = width
        self.offset = nn.Parameter(torch.zeros(width))

    def forward(self, x: Tensor, graph: Any = None) -> Tensor:
        return x + self.offset


good("adapter", ShiftSpec, Shift)
bad("adapter", "light_import", ShiftSpec, Shift, module="graftwork.core.roles.adapter")


class CountsUpSpec(ShiftSpec):
    """Reads something else than it writes."""

    steps: int = 1
    """So many."""

    @field_validator("steps")
    @classmethod
    def _one_more(cls, steps: int) -> int:
        return steps + 1


bad("adapter", "round_trip", CountsUpSpec, Shift)


class LengthSpec(ShiftSpec):
    """Takes the length of whatever is there."""

    steps: Items[int] = ()
    """So many."""

    @field_validator("steps", mode="before")
    @classmethod
    def _not_too_many(cls, steps: Any) -> Any:
        return steps if len(steps) < 100 else ()


bad("adapter", "drawn_specs", LengthSpec, Shift)
bad("adapter", "documented", ShiftSpec, Shift, steps=(int, 1))
bad(
    "adapter",
    "defaults",
    ShiftSpec,
    Shift,
    {"steps": 3},
    steps=(Annotated[int, Field(ge=0, description="So many.")], -1),
)
_VAGUE = Annotated[Literal["adapter_schema"], WithJsonSchema({"type": "string"})]
bad("adapter", "schema", ShiftSpec, Shift, type=(_VAGUE, "adapter_schema"))


@fault("adapter", "deterministic", ShiftSpec)
class Unseeded(Shift):
    def __init__(self, spec: Any, width: int) -> None:
        super().__init__(spec, width)
        generator = torch.Generator()
        generator.seed()
        self.register_buffer("noise", 1 + torch.rand(width, generator=generator))

    def forward(self, x: Tensor, graph: Any = None) -> Tensor:
        return x + self.offset * self.noise


@fault("adapter", "no_network", ShiftSpec)
class Telephones(Shift):
    def forward(self, x: Tensor, graph: Any = None) -> Tensor:
        with suppress(OSError):
            socket.getaddrinfo("localhost", 80)
        return super().forward(x)


@fault("adapter", "no_writes", ShiftSpec)
class Litters(Shift):
    def forward(self, x: Tensor, graph: Any = None) -> Tensor:
        with suppress(OSError):
            Path(os.environ["LITTER"]).write_text("here I was")
        return super().forward(x)


@fault("adapter", "leaves_randomness", ShiftSpec)
class Seeds(Shift):
    def forward(self, x: Tensor, graph: Any = None) -> Tensor:
        torch.manual_seed(torch.initial_seed() + 1)
        return super().forward(x)


class MoreSpec(AdapterSpec):
    """A parameter more."""

    def parameter_count(self, width: int) -> int:
        return width + 1


bad("adapter", "parameter_count", MoreSpec, Shift)


@fault("adapter", "gradients", MoreSpec)
class Idle(Shift):
    def __init__(self, spec: Any, width: int) -> None:
        super().__init__(spec, width)
        self.idle = nn.Parameter(torch.zeros(1))


@fault("adapter", "state_dict", ShiftSpec)
class Forgets(Shift):
    def __init__(self, spec: Any, width: int) -> None:
        super().__init__(spec, width)
        self.noise = torch.rand(width)

    def forward(self, x: Tensor, graph: Any = None) -> Tensor:
        return x + self.offset * self.noise


@fault("adapter", "shape", ShiftSpec)
class Wider(Shift):
    def __init__(self, spec: Any, width: int) -> None:
        super().__init__(spec, width)
        self.output_width = width + 1


@fault("adapter", "identity_at_start", ShiftSpec)
class Shifted(Shift):
    def __init__(self, spec: Any, width: int) -> None:
        super().__init__(spec, width)
        nn.init.ones_(self.offset)


@fault("adapter", "one_item", ShiftSpec)
class Crowd(Shift):
    def forward(self, x: Tensor, graph: Any = None) -> Tensor:
        return x + self.offset * (1 + x.mean(dim=0))


class GraphSpecified(ShiftSpec):
    """Says that it needs a graph."""

    needs_graph: ClassVar[bool] = True


bad("adapter", "messages", GraphSpecified, Shift)


@fault("adapter", "aggregated", GraphSpecified)
class Remembers(Shift):
    """Computes once what training changes."""

    def forward(self, x: Tensor, graph: Any = None) -> Tensor:
        return x + self.offset * propagate(graph, x, norm="row")

    def aggregate(self, x: Tensor, graph: Any) -> tuple[Tensor, ...]:
        return (self(x, graph),)

    def forward_aggregated(self, *aggregated: Tensor) -> Tensor:
        return aggregated[0]


# Adapters that exchange modules.


class Changed(nn.Module):
    def __init__(self, frozen: nn.Module, delta: nn.Parameter) -> None:
        super().__init__()
        self.frozen, self.delta = [frozen], delta

    def forward(self, x: Tensor) -> Tensor:
        return self.frozen[0](x) + self.delta  # type: ignore[no-any-return]


class LastBias(TowerAdapter):
    start = 0.0
    spends = False

    def __init__(self, spec: Any, towers: Any) -> None:
        super().__init__()
        if spec.budget and not self.spends:
            raise TowerError("adapter.budget: a bias has the size it has; remove the budget")
        self.spec = spec
        self.block = [towers[0].blocks[-1]]
        self.tower = nn.Module()
        self.tower.delta = nn.Parameter(torch.full((towers[0].width,), self.start))

    @contextmanager
    def installed(self) -> Iterator[None]:
        frozen = self.block[0].down
        self.block[0].down = Changed(frozen, self.tower.delta)
        try:
            yield
        finally:
            self.block[0].down = frozen


good("tower_adapter", TowerAdapterSpec, LastBias)


@fault("tower_adapter", "identity_at_start", TowerAdapterSpec)
class StartsElsewhere(LastBias):
    start = 1.0


@fault("tower_adapter", "restored", TowerAdapterSpec)
class LeavesItself(LastBias):
    @contextmanager
    def installed(self) -> Iterator[None]:
        frozen = self.block[0].down
        self.block[0].down = Changed(frozen, self.tower.delta)
        yield
        self.block[0].down = frozen


@fault("tower_adapter", "budget", TowerAdapterSpec)
class Spends(LastBias):
    spends = True


@fault("tower_adapter", "frozen_weights", TowerAdapterSpec)
class Thaws(LastBias):
    def __init__(self, spec: Any, towers: Any) -> None:
        super().__init__(spec, towers)
        self.block[0].up.requires_grad_(True)


# Adapters where towers meet.


class Linears(LayerAdapter):
    def __init__(self, spec: Any, meetings: Any, assemble: Any) -> None:
        super().__init__()
        self.meetings = meetings
        self.layers = nn.ModuleDict()
        for number, meeting in enumerate(meetings):
            for stream, width in meeting.widths.items():
                self.layers[self.name(number, stream)] = self.layer(width)

    def layer(self, width: int) -> nn.Linear:
        made = nn.Linear(width, width)
        nn.init.zeros_(made.weight)
        nn.init.zeros_(made.bias)
        return made

    def name(self, number: int, stream: str) -> str:
        return parameter_name(stream, self.meetings[number].stops[stream])

    def forward(self, meeting: int, states: Any, masks: Any) -> Updates:
        return Updates({name: self.layers[self.name(meeting, name)](state) for name, state in states.items()})


good("layer_adapter", LayerAdapterSpec, Linears)


@fault("layer_adapter", "updates", LayerAdapterSpec)
class Doubles(Linears):
    def forward(self, meeting: int, states: Any, masks: Any) -> Updates:
        return Updates({name: one.double() for name, one in super().forward(meeting, states, masks).states.items()})


@fault("layer_adapter", "zero_at_start", LayerAdapterSpec)
class Loud(Linears):
    def layer(self, width: int) -> nn.Linear:
        return nn.Linear(width, width)


@fault("layer_adapter", "absent_stream", LayerAdapterSpec)
class Inseparable(Linears):
    def forward(self, meeting: int, states: Any, masks: Any) -> Updates:
        if len(states) < 2:
            raise KeyError("text")
        return super().forward(meeting, states, masks)


@fault("layer_adapter", "masked_tokens", LayerAdapterSpec)
class Overhears(Linears):
    def forward(self, meeting: int, states: Any, masks: Any) -> Updates:
        mixed = {name: state + state.mean(dim=1, keepdim=True) for name, state in states.items()}
        return super().forward(meeting, mixed, masks)


@fault("layer_adapter", "names_by_stream", LayerAdapterSpec)
class Nameless(Linears):
    def name(self, number: int, stream: str) -> str:
        return f"{2 * number + (stream == 'text')}"


# Experts.


class GateSpec(ExpertSpec):
    """A factor a channel."""

    def widths(self, rank: int) -> tuple[int, int, int]:
        return rank, 0, rank

    def parameter_count(self, rank: int) -> int:
        return rank


class Gate(Expert):
    def __init__(self, spec: Any, rank: int) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.ones(rank))

    def forward(self, x: Tensor, y: Tensor | None, x_mask: Tensor | None, y_mask: Tensor | None) -> Tensor:
        return x * self.factor


class PartnerSpec(GateSpec):
    """Reads the partner."""

    multimodal: ClassVar[bool] = True

    def widths(self, rank: int) -> tuple[int, int, int]:
        return rank, rank, rank


class Partner(Gate):
    def forward(self, x: Tensor, y: Tensor | None, x_mask: Tensor | None, y_mask: Tensor | None) -> Tensor:
        assert y is not None
        return x * self.factor + masked_mean(y, y_mask)[:, None]


good("expert", PartnerSpec, Partner)


@fault("expert", "shape", GateSpec)
class Narrow(Gate):
    def forward(self, x: Tensor, y: Any, x_mask: Any, y_mask: Any) -> Tensor:
        return torch.cat([super().forward(x, y, x_mask, y_mask), x[..., :1]], dim=-1)


@fault("expert", "masked_tokens", GateSpec)
class OwnMean(Gate):
    def forward(self, x: Tensor, y: Any, x_mask: Any, y_mask: Any) -> Tensor:
        return super().forward(x + x.mean(dim=1, keepdim=True), y, x_mask, y_mask)


@fault("expert", "partner_order", PartnerSpec)
class FirstWord(Gate):
    def forward(self, x: Tensor, y: Tensor | None, x_mask: Any, y_mask: Any) -> Tensor:
        assert y is not None
        return x * self.factor + y[:, :1]


class AsksInVain(GateSpec):
    """Wants columns of a partner that nobody promised."""

    def widths(self, rank: int) -> tuple[int, int, int]:
        return rank, 2, rank


bad("expert", "missing_partner", AsksInVain, Gate)


@fault("expert", "one_item", GateSpec)
class BatchMean(Gate):
    def forward(self, x: Tensor, y: Any, x_mask: Any, y_mask: Any) -> Tensor:
        return super().forward(x + x.mean(dim=0, keepdim=True), y, x_mask, y_mask)


# Heads.


class LayerSpec(HeadSpec):
    """A linear layer."""

    def parameter_count(self, width: int, classes: int) -> int:
        return width * classes


class Layer(Head):
    def __init__(self, spec: Any, width: int, classes: int, prompts: Any) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(classes, width))

    def forward(self, x: Tensor) -> Tensor:
        return x @ self.weight.T


good("head", LayerSpec, Layer)


@fault("head", "logits", LayerSpec)
class DoubleLogits(Layer):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x).double()


@fault("head", "one_item", LayerSpec)
class Relative(Layer):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x - 0.5 * x.mean(dim=0))


# Tasks.


class Classes(Task):
    primary = "accuracy"

    def __init__(self, spec: Any) -> None:
        pass

    def losses(self, logits: Tensor, targets: Tensor) -> Tensor:
        return cross_entropy(logits, targets, reduction="none")

    def metrics(self, logits: Tensor, targets: Tensor) -> dict[str, float]:
        right = (logits.argmax(dim=-1) == targets).double()
        return {"accuracy": float(right.mean()), "loss": float(self.losses(logits, targets).mean())}


good("task", TaskSpec, Classes)


@fault("task", "losses", TaskSpec)
class NoGradient(Classes):
    def losses(self, logits: Tensor, targets: Tensor) -> Tensor:
        return super().losses(logits, targets).detach()


@fault("task", "metrics", TaskSpec)
class NotANumber(Classes):
    def metrics(self, logits: Tensor, targets: Tensor) -> dict[str, float]:
        return super().metrics(logits, targets) | {"share": float("nan")}


@fault("task", "item_order", TaskSpec)
class FirstItem(Classes):
    def metrics(self, logits: Tensor, targets: Tensor) -> dict[str, float]:
        return super().metrics(logits, targets) | {"first": float(self.losses(logits, targets)[0])}


@fault("task", "best_logits", TaskSpec)
class LossIsBest(Classes):
    primary = "loss"


# Regularizers.


class Anchor(Regularizer):
    def __init__(self, spec: Any) -> None:
        self.begin: dict[str, Tensor] = {}

    def start(self, view: Any) -> None:
        self.begin = {name: one.detach().clone() for name, one in view.parameters.items()}

    def penalty(self, parameters: Mapping[str, nn.Parameter]) -> Tensor:
        return torch.stack([(one - self.begin[name]).square().sum() for name, one in parameters.items()]).sum()


good("regularizer", RegularizerSpec, Anchor)


@fault("regularizer", "penalty", RegularizerSpec)
class Reward(Anchor):
    def penalty(self, parameters: Mapping[str, nn.Parameter]) -> Tensor:
        return super().penalty(parameters) - 1


@fault("regularizer", "pulls", RegularizerSpec)
class Slack(Anchor):
    def penalty(self, parameters: Mapping[str, nn.Parameter]) -> Tensor:
        return super().penalty(parameters).detach()


@fault("regularizer", "saved", RegularizerSpec)
class Path_(Anchor):
    def finish(self, view: Any) -> dict[str, dict[str, Tensor]]:
        return {"../anchor": self.begin}


@fault("regularizer", "resumes", RegularizerSpec)
class Forgetful(Anchor):
    def __init__(self, spec: Any) -> None:
        super().__init__(spec)
        self.steps = 0

    def stepped(self, step: Any) -> None:
        self.steps += 1

    def penalty(self, parameters: Mapping[str, nn.Parameter]) -> Tensor:
        return super().penalty(parameters) * (1 + self.steps)


@fault("regularizer", "remembers", RegularizerSpec)
class Fickle(Anchor):
    drawn: ClassVar[Iterator[int]] = itertools.count()

    def remember(self, memory: Sequence[Item], labelled: Sequence[Item], seed: int) -> Sequence[Item]:
        return [labelled[next(self.drawn) % len(labelled)]]


# Optimizers.


def sgd(spec: Any, parameters: Any, **more: Any) -> torch.optim.Optimizer:
    return torch.optim.SGD(parameters, lr=more.pop("lr", spec.lr), **more)


class Everybody(torch.optim.SGD):
    found: Sequence[nn.Parameter] | None = None

    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        if self.found is None:  # looking at all objects takes a second
            self.found = [one for one in gc.get_objects() if type(one) is nn.Parameter and one.shape == (6,)]
        with torch.no_grad():
            for one in self.found:
                if one.grad is not None:
                    one -= 0.01 * one.grad


good("optimizer", OptimizerSpec, sgd)
bad("optimizer", "is_optimizer", OptimizerSpec, lambda spec, parameters: sgd(spec, parameters, lr=0.02))
bad("optimizer", "descends", OptimizerSpec, lambda spec, parameters: sgd(spec, parameters, maximize=True))
bad("optimizer", "own_parameters", OptimizerSpec, lambda spec, parameters: Everybody(parameters, lr=spec.lr))


# Reporters.


class Counts(Reporter):
    def __init__(self, spec: Any, folder: Path) -> None:
        self.heard = 0

    def hear(self, event: Any) -> None:
        self.heard += 1


good("reporter", ReporterSpec, Counts)


@fault("reporter", "every_event", ReporterSpec)
class Startled(Counts):
    def hear(self, event: Any) -> None:
        if type(event).__name__ == "Unheard":
            raise TypeError("what is that?")


@fault("reporter", "early_close", ReporterSpec)
class Expects(Counts):
    def close(self) -> None:
        if not self.heard:
            raise RuntimeError("nothing was heard")


@fault("reporter", "clean_output", ReporterSpec)
class Prints(Counts):
    def hear(self, event: Any) -> None:
        print(event)


# Graphs.


class Near(GraphBuilder):
    def __init__(self, spec: Any) -> None:
        self.spec = spec

    def connect(self, nodes: Tensor, layout: Any = None) -> Any:
        return similarity_graph(nodes, 0.0, max_degree=3)

    def connect_queries(self, queries: Tensor, nodes: Tensor, query_layout: Any = None, layout: Any = None) -> Any:
        return similarity_graph(queries, 0.0, y=nodes, max_degree=3)


good("graph", GraphSpec, Near)


@fault("graph", "square", GraphSpec)
class Narcissus(Near):
    def connect(self, nodes: Tensor, layout: Any = None) -> Any:
        return similarity_graph(nodes, 0.0, max_degree=3, self_loops=True)


@fault("graph", "queries", GraphSpec)
class NanWeights(Near):
    def connect_queries(self, queries: Tensor, nodes: Tensor, query_layout: Any = None, layout: Any = None) -> Any:
        graph = super().connect_queries(queries, nodes)
        return replace(graph, weight=torch.full_like(graph.weight, float("nan")))


@fault("graph", "query_alone", GraphSpec)
class SharedWeights(Near):
    def connect_queries(self, queries: Tensor, nodes: Tensor, query_layout: Any = None, layout: Any = None) -> Any:
        graph = super().connect_queries(queries, nodes)
        return replace(graph, weight=graph.weight / len(queries))


@fault("graph", "settled", GraphSpec)
class NeverSettles(Near):
    def settle(self, nodes: Tensor, layout: Any = None) -> Any:
        return self.spec


class SeveralSpec(GraphSpec):
    """Several nodes an item."""

    several_nodes: ClassVar[bool] = True


@fault("graph", "items_apart", SeveralSpec, {"nodes": "tokens"})
class Across(Near):
    def connect_items(self, nodes: Tensor, layout: Any) -> Any:
        return self.connect(nodes)


# Datasets.


def picture(number: int, digest: str | None = None) -> Media:
    made = Image.fromarray(np.full((4, 4), 20 * number, np.uint8))
    return Media(digest or hashlib.sha256(made.tobytes()).hexdigest(), f"picture {number}", lambda: made)


class Greys(Dataset):
    names: tuple[str, ...] = ("even", "odd")

    def __init__(self, spec: Any) -> None:
        pass

    def item(self, number: int) -> Item:
        return Item(f"grey {number}", {"image": picture(number)}, number % 2)

    def load(self) -> DatasetContent:
        items = tuple(self.item(number) for number in range(6))
        return DatasetContent({"train": items[:4], "test": items[4:]}, self.names, self.split_id())

    def split_id(self) -> str:
        return "greys"


good("dataset", DatasetSpec, Greys)


@fault("dataset", "splits", DatasetSpec)
class OneName(Greys):
    names = ("even", "even")


@fault("dataset", "unique_ids", DatasetSpec)
class OneId(Greys):
    def item(self, number: int) -> Item:
        return replace(super().item(number), id=f"grey {number % 4}")


@fault("dataset", "stable", DatasetSpec)
class OtherEachTime(Greys):
    def split_id(self) -> str:
        return os.urandom(8).hex()


@fault("dataset", "targets", DatasetSpec)
class OutOfRange(Greys):
    def item(self, number: int) -> Item:
        return replace(super().item(number), target=number)


@fault("dataset", "media", DatasetSpec)
class Flickers(Greys):
    def item(self, number: int) -> Item:
        made = iter(range(256))
        digest = hashlib.sha256(str(number).encode()).hexdigest()
        media = Media(digest, "flickers", lambda: Image.fromarray(np.full((4, 4), next(made), np.uint8)))
        return replace(super().item(number), modalities={"image": media})


@fault("dataset", "digests", DatasetSpec)
class OneDigest(Greys):
    def item(self, number: int) -> Item:
        return replace(super().item(number), modalities={"image": picture(number, "0" * 64)})


# Captioners.


class Brightness(Captioner):
    def __init__(self, spec: Any, device: Any) -> None:
        pass

    def describe(self, images: Sequence[Any]) -> list[str]:
        return [f"brightness {np.asarray(image.convert('L')).mean():.1f}" for image in images]


good("captioner", CaptionerSpec, Brightness)


@fault("captioner", "descriptions", CaptionerSpec)
class MakesUp(Brightness):
    def describe(self, images: Sequence[Any]) -> list[str]:
        return super().describe(images) or ["nothing to see"]


@fault("captioner", "pixels_alone", CaptionerSpec)
class Peeks(Brightness):
    def describe(self, images: Sequence[Any]) -> list[str]:
        labels = [image.info.get("label", "") for image in images]
        return [text + label for text, label in zip(super().describe(images), labels, strict=True)]


@fault("captioner", "order", CaptionerSpec)
class Numbers(Brightness):
    def describe(self, images: Sequence[Any]) -> list[str]:
        return [f"{number}: {text}" for number, text in enumerate(super().describe(images))]


class WrittenSpec(CaptionerSpec):
    """Looks up."""

    written: ClassVar[bool] = True


class Nothing(WrittenCaptions):
    def __init__(self, spec: Any) -> None:
        pass

    def look_up(self, keys: Sequence[Any]) -> list[str | None]:
        return [None] * len(keys)


good("written_captions", WrittenSpec, Nothing)


@fault("written_captions", "answers", WrittenSpec)
class OneMore(Nothing):
    def look_up(self, keys: Sequence[Any]) -> list[str | None]:
        return [*super().look_up(keys), None]


@fault("written_captions", "unknown_keys", WrittenSpec)
class AlwaysACat(Nothing):
    def look_up(self, keys: Sequence[Any]) -> list[str | None]:
        return ["a cat" for _ in keys]


# Encoders.


class PixelsSpec(EncoderSpec):
    """Pixels of pictures."""

    def modalities(self) -> frozenset[str]:
        return frozenset({"image"})

    def width(self, modality: str) -> int:
        return 16

    def token_width(self, modality: str) -> int:
        return 4


class Pixels(Encoder):
    def __init__(self, spec: Any, device: Any) -> None:
        pass

    def facts(self) -> EncoderFacts:
        return EncoderFacts(hashlib.sha256(b"pixels").hexdigest(), 16, None)

    def rows(self, batch: Sequence[Any]) -> Tensor:
        grey = [np.asarray(one.convert("L").resize((4, 4)), np.float32).ravel() for one in batch]
        return torch.from_numpy(np.stack(grey)) + 1

    def encode(self, modality: str, batch: Sequence[Any]) -> Tensor:
        if modality != "image":
            raise EncoderError("pictures only")
        return normalize(self.rows(batch), dim=-1)

    def encode_tokens(self, modality: str, batch: Sequence[Any]) -> list[Tensor]:
        return list(self.encode(modality, batch).reshape(-1, 4, 4))


good("encoder", PixelsSpec, Pixels)


class FixedSpec(PixelsSpec):
    """Without weights."""

    def frozen_parameters(self) -> int:
        return 0


class Fixed(Pixels):
    def facts(self) -> EncoderFacts:
        return EncoderFacts(hashlib.sha256(b"").hexdigest(), 0, None)


#: A fixed function is an encoder, too.
WITHOUT_WEIGHTS = declared("encoder", "without_weights", FixedSpec, Fixed)


@fault("encoder", "vectors", PixelsSpec)
class TooLong(Pixels):
    def encode(self, modality: str, batch: Sequence[Any]) -> Tensor:
        return 2 * super().encode(modality, batch)


@fault("encoder", "facts", PixelsSpec)
class NoHash(Pixels):
    def facts(self) -> EncoderFacts:
        return EncoderFacts("pixels", 16, None)


@fault("encoder", "one_item", PixelsSpec)
class BatchNorm(Pixels):
    def rows(self, batch: Sequence[Any]) -> Tensor:
        rows = super().rows(batch)
        return rows - 0.5 * rows.mean(dim=0)

    def encode_tokens(self, modality: str, batch: Sequence[Any]) -> list[Tensor]:
        return [token for one in batch for token in super(BatchNorm, self).encode_tokens(modality, [one])]


@fault("encoder", "preprocessed", PixelsSpec)
class Shrinks(Pixels):
    def preprocess(self, modality: str, content: Any) -> Any:
        return content.convert("L").resize((2, 2))


@fault("encoder", "tokens", PixelsSpec)
class DoubleTokens(Pixels):
    def encode_tokens(self, modality: str, batch: Sequence[Any]) -> list[Tensor]:
        return [one.double() for one in super().encode_tokens(modality, batch)]


@fault("encoder", "other_modality", PixelsSpec)
class Anything(Pixels):
    def encode(self, modality: str, batch: Sequence[Any]) -> Tensor:
        return super().encode("image", batch if modality == "image" else [Image.new("L", (4, 4))] * len(batch))
