"""The linear probe of the CLIP paper: logistic regression, solved rather than trained."""

from __future__ import annotations

import warnings
from typing import ClassVar

import torch
from torch import Tensor, nn

from ...core.data.items import DataError
from ...core.roles import ClassPrompts, Head
from ...registry.errors import imported
from .specs import LogisticRegressionSpec

#: Logit of a class that had no labelled item: never predicted, and still a number that results can hold.
NEVER = -1e4
WHAT = "head `logistic_regression`"


class LogisticRegression(Head):
    """logits = s z W' + b with W, b = argmin |W|²/2 + C sum_i CE(s z_i W' + b, y_i) (Radford et al. 2021).

    Solved by scikit-learn's L-BFGS in float64 on the labelled items as the adapter gives them at the start; an adapter
    that trains afterwards trains under these fixed weights. Of two classes scikit-learn solves the binary form, and
    its one row w is shared out as -w/2 and w/2. A class without labelled items is never predicted. With ``train`` the
    solution is where the training of W and b starts.
    """

    class_rows: ClassVar[tuple[str, ...]] = ("weight", "bias")

    def __init__(self, spec: LogisticRegressionSpec, width: int, classes: int, prompts: ClassPrompts | None) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(classes, width), requires_grad=spec.train)
        self.bias = nn.Parameter(torch.zeros(classes), requires_grad=spec.train)
        self._spec, self._scale = spec, spec.scale or width**0.5

    @torch.no_grad()
    def fit(self, x: Tensor, targets: Tensor) -> None:
        """Solve. Raises ``DataError`` where all items are of one class; warns where L-BFGS did not converge."""
        weight, bias, present = solution(self._scale * x, targets, self._spec.C, self._spec.max_iter)
        self.bias.fill_(NEVER)
        self.weight.zero_()
        self.weight[present] = weight.to(self.weight)
        self.bias[present] = bias.to(self.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Logits [N, C]."""
        return nn.functional.linear(self._scale * x, self.weight, self.bias)


def solution(x: Tensor, targets: Tensor, C: float, max_iter: int) -> tuple[Tensor, Tensor, Tensor]:
    """W [P, d] and b [P] in float64, and the P classes that have items, int64. See ``LogisticRegression``."""
    present = torch.tensor(sorted(set(targets.tolist())), device=targets.device)
    if len(present) < 2:
        raise DataError("logistic regression needs labelled items of at least two classes; raise dataset.shots")
    # Imported here: predicting solves nothing, and need not wait for it.
    solver = imported("sklearn.linear_model", WHAT).LogisticRegression(C=C, max_iter=max_iter)
    not_converged = imported("sklearn.exceptions", WHAT).ConvergenceWarning
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", not_converged)
        solver.fit(x.double().cpu().numpy(), targets.cpu().numpy())
    if any(issubclass(one.category, not_converged) for one in caught):
        warnings.warn(
            f"logistic regression did not converge in {max_iter} iterations; "
            "raise max_iter of the head, or lower its C",
            stacklevel=3,
        )
    weight, bias = torch.from_numpy(solver.coef_), torch.from_numpy(solver.intercept_)
    if len(present) == 2:  # scikit-learn gives one row, the log-odds of the second class
        weight, bias = torch.cat([-weight, weight]) / 2, torch.cat([-bias, bias]) / 2
    return weight, bias, present
