"""What ``adapter_config.json`` holds: PEFT's words, and under ``graftwork`` all that loading needs. Light: no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self, TypeVar

from pydantic import PositiveInt, TypeAdapter, ValidationError

from ...registry.catalogue import Catalogue
from ...registry.errors import one_line
from ...registry.slot import Slot
from ...registry.spec import Spec
from .made_with import Installed
from .record import Json, Record, Versioned, first_problem
from .run_folder import RunFolderError, read_json_file

S = TypeVar("S", bound=Spec)
CONFIG, TENSORS = "adapter_config.json", "adapter_model.safetensors"
FLOAT32_MAX = (2 - 2**-23) * 2.0**127


class FeatureFacts(Record):
    """Of an adapter on features: the support set that queries attach to."""

    LEFT_OUT: ClassVar[frozenset[str]] = frozenset({"weighted"})

    level: Literal["features"]
    """Where the adapter works."""
    support_ids: Sequence[str]
    """Ids of the items of the support set, in the order of its tensors."""
    node_width: PositiveInt
    """Numbers in a node's vector."""
    text_width: PositiveInt | None = None
    """Numbers in a text's vector, where it differs from an image's."""
    graph: Json | None = None
    """The graph's spec with its relative settings turned into numbers; `null` where there are none."""
    weighted: bool | None = None
    """Whether the stored graph has weights. Left out where none is stored; older Graftworks did not say it."""


class TowerFacts(Record):
    """A tower that an adapter was grafted in."""

    model: str
    """Its class."""
    blocks: int
    """How many it has."""
    width: int | Sequence[int]
    """Numbers in a token's vector; where they change, of each block."""
    streams: Sequence[str]
    """The modalities that it reads."""


class MeetingFacts(Record):
    """A place where an adapter sits, in one tower or in several at once."""

    stops: Mapping[str, str]
    """Stream to the stop in its tower."""
    widths: Mapping[str, int]
    """Stream to the numbers in a token's vector there."""


class GraftFacts(Record):
    """Of an adapter inside towers: what grafting it in again needs. All are left out where nothing is in the towers."""

    LEFT_OUT: ClassVar[frozenset[str]] = frozenset({"spec", "towers", "meetings"})

    level: Literal["layers"]
    """Where the adapter works."""
    spec: Json | None = None
    """The adapter's spec, a budget in it turned into sizes."""
    towers: Mapping[str, TowerFacts] | None = None
    """The towers by name."""
    meetings: Sequence[MeetingFacts] | None = None
    """Where in the towers it sits."""


class LayerFacts(GraftFacts):
    """Of a pipeline that runs towers."""

    modalities: Sequence[str]
    """What goes through them."""
    passes: PositiveInt
    """Passes of an item."""


class Saved(Versioned):
    """What every saved adapter says of itself."""

    NOUN: ClassVar[str] = "saved adapter"
    REMEDY: ClassVar[str] = "save it again, or run its pipeline again, with this version"
    FORMAT_KEY: ClassVar[str] = "adapter"
    WRITER_KEY: ClassVar[str] = "version"
    WITHIN: ClassVar[str] = "graftwork."

    adapter: int = 0
    """The format of this object: 1; 0 where it is not said."""
    version: str
    """The version of Graftwork that wrote it."""

    @classmethod
    def in_folder(cls, folder: Path) -> Self:
        """Of an adapter folder. Raises ``RunFolderError`` that names the key."""
        return cls.from_json(own_words(folder), str(folder / CONFIG))


class Trained(Saved):
    """What the adapter of every run says of itself."""

    plugins: Mapping[str, Installed] = {}
    """The plugins that the run used."""
    components: Mapping[str, int | str] | None = None
    """Kind and type of each component to its version; of a third party's also a digest of its source."""
    encoder_weights: Mapping[str, str]
    """Modality to the sha256 of the frozen model's weights."""
    logit_scale: float | None
    """The frozen model's own; `null` where no prompts were used."""
    class_names: Sequence[str]
    """In the order of the logits."""
    seed: int
    """Of the training that was saved."""

    def require_sound(self, folder: Path) -> None:
        """Raises ``RunFolderError`` that names the key of ``folder`` whose value no training can have had."""
        names, scale = self.class_names, self.logit_scale
        if len(set(names)) < len(names):
            twice = next(name for number, name in enumerate(names) if name in names[:number])
            raise unfit(folder, f"`graftwork.class_names` has {twice!r} twice")
        if scale is not None and not 0 < scale <= FLOAT32_MAX:
            raise unfit(folder, f"`graftwork.logit_scale` is {scale}, and should be above 0 and finite in float32")

    def require_weights(self, run: Path, here: Mapping[str, str | None]) -> None:
        """An adapter of other vectors is none of these, even where they are as wide: raises ``RunFolderError``.

        ``here``: modality to the sha256 of the frozen tower's weights, ``None`` where nobody knows it yet.
        """
        known = self.encoder_weights
        if here and not here.keys() & known.keys():
            before = ", ".join(known) or "no"
            raise RunFolderError(f"{run} was trained on {before} vectors, and this pipeline on {', '.join(here)}")
        for modality, weights in here.items():
            if weights is not None and modality in known and weights != known[modality]:
                raise RunFolderError(
                    f"{run} was trained on vectors of another frozen model: the weights of its {modality} tower are "
                    f"not those here (sha256 {known[modality][:12]} there, {weights[:12]} here); take the same "
                    "encoder, or start anew"
                )


class FeatureAdapter(FeatureFacts, Trained):
    """`graftwork` of a run on features."""


class LayerAdapter(LayerFacts, Trained):
    """`graftwork` of a run through towers."""


class GraftedAdapter(GraftFacts, Saved):
    """`graftwork` of an adapter that `save_pretrained` wrote, without a pipeline."""

    LEFT_OUT: ClassVar[frozenset[str]] = GraftFacts.LEFT_OUT | {"name"}

    name: str | None = None
    """What the adapter was called among those of its towers; older Graftworks did not say it."""


class PeftWords(Record):
    """The keys of ``adapter_config.json`` that PEFT names."""

    peft_type: Literal["GRAFTWORK"] = "GRAFTWORK"
    """Whose adapter it is."""
    base_model_name_or_path: str | None
    """The frozen model; of several towers the first one's; `null` where nobody knows."""
    revision: str | None
    """The model's, where it has one."""
    task_type: None = None
    """None of PEFT's."""
    inference_mode: Literal[True] = True
    """Nothing of it is in training."""


class AdapterConfig(PeftWords):
    """What ``adapter_config.json`` holds."""

    graftwork: FeatureAdapter | LayerAdapter | GraftedAdapter
    """What loading the adapter needs."""


def saved_in(folder: Path) -> FeatureAdapter | LayerAdapter | GraftedAdapter:
    """What the adapter in a folder says of itself. Raises ``RunFolderError`` that names the key."""
    found = own_words(folder)
    if found.get("level") == "features":
        return FeatureAdapter.in_folder(folder)
    return LayerAdapter.in_folder(folder) if "class_names" in found else GraftedAdapter.in_folder(folder)


def unfit(folder: Path, problem: str) -> RunFolderError:
    """What to raise where the adapter in ``folder`` cannot be what its config says."""
    return RunFolderError(one_line(f"{folder / CONFIG}: {problem}; {Saved.REMEDY}"))


def component_in(folder: Path, key: str, kind: str, of: type[S], value: Json, catalogue: Catalogue) -> S:
    """The spec of a component that stands under ``graftwork``. Raises ``RunFolderError`` that names the key."""
    slot: TypeAdapter[Spec] = TypeAdapter(Annotated[Spec, Slot(kind)])
    try:
        found = slot.validate_python(value, context={"catalogue": catalogue})
    except ValidationError as error:
        raise unfit(folder, first_problem(error, Saved.NOUN, f"graftwork.{key}.")) from None
    if not isinstance(found, of):
        raise unfit(folder, f"`graftwork.{key}.type`: {kind} `{value['type']}` is of another level")
    return found


def own_words(folder: Path) -> Mapping[str, Any]:
    """Raises ``RunFolderError`` where the words around them are not those of an adapter of ours."""
    whole = read_json_file(folder / CONFIG)
    if (peft_type := whole.get("peft_type")) != "GRAFTWORK":
        is_ = "is missing" if peft_type is None else f"is {peft_type!r}"
        theirs = "" if peft_type is None else "; load_peft of grafted models reads PEFT's LoRA"
        whose = f"`peft_type` {is_}, and ours is 'GRAFTWORK'{theirs}"
        raise RunFolderError(one_line(f"{folder / CONFIG} is of no Graftwork adapter: {whose}"))
    try:
        PeftWords.model_validate(whole)
    except ValidationError as error:
        raise unfit(folder, first_problem(error, Saved.NOUN, "")) from None
    found = whole.get("graftwork")
    return found if isinstance(found, Mapping) else {}
