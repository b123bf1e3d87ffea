"""Real image-text-to-text architectures of transformers, tiny, with random weights and processors of their own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

WORDS = (
    "user",
    "assistant",
    ":",
    "describe",
    "the",
    "picture",
    ".",
    "a",
    "b",
    "c",
    "d",
    "e",
    "f",
    "g",
    "red",
    "blue",
    "dark",
    "bright",
    "square",
    "on",
    "left",
    "right",
    "many",
    "few",
)
LLAVA_TEMPLATE = (
    "{% for message in messages %}{{ message['role'] + ': ' }}{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}{{ IMAGE }}{% else %}{{ part['text'] }}{% endif %}{% endfor %} {% endfor %}"
    "{% if add_generation_prompt %}{{ 'assistant:' }}{% endif %}"
)


def _template(image: str) -> str:
    return LLAVA_TEMPLATE.replace("IMAGE", repr(image))


def tokenizer(extra: list[str], length: int = 512) -> Any:
    """Words over WORDS, with special tokens; saved and loaded as any fast tokenizer."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    special = ["<pad>", "<s>", "</s>", "<unk>", *extra]
    vocabulary = {word: index for index, word in enumerate([*special, *dict.fromkeys(WORDS)])}
    core = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    core.pre_tokenizer = pre_tokenizers.Whitespace()
    core.decoder = decoders.WordPiece(prefix="##", cleanup=False)
    core.add_special_tokens(special)
    return PreTrainedTokenizerFast(
        tokenizer_object=core,
        pad_token="<pad>",
        bos_token="<s>",
        eos_token="</s>",
        unk_token="<unk>",
        additional_special_tokens=extra,
        model_max_length=length,
        padding_side="right",
    )


def _text(vocabulary: int, **more: Any) -> dict[str, Any]:
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    tokens = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "max_position_embeddings": 512}
    return {**sizes, **tokens, "num_key_value_heads": 2, "vocab_size": vocabulary, **more}


def _vision(**more: Any) -> dict[str, Any]:
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    return {**sizes, "image_size": 16, "patch_size": 8, **more}


def _save(folder: Path, make: Callable[[], Any], processor: Any, seed: int) -> Path:
    import torch
    from transformers.utils import logging

    logging.disable_progress_bar()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = make().eval()
        for parameter in model.parameters():  # wide enough for the picture to change what is said
            if parameter.dim() > 1:
                torch.nn.init.normal_(parameter, std=0.3)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def save_llava(folder: Path, seed: int = 0) -> Path:
    """LLaVA: a CLIP tower and a Llama."""
    from transformers import (
        CLIPImageProcessor,
        CLIPVisionConfig,
        LlamaConfig,
        LlavaConfig,
        LlavaForConditionalGeneration,
        LlavaProcessor,
    )

    words = tokenizer(["<image>"])
    size = len(words)
    text = LlamaConfig(**_text(size))
    config = LlavaConfig(
        vision_config=CLIPVisionConfig(**_vision()),
        text_config=text,
        image_token_index=words.convert_tokens_to_ids("<image>"),
        image_seq_length=4,
    )
    images = CLIPImageProcessor(size={"shortest_edge": 16}, crop_size={"height": 16, "width": 16})
    processor = LlavaProcessor(
        image_processor=images,
        tokenizer=words,
        patch_size=8,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=_template("<image>"),
    )
    return _save(folder, lambda: LlavaForConditionalGeneration(config), processor, seed)


def save_idefics3(folder: Path, seed: int = 0) -> Path:
    """Idefics3 (SmolVLM's architecture): a SigLIP-like tower, pixel shuffle and a Llama."""
    from transformers import (
        Idefics3Config,
        Idefics3ForConditionalGeneration,
        Idefics3ImageProcessor,
        Idefics3Processor,
        LlamaConfig,
    )

    words = tokenizer(["<image>", "<fake_token_around_image>", "<global-img>", "<end_of_utterance>"])
    config = Idefics3Config(
        vision_config=_vision(image_size=16, patch_size=4),
        text_config=LlamaConfig(**_text(len(words))),
        scale_factor=2,
        image_token_id=words.convert_tokens_to_ids("<image>"),
        pad_token_id=0,
    )
    images = Idefics3ImageProcessor(
        size={"longest_edge": 16}, max_image_size={"longest_edge": 16}, do_image_splitting=False
    )
    processor = Idefics3Processor(
        image_processor=images,
        tokenizer=words,
        image_seq_len=4,
        chat_template=_template("<image>"),
    )
    return _save(folder, lambda: Idefics3ForConditionalGeneration(config), processor, seed)


def save_qwen2_vl(folder: Path, seed: int = 0) -> Path:
    """Qwen2-VL: pictures of any size, as many tokens as they need."""
    from transformers import (
        Qwen2VLConfig,
        Qwen2VLForConditionalGeneration,
        Qwen2VLImageProcessor,
        Qwen2VLProcessor,
        Qwen2VLVideoProcessor,
    )

    marks = ["<|image_pad|>", "<|video_pad|>", "<|vision_start|>", "<|vision_end|>"]
    words = tokenizer(marks)
    ids = words.convert_tokens_to_ids(marks)
    text = _text(len(words), rope_parameters={"rope_type": "default", "mrope_section": [2, 3, 3], "rope_theta": 1e4})
    config = Qwen2VLConfig(
        vision_config={"embed_dim": 32, "hidden_size": 32, "depth": 2, "num_heads": 2, "patch_size": 4, "mlp_ratio": 2},
        text_config=text,
        image_token_id=ids[0],
        video_token_id=ids[1],
        vision_start_token_id=ids[2],
        vision_end_token_id=ids[3],
    )
    images = Qwen2VLImageProcessor(patch_size=4, min_pixels=64, max_pixels=1024)
    processor = Qwen2VLProcessor(
        image_processor=images,
        tokenizer=words,
        video_processor=Qwen2VLVideoProcessor(patch_size=4),
        chat_template=_template("<|vision_start|><|image_pad|><|vision_end|>"),
    )
    return _save(folder, lambda: Qwen2VLForConditionalGeneration(config), processor, seed)


def save_blip2(folder: Path, seed: int = 0) -> Path:
    """BLIP-2: a Q-Former between tower and OPT, and no chat template."""
    from transformers import Blip2Config, Blip2ForConditionalGeneration, Blip2Processor, BlipImageProcessor, OPTConfig

    words = tokenizer(["<image>"])
    text = OPTConfig(
        vocab_size=len(words),
        hidden_size=32,
        ffn_dim=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        word_embed_proj_dim=32,
        max_position_embeddings=512,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
    )
    config = Blip2Config(
        vision_config=_vision(),
        qformer_config={
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "encoder_hidden_size": 32,
            "cross_attention_frequency": 1,
            "vocab_size": len(words),
        },
        text_config=text,
        num_query_tokens=4,
        image_token_index=words.convert_tokens_to_ids("<image>"),
    )
    images = BlipImageProcessor(size={"height": 16, "width": 16})
    processor = Blip2Processor(image_processor=images, tokenizer=words, num_query_tokens=4)
    return _save(folder, lambda: Blip2ForConditionalGeneration(config), processor, seed)


def save_blip(folder: Path, seed: int = 0) -> Path:
    """BLIP: a text decoder that attends to the picture, and no chat template."""
    from transformers import (
        BertTokenizerFast,
        BlipConfig,
        BlipForConditionalGeneration,
        BlipImageProcessor,
        BlipProcessor,
    )

    words = BertTokenizerFast(
        vocab={w: i for i, w in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS])}
    )
    text = {**_text(len(words)), "bos_token_id": 2, "eos_token_id": 3, "sep_token_id": 3, "encoder_hidden_size": 32}
    config = BlipConfig(vision_config=_vision(), text_config=text, projection_dim=32)
    images = BlipImageProcessor(size={"height": 16, "width": 16})
    return _save(folder, lambda: BlipForConditionalGeneration(config), BlipProcessor(images, words), seed)


FAMILIES = {"llava": save_llava, "idefics3": save_idefics3, "qwen2_vl": save_qwen2_vl, "blip2": save_blip2}
