"""The pocket LLaVA: transformers' own ``LlavaForConditionalGeneration`` in a tiny configuration, and its processor.

The vision tower is a LeViT (Graham et al., 2021, arXiv:2104.01136) of one stage: four strided convolutions, attention
over 4 x 4 places, and a last attention that leaves four tokens a picture. Convolutions learn from a small budget what
a plain ViT does not, and unlike a ResNet's its hidden states are the [batch, tokens, width] that LLaVA asks for.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from ..scenes.describe import PROMPTS, vocabulary
from .recipe import LlavaSize

if TYPE_CHECKING:
    from transformers import LlavaConfig, LlavaForConditionalGeneration, LlavaProcessor, PreTrainedTokenizerFast

IMAGE_SIZE = 64
#: Side, in pixels, of what one image token stands for: two strides after the convolutions' sixteen pixels.
PATCH_SIZE = 32
IMAGE_TOKENS = (IMAGE_SIZE // PATCH_SIZE) ** 2
MEAN = STD = 0.5
#: More than the longest description and its end take.
MOST_NEW_TOKENS = 32
PAD, END, IMAGE = "<pad>", "</s>", "<image>"
#: LLaVA 1.5's own form of a conversation.
CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{{ 'USER: ' if message['role'] == 'user' else 'ASSISTANT:' }}"
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}"
    "{% for part in message['content'] if part['type'] == 'image' %}<image>\n{% endfor %}"
    "{% for part in message['content'] if part['type'] == 'text' %}{{ part['text'] }}{% endfor %}"
    "{% endif %}{{ ' ' if message['role'] == 'user' else '</s>' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}ASSISTANT:{% endif %}"
)


def learn_tokenizer(words: Iterable[str]) -> PreTrainedTokenizerFast:
    """A byte-level BPE in which each of ``words``, at the start of a text and after a space, is one token.

    Any other text is spelled in bytes: a prompt of any wording and language has tokens.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    bare = Tokenizer(models.BPE())
    bare.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bare.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=4000,
        min_frequency=1,
        show_progress=False,
        special_tokens=[PAD, END, IMAGE],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    bare.train_from_iterator(sorted(words), trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=bare,
        pad_token=PAD,
        eos_token=END,
        additional_special_tokens=[IMAGE],
        padding_side="left",
        clean_up_tokenization_spaces=False,
        model_max_length=512,
    )


def tokenizer_words() -> list[str]:
    """What becomes one token: the words of the descriptions, of the prompts and of the conversation's form."""
    descriptions = [word if word == "." else f" {word}" for word in vocabulary()]
    prompts = [word for prompt in PROMPTS for word in prompt.replace(".", " .").replace("?", " ?").split()]
    spaced = [word if len(word) == 1 else f" {word}" for word in prompts]
    return sorted({*descriptions, *prompts, *spaced, "USER", " ASSISTANT", ":", "\n"})


def build_processor() -> LlavaProcessor:
    """The processor: pictures to 64 x 64 (shorter side, then the middle), conversations to tokens."""
    from transformers import CLIPImageProcessor, LlavaProcessor

    images = CLIPImageProcessor(
        size={"shortest_edge": IMAGE_SIZE},
        crop_size={"height": IMAGE_SIZE, "width": IMAGE_SIZE},
        image_mean=[MEAN] * 3,
        image_std=[STD] * 3,
    )
    return LlavaProcessor(
        image_processor=images,
        tokenizer=learn_tokenizer(tokenizer_words()),
        patch_size=PATCH_SIZE,
        vision_feature_select_strategy="full",
        chat_template=CHAT_TEMPLATE,
    )


def configuration(size: LlavaSize, tokenizer: PreTrainedTokenizerFast) -> LlavaConfig:
    """The model's configuration for the tokens of ``tokenizer``."""
    from transformers import LevitConfig, LlamaConfig, LlavaConfig

    vision = LevitConfig(
        image_size=IMAGE_SIZE,
        hidden_sizes=[size.stem, size.tower],
        depths=[size.tower_depth],
        num_attention_heads=[size.stem // 32],
        key_dim=[16],
        mlp_ratio=[2],
        attention_ratio=[2],
        hidden_size=size.tower,  # LeViT has no such entry; LLaVA's projector asks for it
    )
    text = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=size.width,
        intermediate_size=size.inner,
        num_hidden_layers=size.depth,
        num_attention_heads=size.heads,
        num_key_value_heads=size.heads,
        max_position_embeddings=512,
        initializer_range=0.05,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return LlavaConfig(
        vision_config=vision,
        text_config=text,
        image_token_index=tokenizer.convert_tokens_to_ids(IMAGE),
        image_seq_length=IMAGE_TOKENS,
        # LeViT's hidden states are its convolutions' and each stage's; there is one stage and no class token.
        vision_feature_layer=1,
        vision_feature_select_strategy="full",
        tie_word_embeddings=True,
        dtype="float32",
    )


def build_llava(config: LlavaConfig) -> LlavaForConditionalGeneration:
    """An untrained model, its convolutions laid out as a CPU reads them fastest."""
    from transformers import GenerationConfig, LlavaForConditionalGeneration

    model: LlavaForConditionalGeneration = LlavaForConditionalGeneration(config)
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            module.weight.data = module.weight.data.contiguous(memory_format=torch.channels_last)
    model.generation_config = GenerationConfig(
        do_sample=False,
        max_new_tokens=MOST_NEW_TOKENS,
        eos_token_id=config.text_config.eos_token_id,
        pad_token_id=config.text_config.pad_token_id,
    )
    return model


def save_llava(
    model: LlavaForConditionalGeneration, weights: Mapping[str, Tensor], processor: LlavaProcessor, folder: Path
) -> None:
    """Write configuration, processor and ``weights`` (float16; loaded as float32) into ``folder``."""
    processor.save_pretrained(folder)
    model.config.architectures = [type(model).__name__]
    model.config.save_pretrained(folder)
    model.generation_config.save_pretrained(folder)
    _without_down_operations(folder / "config.json")
    tied = "lm_head.weight"
    stored = {
        name: (tensor.half() if tensor.is_floating_point() else tensor).contiguous().clone()
        for name, tensor in weights.items()
        if name != tied
    }
    save_file(stored, folder / "model.safetensors", metadata={"format": "pt"})
    for path in folder.iterdir():
        path.chmod(0o644)  # safetensors leaves its file readable to the writer alone


def _without_down_operations(path: Path) -> None:
    # LeViT's configuration works them out itself and adds one at each loading: saved ones would pile up.
    config = json.loads(path.read_text(encoding="utf-8"))
    config["vision_config"].pop("down_ops", None)
    path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")
