"""One thing that is promised of a component. Light: what does the checking is imported when it runs."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module

from .case import Case


@dataclass(frozen=True, slots=True)
class Check:
    """A name, a line about it, and the function that checks a case."""

    #: Unique among the checks of a kind; what ``expected_failures`` and ``--format json`` call it.
    name: str
    #: ``"package.module:function"``; it takes a ``Case``, raises ``AssertionError`` where the promise is broken and
    #: ``NotApplicable`` where there is none.
    run: str
    #: What is promised, in one line.
    summary: str

    def __call__(self, case: Case) -> None:
        """Check a case. Raises whatever the function raises."""
        module, function = self.run.split(":")
        getattr(import_module(module), function)(case)
