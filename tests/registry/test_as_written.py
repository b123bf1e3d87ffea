"""What a spec says is what its component is built with, or it is refused: in words for its author."""

from __future__ import annotations

import collections
import dataclasses
import datetime
import itertools
import json
import random
import re
import time
from collections.abc import Callable, Iterable
from decimal import Decimal
from enum import Enum, IntEnum
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, NamedTuple, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

import pydantic
import pytest
from pydantic import (
    AfterValidator,
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    DirectoryPath,
    Field,
    ImportString,
    Json,
    PlainSerializer,
    PrivateAttr,
    Secret,
    SecretBytes,
    SecretStr,
    TypeAdapter,
    ValidationError,
    computed_field,
    create_model,
    field_serializer,
    model_serializer,
    model_validator,
)
from typing_extensions import TypedDict

from graftwork import Pipeline
from graftwork.core.roles import AdapterSpec
from graftwork.registry.catalogue import Catalogue, Plugin
from graftwork.registry.component import Component
from graftwork.registry.discovery import default_catalogue, load_plugins
from graftwork.registry.errors import SpecError
from graftwork.registry.slot import Slot
from graftwork.registry.spec import Items, Spec

from ..support.plugin_folder import HEAD, plugin_folder

T = TypeVar("T")


class Mode(Enum):
    FAST = "fast"
    SLOW = "slow"


class Level(IntEnum):
    LOW = 1


class Pair(NamedTuple):
    a: int
    b: float


class Options(TypedDict):
    depth: int


@dataclasses.dataclass
class Plain:
    depth: int = 0


class Part(Spec):
    depth: int = 1
    weight: float = Field(1.0, alias="lambda")


class Other(Spec):
    kind: Literal["other"] = "other"
    depth: int = 1


class One(Spec):
    kind: Literal["one"] = "one"
    depth: int = 1


class Box(Spec, Generic[T]):
    held: T


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")
    depth: int = 1


class Same(Strict):
    pass


class Loose(BaseModel):
    depth: int = 1


class Named(BaseModel):
    model_config = ConfigDict(extra="forbid")
    depth: int = Field(1, alias="d")


@pydantic.dataclasses.dataclass
class LooseToo:
    depth: int = 1


def spec_class(base: type[AdapterSpec] = AdapterSpec, **fields: Any) -> type[AdapterSpec]:
    """A spec of type `own`; each field an annotation, or that and its default."""
    given = {name: one if isinstance(one, tuple) else (one, ...) for name, one in fields.items()}
    return create_model("OwnSpec", __base__=base, type=(Literal["own"], "own"), **given)


def configured(**config: Any) -> type[AdapterSpec]:
    class Base(AdapterSpec):
        model_config = ConfigDict(**config)

    return Base


def catalogue(spec: type[Spec]) -> Catalogue:
    own = Component("adapter", "own", spec, "own:Own", "made for a test")
    return Catalogue([Plugin("own", "acme-own", "1.2", components=(own,))])


def read(spec: type[Spec], value: Any) -> Any:
    """As a pipeline reads the object of a component."""
    slot = TypeAdapter(Annotated[AdapterSpec, Slot("adapter")])
    given = {"type": "own", **value} if isinstance(value, dict) else value
    return slot.validate_python(given, context={"catalogue": catalogue(spec)})


KEPT = {
    "Enum": (Mode, "fast", Mode.FAST),
    "IntEnum": (Level, 1, Level.LOW),
    "list of Enum": (Items[Mode], ["slow", "fast"], (Mode.SLOW, Mode.FAST)),
    "key that is an Enum": (dict[Mode, float], {"fast": 1.0}, {Mode.FAST: 1.0}),
    "timedelta": (datetime.timedelta, "P1DT0.000001S", datetime.timedelta(days=1, microseconds=1)),
    "datetime": (datetime.datetime, "2026-02-03T04:05:06.000007", datetime.datetime(2026, 2, 3, 4, 5, 6, 7)),
    "date": (datetime.date, "2026-02-03", datetime.date(2026, 2, 3)),
    "UUID": (UUID, "00000000-0000-0000-0000-000000000001", UUID(int=1)),
    "bytes": (bytes, "äb", "äb".encode()),
    "tuple of two types": (tuple[int, float], [3, 4.5], (3, 4.5)),
    "tuple without end": (tuple[str, ...], ["a", "b"], ("a", "b")),
    "named tuple": (Pair, [1, 2.5], Pair(1, 2.5)),
    "list": (list[int], [1, 2], [1, 2]),
    "TypedDict": (Options, {"depth": 3}, {"depth": 3}),
    "dataclass": (Plain, {"depth": 3}, Plain(3)),
    "nested spec with an alias": (Part, {"lambda": 2.5}, Part(**{"lambda": 2.5})),
    "nested strict model": (Strict, {"depth": 3}, Strict(depth=3)),
    "generic": (Box[int], {"held": 3}, Box[int](held=3)),
    "union of models": (One | Other, {"kind": "other", "depth": 3}, Other(depth=3)),
    "discriminated": (Annotated[One | Other, Field(discriminator="kind")], {"kind": "other"}, Other()),
    "int or float, int": (int | float, 1, 1),
    "int or float, float": (int | float, 1.0, 1.0),
    "bounded": (Annotated[float, Field(ge=0, multiple_of=0.5)], 2.5, 2.5),
    "float written as int": (float, 3, 3.0),
    "least float": (float, 5e-324, 5e-324),
    "great float": (float, 1.7976931348623157e308, 1.7976931348623157e308),
    "great int": (int, 10**40, 10**40),
    "JSON": (Any, [1, {"a": None}], [1, {"a": None}]),
    "text": (str, 'a "\\\n\u2028\x7f', 'a "\\\n\u2028\x7f'),
    "validator that settles": (Annotated[str, AfterValidator(str.lower)], "ABC", "abc"),
    "serializer of what is read": (
        Annotated[complex, BeforeValidator(complex), PlainSerializer(str)],
        "(1+2j)",
        1 + 2j,
    ),
}


@pytest.mark.parametrize("case", KEPT)
def test_a_value_is_the_one_that_was_written(case: str) -> None:
    """As an object, with the default, from Python; from its JSON again the same."""
    annotation, written, value = KEPT[case]
    found = read(spec_class(f=annotation), {"f": written})
    assert (type(found.f), found.f) == (type(value), value)
    own = type(found)
    assert read(own, json.loads(json.dumps(found.model_dump(mode="json")))) == found
    assert read(own, own.model_validate({"f": value})) == found
    default = spec_class(f=(annotation, value))
    assert (read(default, {}).f, read(default, default()).f) == (value, value)


def test_a_minus_before_zero_is_kept() -> None:
    assert str(read(spec_class(f=float), {"f": -0.0}).f) == "-0.0"


def test_an_alias_is_the_key(tmp_path: Path) -> None:
    """Written, read again, set, searched and told under that one name; `lambda` is no name in Python."""
    own = spec_class(rate=(float, Field(0.5, alias="lambda", ge=0)))
    installed = Catalogue([*default_catalogue().plugins, *catalogue(own).plugins])
    sections = {
        "dataset": {"type": "digits"},
        "encoder": {"type": "open_clip", "model": "pocket"},
        "adapter": {"type": "own", "lambda": 0.25},
        "task": {"type": "classification", "head": {"type": "linear"}},
        "search": {"adapter.lambda": [0.75, 1.0]},
    }
    pipeline = Pipeline.from_dict(sections, {"adapter.lambda": 2.0}, installed)
    assert pipeline.spec.adapter.rate == 2.0  # type: ignore[attr-defined]
    assert pipeline.spec.to_json()["adapter"]["lambda"] == 2.0
    assert Pipeline(pipeline.spec, installed).spec == pipeline.spec
    with pytest.raises(SpecError, match=r"unknown key `lamda` \(did you mean `lambda`\?\)"):
        Pipeline.from_dict({**sections, "adapter": {"type": "own", "lamda": 0.25}}, catalogue=installed)


def _with(base: type[AdapterSpec]) -> type[AdapterSpec]:
    return spec_class(base)


class Computed(AdapterSpec):
    half: float = 1.0

    @computed_field  # type: ignore[prop-decorator]
    @property
    def whole(self) -> float:
        return 2 * self.half


REFUSED: dict[str, tuple[Callable[[], type[AdapterSpec]], str]] = {
    "exclude": (lambda: spec_class(f=(float, Field(1.0, exclude=True))), "f: `exclude` leaves it out"),
    "exclude in Annotated": (lambda: spec_class(f=Annotated[float, Field(exclude=True)]), "f: `exclude` leaves it out"),
    "SecretStr": (lambda: spec_class(f=SecretStr), "f: is written as asterisks; let a `str` name an environment"),
    "SecretBytes, perhaps": (lambda: spec_class(f=(SecretBytes | None, None)), "f: is written as asterisks"),
    "Secret of an int": (lambda: spec_class(f=Secret[int]), "f: is written as asterisks"),
    "secrets in a list": (lambda: spec_class(f=Items[SecretStr]), "f: is written as asterisks"),
    "secret in a nested spec": (
        lambda: spec_class(f=create_model("In", __base__=Spec, g=(SecretStr, ...))),
        "In.g: is",
    ),
    "secret in a generic": (lambda: spec_class(f=Box[SecretStr]), "held: is written as asterisks"),
    "validation_alias": (lambda: spec_class(f=(int, Field(1, validation_alias="g"))), "read under one key and written"),
    "AliasChoices": (lambda: spec_class(f=(int, Field(1, validation_alias=AliasChoices("f", "g")))), "under another"),
    "serialization_alias": (lambda: spec_class(f=(int, Field(1, serialization_alias="g"))), r"Field\(alias=...\)"),
    "alias_generator": (lambda: _with(configured(alias_generator=str.upper)), r"alias_generator: write Field\(alias"),
    "alias that is not written": (
        lambda: spec_class(configured(serialize_by_alias=False), f=(int, Field(1, alias="g"))),
        "an alias is read, and the field's name written",
    ),
    "alias in a nested model": (lambda: spec_class(f=Named), "Named: an alias is read"),
    "extra=ignore": (lambda: _with(configured(extra="ignore")), "drops keys that it does not know"),
    "nested model": (lambda: spec_class(f=Loose), "Loose: drops keys that it does not know; derive it from graftwork"),
    "nested models": (lambda: spec_class(f=dict[str, Items[Loose | None]]), "Loose: drops keys"),
    "pydantic's dataclass": (lambda: spec_class(f=LooseToo), "f: drops keys that it does not know"),
    "frozen=False": (lambda: _with(configured(frozen=False)), "frozen=False: what is written of it could change"),
    "infinity": (lambda: _with(configured(allow_inf_nan=True)), "allow_inf_nan: JSON has neither"),
    "infinity of a field": (lambda: spec_class(f=(float, Field(1.0, allow_inf_nan=True))), "f: allow_inf_nan"),
    "computed_field": (lambda: spec_class(Computed), "whole: a computed_field is written, and is then no known key"),
    "set": (lambda: spec_class(f=set[str]), "f: stands in another order in each process; write Items"),
    "frozenset in a list": (lambda: spec_class(f=Items[frozenset[int]]), "f: stands in another order"),
    "Decimal": (lambda: spec_class(f=Decimal), "f: is rounded where JSON has a number; write float"),
    "iterable": (lambda: spec_class(f=Iterable[int]), "f: is empty once it was read"),
    "Path": (lambda: spec_class(f=Path), "f: is another file in another folder; write LocalPath"),
    "path of a folder, perhaps": (lambda: spec_class(f=(DirectoryPath | None, None)), "f: is another file"),
    "function": (lambda: spec_class(f=(Callable[[int], int], abs)), "f: names code, which JSON does not hold"),
    "import": (lambda: spec_class(f=ImportString), "f: names code"),
    "import of a kind": (lambda: spec_class(f=ImportString[Any]), "f: names code"),
    "class": (lambda: spec_class(f=type[int]), "f: names code"),
    "key that is an int": (lambda: spec_class(f=dict[int, str]), r"keys of JSON are strings.*write dict\[str"),
    "key that is a float, inside": (lambda: spec_class(f=Items[dict[float, str]]), "keys of JSON are strings"),
    "Literal of an Enum": (lambda: spec_class(f=(Literal[Mode.FAST], Mode.FAST)), "write the Enum, or a Literal of"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_json_does_not_keep_cannot_be_declared(case: str) -> None:
    """The class, the field, why, and what to write instead."""
    make, said = REFUSED[case]
    with pytest.raises(ValueError, match=rf"component adapter\.own: (.*\W)?{said}"):
        catalogue(make())


def test_a_plugin_with_such_fields_is_not_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of them are named at once, and the plugin brings nothing; others are as they were."""
    source = f"""{HEAD}
from pydantic import Field, SecretStr

class ASpec(Spec):
    type: Literal["a"] = "a"
    scale: float = Field(1.0, exclude=True)
    token: SecretStr = SecretStr("none")

@hookimpl
def graftwork_components():
    yield Component("adapter", "a", ASpec, "a:A", "made for a test")
"""
    (plugin,) = load_plugins([plugin_folder(tmp_path, monkeypatch).install(source)])
    assert plugin.components == ()
    assert plugin.failure == (
        "ValueError: component adapter.a: ASpec.scale: `exclude` leaves it out of the JSON that the component is built "
        "from; leave `exclude` out; ASpec.token: is written as asterisks; let a `str` name an environment variable, "
        "and read that where it is used"
    )


class Doubling(AdapterSpec):
    @model_validator(mode="before")
    @classmethod
    def _doubled(cls, value: dict[str, Any]) -> dict[str, Any]:
        return {**value, "f": 2 * value.get("f", 1.0)}


class Hiding(AdapterSpec):
    _token: str = PrivateAttr("")

    @model_validator(mode="wrap")
    @classmethod
    def _taken(cls, value: Any, handler: Any) -> Any:
        value = dict(value)
        token = value.pop("token", "")
        made = handler(value)
        made._token = token
        return made


class Silent(AdapterSpec):
    f: float = 1.0

    @model_serializer
    def _written(self) -> dict[str, Any]:
        return {"type": self.type}


class Rounding(AdapterSpec):
    f: float = 1.0

    @field_serializer("f")
    def _written(self, value: float) -> float:
        return round(value, 1)


@dataclasses.dataclass(frozen=True)
class Unlike:
    a: str
    b: Annotated[str, PlainSerializer(lambda v: "")] = dataclasses.field(default="", compare=False)


_COUNT = itertools.count()
CHANGED: dict[str, tuple[Callable[[], type[AdapterSpec]], dict[str, Any], str]] = {
    "validator before": (
        lambda: spec_class(f=Annotated[float, BeforeValidator(lambda v: 2 * v)]),
        {"f": 4.0},
        "`f` is 8.0, and 16.0 once",
    ),
    "validator after": (
        lambda: spec_class(f=Annotated[str, AfterValidator(lambda v: v + "!")]),
        {"f": "a"},
        "`f` is 'a!', and 'a!!' once",
    ),
    "validator in a list": (
        lambda: spec_class(f=Items[Annotated[int, AfterValidator(lambda v: v + 1)]]),
        {"f": [1, 2]},
        r"`f\.0` is 2, and 3 once",
    ),
    "validator of the model": (lambda: spec_class(Doubling, f=float), {"f": 4.0}, "`f` is 8.0, and 16.0 once"),
    "serializer of a field": (lambda: spec_class(Rounding), {"f": 0.25}, "`f` is 0.25, and 0.2 once"),
    "serializer of the model": (lambda: spec_class(Silent), {"f": 4.0}, "`f` is 4.0, and 1.0 once"),
    "serializer to another type": (
        lambda: spec_class(f=Annotated[float, PlainSerializer(str)]),
        {"f": 4.0},
        "`f` is refused once it is read again",
    ),
    "JSON in a string": (lambda: spec_class(f=Json[int]), {"f": "3"}, "`f` is refused once it is read again"),
    "private attribute": (
        lambda: spec_class(Hiding),
        {"token": "a"},
        r"`private attributes\._token` is 'a', and '' once",
    ),
    "random default": (
        lambda: spec_class(f=(float, Field(default_factory=random.random))),
        {},
        r"`f` is 0\.\d+ and then 0\.\d+, read twice",
    ),
    "counting validator": (
        lambda: spec_class(f=Annotated[int, AfterValidator(lambda v: v + next(_COUNT))]),
        {"f": 1},
        r"`f` is \d and then \d, read twice",
    ),
    "default of another type": (
        lambda: spec_class(f=(Any, (1, 2))),
        {},
        r"`f` is \(1, 2\), and \[1, 2\] once it is read again",
    ),
    "flags of a pattern": (lambda: spec_class(f=(re.Pattern[str], re.compile("a", re.I))), {}, "`f` is re.compile"),
    "bytes that are no text": (lambda: spec_class(f=(bytes, b"\xff")), {}, "`it` is no JSON"),
    "value of another type than it says": (
        lambda: spec_class(f=Annotated[int, AfterValidator(lambda v: f"{v}")]),
        {"f": 1},
        "is no JSON",
    ),
    "length of a deque": (
        lambda: spec_class(f=(collections.deque[int], collections.deque([1], maxlen=2))),
        {},
        r"`f` is deque\(\[1\], maxlen=2\), and deque\(\[1\]\) once",
    ),
    "time zone of one moment": (
        lambda: spec_class(f=(datetime.datetime, datetime.datetime(2026, 1, 1, tzinfo=ZoneInfo("Europe/Berlin")))),
        {},
        r"`f` is datetime\.datetime\(2026, 1, 1, 0, 0, tzinfo=zoneinfo",
    ),
    "field that is not compared": (
        lambda: spec_class(f=(Unlike, Unlike("a", "kept")), t=Annotated[str, Field()]),
        {"t": "b"},
        r"`f` is .*Unlike\(a='a', b='kept'\), and .*Unlike\(a='a', b=''\) once",
    ),
    "factory of a defaultdict": (
        lambda: spec_class(
            f=Annotated[Any, BeforeValidator(lambda v: collections.defaultdict([list, dict][next(_COUNT) % 2], v))]
        ),
        {"f": {"a": 1}},
        "`f` is defaultdict",
    ),
    "items that == does not tell apart": (
        lambda: spec_class(f=(list[collections.deque[int]], [collections.deque([1], maxlen=2)])),
        {},
        r"`f\.0` is deque\(\[1\], maxlen=2\)",
    ),
    "minus before zero": (
        lambda: spec_class(f=Annotated[float, PlainSerializer(abs)]),
        {"f": -0.0},
        r"`f` is -0\.0, and 0\.0 once",
    ),
    "one of two equal models": (lambda: spec_class(f=(Strict | Same, Same())), {}, "`f` is"),
}


@pytest.mark.parametrize("case", CHANGED)
def test_a_spec_that_is_another_from_its_json_is_refused(case: str) -> None:
    """At the field, with both values and whom to tell."""
    make, value, said = CHANGED[case]
    with pytest.raises(ValidationError) as caught:
        read(make(), value)
    (told,) = caught.value.errors()
    assert re.search(said, told["msg"])
    assert told["ctx"]["hint"].startswith("its class is that of acme-own 1.2: tell its author")


def test_a_spec_made_in_python_is_what_its_json_says() -> None:
    """Also one that pydantic has not validated, or that holds more than its class."""
    own = spec_class(f=(float, 1.0), part=(Part, Part()))
    richer = create_model("Richer", __base__=Part, more=(int, 3))
    for made, said in (
        (own.model_construct(f="4"), "no JSON"),
        (own().model_copy(update={"f": "4"}), "no JSON"),
        (own(part=richer()), "`part` is Richer"),
    ):
        with pytest.raises(ValidationError, match=said):
            read(own, made)
    assert read(own, own(f=2.0)) == own(f=2.0)


def test_a_component_within_components_is_read_a_few_times() -> None:
    """The outermost looks at the whole: the time grows with the depth, not by a factor a level."""
    own = spec_class(inner=(Annotated[AdapterSpec, Slot("adapter")] | None, None), f=(float, 1.0))
    value: dict[str, Any] = {"type": "own", "f": 2.0}
    for _ in range(40):
        value = {"type": "own", "inner": value}
    start = time.perf_counter()
    found = read(own, value)
    assert time.perf_counter() - start < 5
    for _ in range(40):
        found = found.inner
    assert found.f == 2.0


def test_an_inner_component_that_changes_is_found_from_outside() -> None:
    own = spec_class(
        inner=(Annotated[AdapterSpec, Slot("adapter")] | None, None),
        f=(Annotated[float, AfterValidator(lambda v: 2 * v)], 0.0),
    )
    with pytest.raises(ValidationError, match=r"`inner\.f` is 8\.0, and 16\.0"):
        read(own, {"inner": {"type": "own", "f": 4.0}})
