"""What a trained pipeline says of an item. Light: no torch."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from .html_table import html_table

if TYPE_CHECKING:
    from torch import Tensor

#: Classes, and neighbours, that a notebook shows.
SHOWN = 5


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A support item that a prediction heard."""

    id: str
    #: Its class, or ``None`` for an unlabelled support item.
    label: str | None
    #: Cosine of the two node vectors; where items have several nodes, the highest of those with an edge.
    similarity: float


@dataclass(frozen=True, slots=True, repr=False)
class Prediction:
    """What the pipeline says of one item. A notebook shows it as a table."""

    label: str
    #: Softmax probability of ``label``, 0 to 1.
    probability: float
    #: Every class with its probability, most probable first.
    probabilities: dict[str, float]
    #: Nearest first; empty without a graph.
    neighbours: tuple[Neighbour, ...] = ()
    #: What the captioner says of the image; ``None`` where none was asked.
    description: str | None = None

    @classmethod
    def of(
        cls,
        probabilities: Tensor,
        class_names: tuple[str, ...],
        neighbours: tuple[Neighbour, ...] = (),
        description: str | None = None,
    ) -> Prediction:
        """From probabilities [C]; among equals the first class."""
        order = probabilities.argsort(descending=True, stable=True).tolist()
        ranked = {class_names[index]: float(probabilities[index]) for index in order}
        label = class_names[order[0]]
        return cls(label, ranked[label], ranked, neighbours, description)

    def each(self) -> tuple[Prediction, ...]:
        """This one, of a whole item."""
        return (self,)

    def to_json(self) -> dict[str, Any]:
        """As plain JSON."""
        return asdict(self)

    def __repr__(self) -> str:
        return f"Prediction({self.label!r}, {self.probability:.3f})"

    def _repr_html_(self) -> str:
        ranked = list(self.probabilities.items())[:SHOWN]
        heard = [f"{one.id} ({one.label or 'unlabelled'}, cosine {one.similarity:.3f})" for one in self.neighbours]
        notes = [] if self.description is None else [f"description: {self.description}"]
        notes += [f"hears {', '.join(heard[:SHOWN])}"] if heard else []
        return html_table(("class", "probability"), [(name, f"{share:.3f}") for name, share in ranked], notes=notes)


class Segments(list[Prediction]):
    """What the pipeline says of an item segment by segment, in their order."""

    def each(self) -> tuple[Prediction, ...]:
        """One a segment."""
        return tuple(self)


#: Of a whole item, or of its segments where the task has such (``events``).
Answer = Prediction | Segments
#: One answer an item, in order.
Predictions = list[Answer]
