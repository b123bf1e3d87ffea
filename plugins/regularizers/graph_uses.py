"""Sums of squared per-item gradients in a graph, where an item's loss hears of other items' rows, too.

Behind the messages a row is heard of by its own item alone: there a product of squares does, as without a graph. Before
them the items' gradients are carried on from those rows, which are narrow, not from the logits, and an item's gradient
of a weight is made of the rows that it hears of. Which rows are whose is seen, not declared: of losses that are
weighted at random, an item's own row has a gradient that is so many times as large. Ours.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor

from .linear_uses import Use, is_sum, squares_of_uses

#: Items whose gradients are carried on at once: few, so that they stay in the processor's cache.
AT_ONCE = 32


def squares_in_graph(
    parameters: Mapping[str, Tensor], losses: Tensor, uses: Mapping[str, Sequence[Use]]
) -> dict[str, Tensor]:
    """The sum over items of the squared gradient of the item's own loss [N], of each parameter for which that is known
    by the ``uses`` that were noted when the losses were computed.
    """
    if not uses:
        return {}
    graph = _Uses(losses, uses, [parameters[name] for name in uses])
    squares, heard = dict[str, Tensor](), dict[str, Sequence[Use]]()
    for (name, every), whole in zip(uses.items(), graph.of_parameters, strict=True):
        if is_sum(whole, [(use.given, graph.of(use)) for use in every]):
            if all(id(use.out) in graph.rows for use in every):
                squares[name] = squares_of_uses([graph.of_items(use) for use in every])
            else:
                heard[name] = every
    for some in graph.carried(heard):
        for name, one in some.items():
            squares[name] = squares.get(name, 0) + one
    return {name: one.view_as(parameters[name]) for name, one in squares.items()}


class _Uses:
    """Gradients of the outs of uses, [n, out]: of all losses, and which items' rows they are."""

    def __init__(self, losses: Tensor, uses: Mapping[str, Sequence[Use]], parameters: Sequence[Tensor]) -> None:
        self.outs = list({id(use.out): use.out for every in uses.values() for use in every}.values())
        generator, self._items = torch.Generator().manual_seed(0), len(losses)
        #: Of each item another, which tells the item; and any.
        self._tags = (1 + torch.randperm(self._items, generator=generator) / self._items).to(losses)
        drawn = (1 + torch.rand(self._items, generator=generator)).to(losses)
        whole = _gradients([losses], [*self.outs, *parameters], [torch.ones_like(losses)])
        self._whole = self._by_out(whole)
        self._tagged = self._by_out(_gradients([losses], self.outs, [self._tags]))
        checked = self._by_out(_gradients([losses], self.outs, [drawn]))
        self.of_parameters = whole[len(self.outs) :]
        #: Of outs whose rows are heard of by one item each, and of one by an item: its row, int64 [N]; -1: of none.
        self.rows = {key: rows for key in self._whole if (rows := self._own_rows(key, drawn, checked[key])) is not None}

    def _by_out(self, gradients: Sequence[Tensor]) -> dict[int, Tensor]:
        return dict(zip(map(id, self.outs), gradients, strict=False))

    def _own_rows(self, key: int, drawn: Tensor, checked: Tensor) -> Tensor | None:
        whole, tagged = self._whole[key], self._tagged[key]
        size = whole.square().sum(dim=1)
        there = torch.nonzero(size)[:, 0]
        tag = ((tagged * whole).sum(dim=1) / size - 1) * self._items
        owner = self._tags.argsort()[tag.nan_to_num().round().long().clamp(0, self._items - 1)]
        expected = (weights[owner][:, None] * whole for weights in (self._tags, drawn))
        if not all(map(_is_near, (tagged, checked), expected)) or len(torch.unique(owner[there])) < len(there):
            return None
        return torch.full_like(drawn, -1, dtype=torch.int64).index_put((owner[there],), there)

    def of(self, use: Use) -> Tensor:
        """The gradient of all losses, [n, out]."""
        return self._whole[id(use.out)]

    def of_items(self, use: Use) -> tuple[Tensor, Tensor]:
        """What went in and the gradient of what came out, a row an item."""
        rows = self.rows[id(use.out)]
        there = (rows >= 0)[:, None]
        return use.given[rows.clamp_min(0)] * there, self.of(use)[rows.clamp_min(0)] * there

    def carried(self, heard: Mapping[str, Sequence[Use]]) -> Iterator[dict[str, Tensor]]:
        """Sums of squares by parameter, for some items at a time; none where nothing carries all gradients on."""
        before = {id(use.out): use.out for every in heard.values() for use in every}
        own = [out for out in self.outs if id(out) in self.rows]
        tries = (own[:count] for count in range(1, len(own) + 1) if before)
        carriers = next((outs for outs in tries if self._carry_all(outs, before)), [])
        for items in torch.split(torch.arange(self._items, device=self._tags.device), AT_ONCE) if carriers else ():
            seeds = [self._seeds(out, items) for out in carriers]
            found = _gradients(carriers, list(before.values()), seeds, several=True)
            reached = {key: _reached(one) for key, one in zip(before, found, strict=True)}
            yield {name: _squares(every, reached) for name, every in heard.items()}

    def _carry_all(self, outs: Sequence[Tensor], before: Mapping[int, Tensor]) -> bool:
        """Whether the gradients of those ``before`` come through these outs alone, and once."""
        seeds = [self._tagged[id(out)] for out in outs]
        found = _gradients(outs, list(before.values()), seeds)
        return all(_is_near(one, self._tagged[key]) for one, key in zip(found, before, strict=True))

    def _seeds(self, out: Tensor, items: Tensor) -> Tensor:
        """Of each of the items [k, n, out]: the gradient of its own row, and zeros."""
        rows, whole = self.rows[id(out)][items], self._whole[id(out)]
        there = torch.nonzero(rows >= 0)[:, 0]
        seeds = whole.new_zeros(len(items), *whole.shape)
        seeds[there, rows[there]] = whole[rows[there]]
        return seeds


def _gradients(
    of: Sequence[Tensor], at: Sequence[Tensor], along: Sequence[Tensor], *, several: bool = False
) -> tuple[Tensor, ...]:
    return torch.autograd.grad(of, at, along, retain_graph=True, is_grads_batched=several, materialize_grads=True)


def _is_near(one: Tensor, other: Tensor) -> bool:
    """But for rounding, beside the largest: a message that is weaker than that is no message."""
    return bool(((one - other).abs() <= torch.finfo(one.dtype).eps ** 0.7 * other.abs().max()).all())


def _reached(gradients: Tensor) -> tuple[Tensor, Tensor | None]:
    """Of gradients [k, n, out] of items those of the rows that they reach, [k, out, m], and which these are [k, m];
    ``None``: of all, where that is most of them.
    """
    are_reached = gradients.abs().amax(dim=2) > 0
    most = max(1, int(are_reached.sum(dim=1).max()))
    if 2 * most > gradients.shape[1]:
        return gradients.transpose(1, 2), None
    rows = are_reached.to(torch.uint8).topk(most, dim=1).indices
    return gradients.gather(1, rows[..., None].expand(-1, -1, gradients.shape[2])).transpose(1, 2), rows


def _squares(uses: Sequence[Use], reached: Mapping[int, tuple[Tensor, Tensor | None]]) -> Tensor:
    """The sum over items of squared gradients of a parameter, [out, in]."""
    of_uses = [_of_each(*reached[id(use.out)], use.given) for use in uses]
    return torch.stack(of_uses).sum(dim=0).square().sum(dim=0) if len(of_uses) > 1 else of_uses[0].square().sum(dim=0)


def _of_each(gradients: Tensor, rows: Tensor | None, given: Tensor) -> Tensor:
    """An item's gradient of a weight, [k, out, in]."""
    if rows is not None:
        return gradients @ given[rows]
    items, out, count = gradients.shape
    return (gradients.reshape(-1, count) @ given).view(items, out, -1)
