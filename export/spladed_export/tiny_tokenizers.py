"""Small tokenizers of the three kinds that masked-LMs have, made of the labelled pages."""

from __future__ import annotations

import math
import re
from collections import Counter
from pathlib import Path
from string import ascii_lowercase, digits, punctuation
from typing import Any

from tokenizers import (
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)
from transformers import (
    BertTokenizerFast,
    CamembertTokenizerFast,
    MPNetTokenizerFast,
    PreTrainedTokenizerFast,
    RobertaTokenizerFast,
    XLMRobertaTokenizerFast,
)

from spladed_export.texts import labelled_pages

__all__ = ["VOCABULARY_SIZE", "bert", "camembert", "modernbert", "mpnet", "roberta", "xlm_roberta"]

VOCABULARY_SIZE = 1_000  # two decoder blocks, the last one partial
_CHARACTERS = (*ascii_lowercase, *digits, *punctuation)
_BERT = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
_ROBERTA = ("<s>", "<pad>", "</s>", "<unk>", "<mask>")
# Its tokenizer adds those that are not used, so they are there; <s> and </s> come late.
_CAMEMBERT = (
    "<s>NOTUSED", "<pad>", "</s>NOTUSED", "<unk>", "<unk>NOTUSED", "<s>", "</s>", "<mask>",
)  # fmt: skip


def bert(folder: Path, length: int) -> Any:
    """WordPiece in lower case, as BERT, DistilBERT and ELECTRA have it."""
    return BertTokenizerFast(_written(folder, _BERT), model_max_length=length)


def mpnet(folder: Path, length: int) -> Any:
    """WordPiece, with RoBERTa's special tokens."""
    special = ("<s>", "<pad>", "</s>", "[UNK]", "<mask>")
    return MPNetTokenizerFast(_written(folder, special), model_max_length=length)


def roberta(_folder: Path, length: int) -> Any:
    """Byte-level pairs."""
    made = _byte_pairs(_ROBERTA)
    made.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    return RobertaTokenizerFast(tokenizer_object=made, model_max_length=length)


def modernbert(_folder: Path, length: int) -> Any:
    """Byte-level pairs with BERT's special tokens, and no class of their own."""
    made = _byte_pairs(_BERT)
    made.post_processor = _around(made, "[CLS]", "[SEP]")
    named = zip(("pad", "unk", "cls", "sep", "mask"), _BERT, strict=True)
    return PreTrainedTokenizerFast(
        tokenizer_object=made, model_max_length=length,
        **{f"{name}_token": token for name, token in named},
    )  # fmt: skip


def xlm_roberta(_folder: Path, length: int) -> Any:
    """A unigram model, as SentencePiece trains it."""
    return XLMRobertaTokenizerFast(tokenizer_object=_unigram(_ROBERTA), model_max_length=length)


def camembert(_folder: Path, length: int) -> Any:
    """A unigram model whose special tokens do not come first."""
    return CamembertTokenizerFast(tokenizer_object=_unigram(_CAMEMBERT), model_max_length=length)


def _texts() -> list[str]:
    return [f"{page.query} {page.passage}" for page in labelled_pages()]


def _written(folder: Path, special: tuple[str, ...]) -> str:
    """vocab.txt: special tokens, letters with and without ##, and the most frequent words."""
    start = [*special, *_CHARACTERS, *(f"##{each}" for each in (*ascii_lowercase, *digits))]
    path = folder / "vocab.txt"
    path.write_text("\n".join([*start, *_words()][:VOCABULARY_SIZE]) + "\n", "utf-8")
    return str(path)


def _words() -> Counter[str]:
    """Words of two letters or more in lower case, the most frequent first."""
    text = " ".join(_texts()).lower()
    words = Counter(word for word in re.findall("[a-z]+", text) if len(word) > 1)
    return Counter(dict(sorted(words.items(), key=lambda each: (-each[1], each[0]))))


def _byte_pairs(special: tuple[str, ...]) -> Tokenizer:
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY_SIZE, special_tokens=list(special), show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )  # fmt: skip
    made.train_from_iterator(_texts(), trainer)
    return made


def _unigram(special: tuple[str, ...]) -> Tokenizer:
    """Of letters, and of words that are the likelier the more frequent they are. Not trained:
    training does not give the same twice."""
    words, rare = _words(), -20.0
    pieces = [(token, 0.0) for token in special] + [("\u2581", rare)]
    pieces += [(each, rare) for each in _CHARACTERS]
    pieces += [(f"\u2581{word}", math.log(words[word] / words.total())) for word in words]
    made = Tokenizer(models.Unigram(pieces[:VOCABULARY_SIZE], special.index("<unk>"), False))
    made.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    made.pre_tokenizer = pre_tokenizers.Metaspace()
    made.decoder = decoders.Metaspace()
    made.post_processor = _around(made, "<s>", "</s>")
    return made


def _around(made: Tokenizer, start: str, stop: str) -> processors.TemplateProcessing:
    """A text between two special tokens."""
    numbers = [(token, made.token_to_id(token)) for token in (start, stop)]
    return processors.TemplateProcessing(single=f"{start} $A {stop}", special_tokens=numbers)
