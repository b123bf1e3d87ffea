"""The pocket AST: transformers' own ``ASTModel`` in a tiny configuration, and its feature extractor.

Audio Spectrogram Transformer: Gong et al., 2021, arXiv:2104.01778. 0.64 seconds at 16 kHz become 64 frames of 32 mel
bins, and these 8 x 4 = 32 tokens of 8 frames and 8 bins, behind the class and the distillation token.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import ASTConfig, ASTFeatureExtractor, ASTModel

RATE = 16_000
MEL_BINS, FRAMES, PATCH = 32, 64, 8
#: The class and the distillation token stand before the patches.
PREFIX = 2


def build_extractor(mean: float, std: float) -> ASTFeatureExtractor:
    """The feature extractor; what it gives has mean 0 and standard deviation 1/2 where the log-mels have these."""
    from transformers import ASTFeatureExtractor

    return ASTFeatureExtractor(
        sampling_rate=RATE, num_mel_bins=MEL_BINS, max_length=FRAMES, mean=mean, std=std, return_attention_mask=False
    )


def build_ast(width: int, depth: int, heads: int, inner: int) -> ASTModel:
    """An untrained model."""
    from transformers import ASTConfig, ASTModel

    config: ASTConfig = ASTConfig(
        hidden_size=width,
        num_hidden_layers=depth,
        num_attention_heads=heads,
        intermediate_size=inner,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        initializer_range=0.05,
        patch_size=PATCH,
        frequency_stride=PATCH,
        time_stride=PATCH,
        max_length=FRAMES,
        num_mel_bins=MEL_BINS,
    )
    return ASTModel(config)
