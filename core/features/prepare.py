"""The data set of a pipeline on features, encoded once for all trials that agree on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..spec.node_kinds import modalities_of, token_modalities, vector_modalities
from ..spec.pipeline_spec import PipelineSpec
from ..stages.context import RunContext
from ..stages.encode import EncoderStage
from ..stages.prepare import Prepared, captioner_of, described, listed, preparation_key, prompts_of, readable
from ..stages.text_facts import text_facts
from .encode_splits import Features, encode_splits


@dataclass(frozen=True)
class FeatureInputs(Prepared):
    """A data set, encoded."""

    #: The splits that the pipeline uses.
    features: Mapping[str, Features]


class Preparation:
    """Runs the stages up to the vectors, measuring each."""

    def __init__(self, context: RunContext) -> None:
        self.context = context
        self._done: dict[str, FeatureInputs] = {}

    def of(self, spec: PipelineSpec) -> FeatureInputs:
        """The data set of a spec, encoded; the same object for specs that agree on all that matters here."""
        made_of = (vector_modalities(spec.graph, spec.dataset, spec.task), token_modalities(spec.graph))
        key = preparation_key(spec, made_of)
        if key not in self._done:
            self._done[key] = self._prepare(spec, key)
        return self._done[key]

    def _prepare(self, spec: PipelineSpec, key: str) -> FeatureInputs:
        content, used, left_out = listed(spec, self.context)
        vectors_of, tokens_of = vector_modalities(spec.graph, spec.dataset, spec.task), token_modalities(spec.graph)
        encoder = EncoderStage(spec.encoder, self.context.catalogue, self.context.store, lambda: self.context.device)
        reads = "text" in modalities_of(spec.graph, spec.dataset)
        captioner = captioner_of(spec, self.context) if reads else None
        if captioner is not None:
            used = described(captioner, encoder, used, left_out, self.context)
        with self.context.stage("encode"):
            features, used = left_out.tolerate(
                lambda splits: encode_splits(encoder, splits, vectors_of, self.context.tell, tokens_of), used
            )
            prompts = prompts_of(spec, encoder, content, self.context)
        content = readable(content, left_out, spec, self.context)
        texts = (
            text_facts(used, captioner, encoder, self.context.tell)
            if "text" in modalities_of(spec.graph, spec.dataset)
            else None
        )
        return FeatureInputs(content, used, prompts, encoder, key, texts, tuple(left_out.items), features)
