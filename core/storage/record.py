"""JSON that Graftwork writes and reads again, as frozen models: each is the one place that knows its keys. Light: no
torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Self

from pydantic import ConfigDict, SerializerFunctionWrapHandler, ValidationError, model_serializer

from ...registry.errors import UserError, one_line
from ...registry.spec import Documented
from .run_folder import RunFolderError, read_json_file

#: What a plugin or a spec says of itself; no key of it is known here.
Json = dict[str, Any]


class Record(Documented):
    """A JSON object in a file of ours. A key that is not known here is kept, and means nothing.

    A field's default is what a file says that lacks the key: an older Graftwork wrote it.
    """

    model_config = ConfigDict(
        extra="allow", frozen=True, strict=True, allow_inf_nan=False, defer_build=True, protected_namespaces=()
    )

    #: Fields that are left out of the file while they are ``None``.
    LEFT_OUT: ClassVar[frozenset[str]] = frozenset()

    def to_json(self) -> Json:
        """As the file has it, keys in the order of the fields."""
        return self.model_dump(mode="json")

    @model_serializer(mode="wrap")
    def _without_the_absent(self, handler: SerializerFunctionWrapHandler) -> Json:
        written: Json = handler(self)
        return {key: value for key, value in written.items() if value is not None or key not in self.LEFT_OUT}


class Versioned(Record):
    """What a whole file holds, in a format that has a number."""

    #: What messages call it, and what they tell the reader to do about a broken one.
    NOUN: ClassVar[str]
    REMEDY: ClassVar[str]
    #: The key of the format's number, and of the version of Graftwork that wrote it.
    FORMAT_KEY: ClassVar[str]
    WRITER_KEY: ClassVar[str] = "graftwork"
    #: Where in the file it stands, before its keys in messages.
    WITHIN: ClassVar[str] = ""
    #: The format that is written. One that lacks the key is of format 0, before there were numbers.
    FORMAT: ClassVar[int] = 1
    ERROR: ClassVar[type[UserError]] = RunFolderError

    @classmethod
    def read(cls, path: str | Path) -> Self:
        """From a file. Raises ``RunFolderError`` that names the file and the key."""
        return cls.from_json(read_json_file(Path(path)), str(path))

    @classmethod
    def from_json(cls, value: Mapping[str, Any], name: str) -> Self:
        """Of what a file named ``name`` holds. Raises ``ERROR`` that names the file and the key."""
        cls.require_known_format(value, name)
        try:
            return cls.model_validate(value)
        except ValidationError as error:
            raise cls.ERROR(one_line(f"{name}: {first_problem(error, cls.NOUN, cls.WITHIN)}; {cls.REMEDY}")) from None

    @classmethod
    def require_known_format(cls, value: Mapping[str, Any], name: str) -> None:
        """Raises ``ERROR`` that says which Graftwork wrote a format that this one cannot read, or that it is none."""
        found, writer = value.get(cls.FORMAT_KEY, 0), value.get(cls.WRITER_KEY)
        if type(found) is not int or found < 0:  # `true` is no number either
            key = f"{cls.WITHIN}{cls.FORMAT_KEY}"
            raise cls.ERROR(
                one_line(f"{name}: `{key}` is {found!r}, and a format is a whole number from 0; {cls.REMEDY}")
            )
        if found > cls.FORMAT:
            by = f", written by Graftwork {writer}" if writer else ""
            remedy = f"install that Graftwork, or {cls.REMEDY}" if writer else cls.REMEDY
            raise cls.ERROR(
                one_line(f"{name} is a {cls.NOUN} of format {found!r}{by}; this Graftwork reads {cls.FORMAT}: {remedy}")
            )


def first_problem(error: ValidationError, noun: str, within: str) -> str:
    """Of what a file of ours holds: a ``noun``, whose keys stand ``within`` another (``graftwork.``)."""
    first = error.errors(include_url=False)[0]
    key = (within + ".".join(map(str, first["loc"]))).rstrip(".")
    return f"the {noun} lacks `{key}`" if first["type"] == "missing" else f"`{key}`: {first['msg']}"
