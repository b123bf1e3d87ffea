"""A tokenizer of whole words: the captions' own vocabulary in the form of BERT's."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

PAD, UNKNOWN, START, END, MASK = "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"
SPECIAL = (PAD, UNKNOWN, START, END, MASK)
PAD_ID, UNKNOWN_ID, START_ID, END_ID, MASK_ID = range(5)
#: Tokens a text may have, its start and end among them.
MOST_TOKENS = 64


def build_tokenizer(words: Iterable[str]) -> PreTrainedTokenizerFast:
    """Each of ``words`` is one token, in the order given behind the special ones; any other word is ``[UNK]``.

    Text is lower-cased and split at spaces and punctuation, and put between ``[CLS]`` and ``[SEP]``.
    """
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    vocabulary = {word: number for number, word in enumerate((*SPECIAL, *words))}
    bare = Tokenizer(models.WordLevel(vocabulary, unk_token=UNKNOWN))
    bare.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
    bare.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    bare.post_processor = processors.TemplateProcessing(
        single=f"{START} $A {END}",
        pair=f"{START} $A {END} $B {END}",
        special_tokens=[(START, START_ID), (END, END_ID)],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=bare,
        pad_token=PAD,
        unk_token=UNKNOWN,
        cls_token=START,
        sep_token=END,
        bos_token=START,
        eos_token=END,
        mask_token=MASK,
        model_max_length=MOST_TOKENS,
        model_input_names=["input_ids", "attention_mask"],
        clean_up_tokenization_spaces=False,
    )
