"""The sentence under a field is found where the field is declared."""

from __future__ import annotations

import subprocess
import sys
from typing import Annotated, Any

from pydantic import Field

from graftwork.registry.field_docs import field_docs
from graftwork.registry.spec import Spec


class Base(Spec):
    """A class with a documented field."""

    width: int = 1
    """How wide."""
    bare: int = 1
    said: Annotated[int, Field(description="Said outright.")] = 1
    """Not this."""
    other_name: Annotated[int, Field(alias="other-name")] = 1
    """Two
    lines."""


class Derived(Base):
    """Declares one of them anew, and another with words of its own."""

    width: int = 2
    said: int = 2
    """Said here."""


def test_each_field_has_the_docstring_under_it():
    """Or what ``Field`` says; a field without either is left out."""
    assert field_docs(Base) == {"width": "How wide.", "said": "Said outright.", "other_name": "Two\nlines."}


def test_what_is_inherited_is_inherited_and_what_is_declared_anew_is_not():
    """As its default is."""
    assert field_docs(Derived) == {"said": "Said here.", "other_name": "Two\nlines."}


def test_a_class_within_a_function_or_a_class_has_its_own():
    """Found by its qualified name, beside another of the same name."""

    class Base(Spec):
        class Inner(Spec):
            depth: int = 1
            """How deep."""

        width: int = 1
        """Another width."""

    assert (field_docs(Base), field_docs(Base.Inner)) == ({"width": "Another width."}, {"depth": "How deep."})


def test_the_schema_says_them_under_the_names_of_json():
    """Where the class is used as part of another, too."""

    class Whole(Spec):
        part: Base | None = None
        """A part."""

    schema = Whole.model_json_schema()
    assert schema["properties"]["part"]["description"] == "A part."
    said: dict[str, Any] = {
        name: field.get("description") for name, field in schema["$defs"]["Base"]["properties"].items()
    }
    assert said == {"width": "How wide.", "bare": None, "said": "Said outright.", "other-name": "Two\nlines."}


def test_a_class_without_a_source_has_none():
    """Typed in at a prompt: its fields work, and say nothing."""
    script = (
        "from graftwork.registry.spec import Spec\nclass A(Spec):\n  x: int = 1\n  'Said.'\n"
        "from graftwork.registry.field_docs import field_docs\nprint(field_docs(A), A().x, 'x' in A.model_json_schema()"
        "['properties'])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "{} 1 True\n"
