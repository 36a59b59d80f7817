"""A text as the model sees it: its tokens, BOS included, and which characters each of them covers."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from workers.engine.prompts import Encoding, Refused, Vocabulary

TokenId = Annotated[int, Field(ge=0, le=10_000_000)]
Span = tuple[int, int]
LONGEST_SHOWN = 200
WORD = re.compile("[A-Za-z]+")


@dataclass(frozen=True)
class Tokenized:
    """offsets: per token the characters (start, before end); (0, 0) for BOS."""

    text: str
    tokens: tuple[int, ...]
    offsets: tuple[Span, ...]

    def span(self, characters: Span) -> Span:
        """The first and the last token that cover some of the characters."""
        start, end = characters
        covering = [i for i, (left, right) in enumerate(self.offsets) if left < end and right > start]
        if not covering:
            raise Refused(f"{self.text!r}: no token covers {self.text[start:end]!r}; the tokenizer drops it")
        return covering[0], covering[-1]


def tokenized(text: str, vocabulary: Vocabulary) -> Tokenized:
    """Ordinary text behind BOS. Raises Refused if the model has no tokenizer or the tokenizer does not know a word."""
    encoding = _encoded(text, vocabulary, vocabulary.special)
    first = first_tokens(vocabulary)
    offsets = ((0, 0),) * len(first) + tuple(encoding.offsets)
    return Tokenized(text, first + tuple(encoding.ids), offsets)


def chat_tokenized(text: str, vocabulary: Vocabulary) -> Tokenized:
    """A rendered chat: control tokens belong to it, and BOS stands there only if the chat template writes it."""
    encoding = _encoded(text, vocabulary, vocabulary.special - vocabulary.control)
    return Tokenized(text, tuple(encoding.ids), tuple(encoding.offsets))


def _encoded(text: str, vocabulary: Vocabulary, forbidden: frozenset[int]) -> Encoding:
    if vocabulary.encode is None:
        raise Refused(f"{text!r}: this model has no tokenizer; state its prompts in tokens (pairs, token_table)")
    encoding = vocabulary.encode(text)
    shown = text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]} ..."
    for token, (start, end) in zip(encoding.ids, encoding.offsets, strict=True):
        if token in forbidden:
            raise Refused(f"{shown!r}: {text[start:end]!r} is unknown to the tokenizer or special; use other words")
    if not encoding.ids:
        raise Refused(f"{shown!r}: has no tokens; write some text")
    return encoding


def first_tokens(vocabulary: Vocabulary) -> tuple[int, ...]:
    """What stands before every prompt: BOS, or nothing."""
    return () if vocabulary.bos is None else (vocabulary.bos,)


def most_tokens(text: str) -> int:
    """An upper estimate for vocabularies of word pieces: one for every two letters of a word, and for every other byte.

    Spaces belong to the words behind them. A tokenizer of single letters has more.
    """
    words = WORD.findall(text)
    others = WORD.sub("", text).replace(" ", "").encode()
    return sum(-(-len(word) // 2) for word in words) + len(others)


def require_aligned(clean: Tokenized, corrupted: Tokenized, spans: tuple[list[Span], list[Span]], name: str) -> None:
    """Index i must mean the same in both: equally many tokens, and every slot at the same tokens."""
    numbers = len(clean.tokens), len(corrupted.tokens)
    both = f"{clean.text!r} has {numbers[0]} tokens, corrupted by {name!r} {corrupted.text!r} has {numbers[1]}"
    if numbers[0] != numbers[1]:
        raise Refused(f"{both}: they must be equal; take words of equally many tokens")
    if spans[0] != spans[1]:
        raise Refused(f"{both}, but their words stand at different tokens; take words of equally many tokens")


def layout_of(template: str, spans: list[Span], length: int) -> str:
    """The template's hash, the tokens of its slots, and the length: "5b1c40de/2,4,8-9/16"."""
    slots = ",".join(str(first) if first == last else f"{first}-{last}" for first, last in spans)
    return f"{hashlib.sha256(template.encode()).hexdigest()[:8]}/{slots}/{length}"
