"""The specs of the heads."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from ...core.roles import HeadSpec


class CosineSpec(HeadSpec):
    """Cosine against the frozen class-prompt vectors, times a scale: the zero-shot start is kept."""

    type: Literal["cosine"] = "cosine"
    needs_prompts: ClassVar[bool] = True
    scale: Annotated[float, Field(gt=0)] | None = None
    """Factor from cosine to logit. Default: the encoder's own, or 100."""
    train_scale: bool = False
    """Whether the factor is trained (as its logarithm)."""

    def parameter_count(self, width: int, classes: int) -> int:
        """0, or 1 with ``train_scale``."""
        return int(self.train_scale)


class LinearSpec(HeadSpec):
    """A linear classifier, as in a linear probe."""

    type: Literal["linear"] = "linear"
    init: Literal["zero", "prompts"] = "zero"
    """Where the weights start: at zero, or at the class-prompt vectors (a zero-shot start that then trains)."""
    scale: Annotated[float, Field(gt=0)] | None = None
    """Factor on the incoming vectors. Default: the square root of their width, so that the entries of unit vectors have
    unit variance; with init `prompts` the encoder's own logit scale, or 100."""

    def uses_prompts(self) -> bool:
        """With init `prompts`."""
        return self.init == "prompts"

    def parameter_count(self, width: int, classes: int) -> int:
        """dC + C."""
        return width * classes + classes


class MlpSpec(HeadSpec):
    """A classifier with one hidden layer: LayerNorm, linear, GELU, dropout, linear."""

    type: Literal["mlp"] = "mlp"
    hidden: Annotated[int, Field(ge=1, le=65536)] = 256
    """Width h of the hidden layer."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of the hidden units that each training step leaves out."""

    def parameter_count(self, width: int, classes: int) -> int:
        """2d + dh + h + hC + C."""
        return 2 * width + (width + 1) * self.hidden + (self.hidden + 1) * classes


class LogisticRegressionSpec(HeadSpec):
    """scikit-learn's logistic regression, solved on the labelled items before training: CLIP's linear probe."""

    type: Literal["logistic_regression"] = "logistic_regression"
    solves: ClassVar[bool] = True
    C: Annotated[float, Field(gt=0)] = 1.0
    """Inverse strength of the L2 penalty: |W|²/2 + C times the sum of the items' losses is minimised."""
    scale: Annotated[float, Field(gt=0)] | None = None
    """Factor on the incoming vectors. Default: the square root of their width, as in head `linear`."""
    max_iter: Annotated[int, Field(ge=1)] = 1000
    """Iterations of L-BFGS at most."""
    train: bool = False
    """Whether the solved weights are trained from there, with the adapter."""

    def parameter_count(self, width: int, classes: int) -> int:
        """0: the dC + C weights are solved for; with ``train`` they are trained as well."""
        return width * classes + classes if self.train else 0


class SelfTrainingSpec(HeadSpec):
    """Logistic regression solved again on what it is sure of among the pool's unlabelled items (Scudder 1965)."""

    type: Literal["self_training"] = "self_training"
    solves: ClassVar[bool] = True
    fits_pool: ClassVar[bool] = True
    C: Annotated[float, Field(gt=0)] = 1.0
    """As of head `logistic_regression`."""
    scale: Annotated[float, Field(gt=0)] | None = None
    """As of head `logistic_regression`."""
    max_iter: Annotated[int, Field(ge=1)] = 1000
    """As of head `logistic_regression`."""
    threshold: Annotated[float, Field(gt=0, le=1)] = 0.8
    """The least probability at which an unlabelled item counts as one of its likeliest class."""
    rounds: Annotated[int, Field(ge=0, le=100)] = 5
    """How often that is asked anew; it ends earlier where the answers stay."""

    def parameter_count(self, width: int, classes: int) -> int:
        """0."""
        return 0


class LabelPropagationSpec(HeadSpec):
    """Labels spread over a graph of the pool; a new item hears its nearest nodes (Zhou et al. 2004)."""

    type: Literal["label_propagation"] = "label_propagation"
    solves: ClassVar[bool] = True
    fits_pool: ClassVar[bool] = True
    neighbours: Annotated[int, Field(ge=1)] = 16
    """Nearest nodes of the pool that a node, or a new item, hears."""
    temperature: Annotated[float, Field(gt=0)] = 0.2
    """Edge weights are exp((cosine - 1) / temperature)."""
    alpha: Annotated[float, Field(ge=0, lt=1)] = 0.9
    """What a step takes from neighbours; the rest is a node's own label."""
    steps: Annotated[int, Field(ge=1, le=1000)] = 50
    """How often labels are passed on."""

    def parameter_count(self, width: int, classes: int) -> int:
        """0."""
        return 0


class PrototypeSpec(HeadSpec):
    """Cosine against a vector a class that starts at the mean of its labelled items (Snell et al. 2017)."""

    type: Literal["prototype"] = "prototype"
    solves: ClassVar[bool] = True
    scale: Annotated[float, Field(gt=0)] = 16.0
    """Factor from cosine to logit, at the start."""
    train: bool = True
    """Whether class vectors and scale (as its logarithm) are trained from there."""

    def parameter_count(self, width: int, classes: int) -> int:
        """dC + 1; 0 where they are not trained."""
        return width * classes + 1 if self.train else 0


class TipAdapterSpec(HeadSpec):
    """Tip-Adapter (Zhang et al. 2022): zero-shot logits plus votes of a cache of the labelled items."""

    type: Literal["tip_adapter"] = "tip_adapter"
    solves: ClassVar[bool] = True
    needs_prompts: ClassVar[bool] = True
    alpha: Annotated[float, Field(ge=0)] = 1.0
    """Weight of the cache's votes beside the zero-shot logits. Search it on validation, as the paper does."""
    beta: Annotated[float, Field(ge=0)] = 5.5
    """Sharpness of the affinity exp(-beta (1 - cosine)). Search it on validation, as the paper does."""
    train_keys: bool = False
    """Whether the cache's keys are trained: Tip-Adapter-F."""
    zero_shot: bool = True
    """Whether zero-shot logits of the adapted vectors are added. Off, no class prompts are needed: for nodes in a space
    of their own (`dual`, centred ones), where the task's `blend` may add the frozen model's instead."""
    scale: Annotated[float, Field(gt=0)] | None = None
    """Factor from cosine to zero-shot logit. Default: the encoder's own, or 100."""

    def uses_prompts(self) -> bool:
        """With ``zero_shot``."""
        return self.zero_shot

    def parameter_count(self, width: int, classes: int) -> int | None:
        """0; with ``train_keys`` nd, where n, the labelled items, is known once they are drawn."""
        return None if self.train_keys else 0


class GraphAdapterSpec(HeadSpec):
    """GraphAdapter (Li et al. 2023): class vectors that hear a textual and a visual graph of the classes."""

    type: Literal["graph_adapter"] = "graph_adapter"
    solves: ClassVar[bool] = True
    needs_prompts: ClassVar[bool] = True
    alpha: Annotated[float, Field(ge=0, le=1)] = 0.7
    """What stays of the class vector itself; the rest is what the graphs say."""
    beta: Annotated[float, Field(ge=0, le=1)] = 0.7
    """Weight of the textual graph; the visual one has the rest."""
    class_bias: bool = True
    """Whether each graph convolution has a bias a class, as in the authors' code; the paper's equation has none."""
    scale: Annotated[float, Field(gt=0)] | None = None
    """Factor from cosine to logit. Default: the encoder's own, or 100."""

    def parameter_count(self, width: int, classes: int) -> int:
        """2d², and with ``class_bias`` 2dC more."""
        return 2 * width * (width + (classes if self.class_bias else 0))
