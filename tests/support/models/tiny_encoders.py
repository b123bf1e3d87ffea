"""Real encoder architectures of transformers, as small as they can be, with random weights and real tokenizers."""

from __future__ import annotations

import json
import string
from collections.abc import Callable
from pathlib import Path
from typing import Any

SIZES = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2}
PATCHES = {"image_size": 16, "patch_size": 8}
WORDS = [
    "a",
    "photo",
    "of",
    "the",
    "digit",
    "cat",
    "dog",
    "eel",
    "small",
    "dark",
    "bright",
    "red",
    "blue",
    "three",
    "seven",
    "picture",
    "in",
    "on",
    "under",
    "grass",
]


def _clip_tokenizer() -> Any:
    from transformers import CLIPTokenizer

    letters = [*string.ascii_lowercase, *string.digits, *".,!?'-"]
    tokens = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    return CLIPTokenizer(vocab={token: index for index, token in enumerate(tokens)}, merges=[], model_max_length=24)


def _bert_tokenizer() -> Any:
    from transformers import BertTokenizer

    letters = [*string.ascii_lowercase, *string.digits, ".", ","]
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokens = dict.fromkeys([*special, *letters, *(f"##{letter}" for letter in letters), *WORDS])
    return BertTokenizer(vocab={token: index for index, token in enumerate(tokens)}, model_max_length=24)


def _siglip_tokenizer() -> Any:
    """Padded to its window by a token of its own, as SigLIP 2's."""
    from transformers import Siglip2Tokenizer

    special = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>", "▁"]
    tokens = [*special, *string.ascii_lowercase, *string.digits, ".", ","]
    vocabulary = {token: index for index, token in enumerate(tokens)}
    return Siglip2Tokenizer(vocab=vocabulary, merges=[], model_max_length=24, padding_side="right")


def _clip() -> tuple[Any, Any, Any]:
    from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel

    tokenizer = _clip_tokenizer()
    ends = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id}
    text = {**SIZES, **ends, "vocab_size": len(tokenizer), "max_position_embeddings": 24, "pad_token_id": 0}
    config = CLIPConfig(text_config=text, vision_config={**SIZES, **PATCHES, "hidden_size": 40}, projection_dim=24)
    processor = CLIPImageProcessor(size={"shortest_edge": 16}, crop_size={"height": 16, "width": 16})
    return CLIPModel(config), tokenizer, processor


def _siglip(processor: Any, **vision: Any) -> tuple[Any, Any, Any]:
    from transformers import Siglip2Config, Siglip2Model, SiglipConfig, SiglipModel

    tokenizer = _siglip_tokenizer()
    text = {**SIZES, "vocab_size": len(tokenizer), "max_position_embeddings": 24, "projection_size": 32}
    naflex = "num_patches" in vision
    config = (Siglip2Config if naflex else SiglipConfig)(text_config=text, vision_config={**SIZES, **vision})
    return (Siglip2Model if naflex else SiglipModel)(config), tokenizer, processor


def _siglip_fixed() -> tuple[Any, Any, Any]:
    from transformers import SiglipImageProcessor

    return _siglip(SiglipImageProcessor(size={"height": 16, "width": 16}), **PATCHES)


def _siglip2() -> tuple[Any, Any, Any]:
    from transformers import Siglip2ImageProcessor

    return _siglip(Siglip2ImageProcessor(patch_size=8, max_num_patches=6), patch_size=8, num_patches=4)


def _dinov2() -> tuple[Any, Any, Any]:
    from transformers import BitImageProcessor, Dinov2WithRegistersConfig, Dinov2WithRegistersModel

    sizes = {key: value for key, value in SIZES.items() if key != "intermediate_size"}
    processor = BitImageProcessor(size={"shortest_edge": 16}, crop_size={"height": 16, "width": 16})
    return Dinov2WithRegistersModel(Dinov2WithRegistersConfig(**sizes, **PATCHES)), None, processor


def _vit() -> tuple[Any, Any, Any]:
    """As classifiers are saved: with a head, and without a pooler."""
    from transformers import ViTConfig, ViTForImageClassification, ViTImageProcessor

    return (
        ViTForImageClassification(ViTConfig(**SIZES, **PATCHES)),
        None,
        ViTImageProcessor(size=dict.fromkeys(("height", "width"), 16)),
    )


def _convnext() -> tuple[Any, Any, Any]:
    from transformers import ConvNextConfig, ConvNextImageProcessor, ConvNextModel

    config = ConvNextConfig(hidden_sizes=[8, 16], depths=[1, 1], num_stages=2)
    return ConvNextModel(config), None, ConvNextImageProcessor(size={"shortest_edge": 16}, crop_pct=1.0)


def _resnet() -> tuple[Any, Any, Any]:
    from transformers import ConvNextImageProcessor, ResNetConfig, ResNetModel

    config = ResNetConfig(embedding_size=8, hidden_sizes=[8, 16, 24], depths=[1, 2, 1], layer_type="basic")
    return ResNetModel(config), None, ConvNextImageProcessor(size={"shortest_edge": 32}, crop_pct=1.0)


def _swin() -> tuple[Any, Any, Any]:
    from transformers import SwinConfig, SwinModel, ViTImageProcessor

    config = SwinConfig(image_size=16, patch_size=2, embed_dim=8, depths=[1, 2], num_heads=[1, 2], window_size=4)
    return SwinModel(config), None, ViTImageProcessor(size=dict.fromkeys(("height", "width"), 16))


def _clip_vision() -> tuple[Any, Any, Any]:
    from transformers import CLIPImageProcessor, CLIPVisionConfig, CLIPVisionModel

    processor = CLIPImageProcessor(size={"shortest_edge": 16}, crop_size={"height": 16, "width": 16})
    return CLIPVisionModel(CLIPVisionConfig(**SIZES, **PATCHES)), None, processor


def _bert() -> tuple[Any, Any, Any]:
    from transformers import BertConfig, BertModel

    tokenizer = _bert_tokenizer()
    return BertModel(BertConfig(**SIZES, vocab_size=len(tokenizer), max_position_embeddings=24)), tokenizer, None


def _vilt() -> tuple[Any, Any, Any]:
    from transformers import ViltConfig, ViltImageProcessor, ViltModel

    tokenizer = _bert_tokenizer()
    config = ViltConfig(**SIZES, image_size=32, patch_size=8, vocab_size=len(tokenizer), max_position_embeddings=24)
    processor = ViltImageProcessor(size={"shortest_edge": 32}, size_divisor=8)
    return ViltModel(config), tokenizer, processor


def _videomae() -> tuple[Any, Any, Any]:
    from transformers import VideoMAEConfig, VideoMAEImageProcessor, VideoMAEModel

    processor = VideoMAEImageProcessor(size={"shortest_edge": 16}, crop_size={"height": 16, "width": 16})
    return VideoMAEModel(VideoMAEConfig(**SIZES, **PATCHES, num_frames=4, tubelet_size=2)), None, processor


def _vivit() -> tuple[Any, Any, Any]:
    from transformers import VivitConfig, VivitImageProcessor, VivitModel

    processor = VivitImageProcessor(size={"shortest_edge": 20}, crop_size={"height": 16, "width": 16})
    config = VivitConfig(**SIZES, image_size=16, num_frames=4, tubelet_size=[2, 8, 8])
    return VivitModel(config), None, processor


def _timesformer() -> tuple[Any, Any, Any]:
    from transformers import TimesformerConfig, TimesformerModel, VideoMAEImageProcessor

    processor = VideoMAEImageProcessor(size={"shortest_edge": 16}, crop_size={"height": 16, "width": 16})
    return TimesformerModel(TimesformerConfig(**SIZES, **PATCHES, num_frames=4)), None, processor


def _ast() -> tuple[Any, Any, Any]:
    from transformers import ASTConfig, ASTFeatureExtractor, ASTModel

    config = ASTConfig(**SIZES, num_mel_bins=32, max_length=64, patch_size=8, time_stride=8, frequency_stride=8)
    return ASTModel(config), None, ASTFeatureExtractor(num_mel_bins=32, max_length=64)


def _clap(**more: Any) -> tuple[Any, Any, Any]:
    """Of half a second, its audio tower a Swin of which one stage is longer than there are stages."""
    from transformers import ClapConfig, ClapFeatureExtractor, ClapModel, RobertaTokenizer

    letters = [*string.ascii_lowercase, *string.digits, "."]
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    tokens = [*special, *letters, *(f"Ġ{letter}" for letter in letters)]
    tokenizer = RobertaTokenizer(vocab={one: row for row, one in enumerate(tokens)}, merges=[], model_max_length=24)
    text = {**SIZES, "vocab_size": len(tokens), "max_position_embeddings": 26, "pad_token_id": 1}
    audio = {
        "spec_size": 64,
        "num_mel_bins": 16,
        "patch_size": 4,
        "patch_stride": [4, 4],
        "window_size": 4,
        "depths": [1, 3],
        "num_attention_heads": [2, 2],
        "patch_embeds_hidden_size": 16,
        "hidden_size": 32,
        "projection_dim": 24,
        "num_hidden_layers": 2,
        **more,
    }
    extractor = ClapFeatureExtractor(
        feature_size=audio["num_mel_bins"],
        sampling_rate=16000,
        hop_length=320,
        max_length_s=1,
        fft_window_size=512,
        frequency_max=8000,
        truncation="fusion" if more.get("enable_fusion") else "rand_trunc",
    )
    config = ClapConfig(text_config={**text, "projection_dim": 24}, audio_config=audio, projection_dim=24)
    return ClapModel(config), tokenizer, extractor


def _wav2vec2(norm: str = "layer") -> tuple[Any, Any, Any]:
    from transformers import Wav2Vec2Config, Wav2Vec2FeatureExtractor, Wav2Vec2Model

    convolutions = {"conv_dim": [16, 16], "conv_stride": [5, 2], "conv_kernel": [10, 3], "num_feat_extract_layers": 2}
    positions = {"num_conv_pos_embeddings": 16, "num_conv_pos_embedding_groups": 2, "vocab_size": 32}
    positions |= {"feat_extract_norm": norm}
    config = Wav2Vec2Config(**{**SIZES, "num_hidden_layers": 3}, **convolutions, **positions)
    return Wav2Vec2Model(config), None, Wav2Vec2FeatureExtractor()


def _whisper(family: str = "Model") -> tuple[Any, Any, Any]:
    """Encoder and decoder, as the hub's are; a window of two seconds."""
    import transformers

    sizes = {"d_model": 32, "num_mel_bins": 16, "encoder_layers": 3, "decoder_layers": 1, "encoder_attention_heads": 4}
    inner = {"encoder_ffn_dim": 64, "decoder_ffn_dim": 64, "decoder_attention_heads": 4, "max_target_positions": 8}
    ids = {"vocab_size": 20, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": 1}
    config = transformers.WhisperConfig(**sizes, **inner, **ids, max_source_positions=100)
    extractor = transformers.WhisperFeatureExtractor(feature_size=16, chunk_length=2)
    return getattr(transformers, f"Whisper{family}")(config), None, extractor


FAMILIES: dict[str, Callable[[], tuple[Any, Any, Any]]] = {
    "clip": _clip,
    "siglip": _siglip_fixed,
    "siglip2": _siglip2,
    "dinov2": _dinov2,
    "vit": _vit,
    "convnext": _convnext,
    "resnet": _resnet,
    "swin": _swin,
    "clip_vision": _clip_vision,
    "bert": _bert,
}
#: A single-stream model, and models of sounds and of clips.
MORE: dict[str, Callable[[], tuple[Any, Any, Any]]] = {
    "vilt": _vilt,
    "videomae": _videomae,
    "vivit": _vivit,
    "timesformer": _timesformer,
    "ast": _ast,
    "clap": _clap,
    "clap_fusion": lambda: _clap(enable_fusion=True, num_mel_bins=64),
    "wav2vec2": _wav2vec2,
    "whisper": _whisper,
    "whisper_classifier": lambda: _whisper("ForAudioClassification"),
    "whisper_speech": lambda: _whisper("ForConditionalGeneration"),
    "wav2vec2_group": lambda: _wav2vec2("group"),
}


def save_tiny_encoder(family: str, folder: Path, seed: int = 0, shard: str = "5GB") -> Path:
    """A model of the family with seeded random weights, its tokenizer and image processor, as the hub's folders are."""
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model, tokenizer, processor = (FAMILIES | MORE)[family]()
        with torch.no_grad():  # biases and norms as a trained model has them: no two alike, none without effect
            for parameter in model.parameters():
                parameter.add_(torch.randn_like(parameter) * 0.1)
    model.save_pretrained(folder, max_shard_size=shard)
    for part in (tokenizer, processor):
        if part is not None:
            part.save_pretrained(folder)
    return folder


def declare_sentence_modules(folder: Path, mode: str, width: int, dense: int | None = None, tokens: int = 24) -> Path:
    """Make a text model's folder one of sentence-transformers: with its pooling, and a dense layer behind it."""
    kinds = [("Transformer", ""), ("Pooling", "1_Pooling"), *([("Dense", "2_Dense")] if dense else [])]
    rows = [
        {"idx": index, "name": str(index), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for index, (kind, path) in enumerate(kinds)
    ]
    (folder / "modules.json").write_text(json.dumps(rows))
    (folder / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": tokens, "do_lower_case": False}))
    (folder / "1_Pooling").mkdir()
    pooling = {"word_embedding_dimension": width, f"pooling_mode_{mode}": True}
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(pooling))
    if dense:
        _save_dense(folder / "2_Dense", width, dense)
    return folder


def _save_dense(folder: Path, width: int, out: int) -> None:
    import torch
    from safetensors.torch import save_file

    folder.mkdir()
    activation = "torch.nn.modules.activation.Tanh"
    said = {"in_features": width, "out_features": out, "bias": True, "activation_function": activation}
    (folder / "config.json").write_text(json.dumps(said))
    generator = torch.Generator().manual_seed(1)
    tensors = {"linear.weight": torch.randn(out, width, generator=generator), "linear.bias": torch.randn(out)}
    save_file(tensors, folder / "model.safetensors")
