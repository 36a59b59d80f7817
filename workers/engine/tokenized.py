"""A text as the model sees it: its tokens, BOS included, and which characters each of them covers."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from workers.engine.prompts import Refused, Vocabulary

TokenId = Annotated[int, Field(ge=0, le=10_000_000)]
Scoring = Literal["first_token", "sequence"]
Span = tuple[int, int]
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
    """Raises Refused if the model has no tokenizer or the tokenizer does not know a word."""
    if vocabulary.encode is None:
        raise Refused(f"{text!r}: this model has no tokenizer; state its prompts in tokens (pairs, token_table)")
    encoding = vocabulary.encode(text)
    for token, (start, end) in zip(encoding.ids, encoding.offsets, strict=True):
        if token in vocabulary.special:
            raise Refused(f"{text!r}: {text[start:end]!r} is unknown to the tokenizer or special; use other words")
    if not encoding.ids:
        raise Refused(f"{text!r}: has no tokens; write some text")
    first = first_tokens(vocabulary)
    offsets = ((0, 0),) * len(first) + tuple(encoding.offsets)
    return Tokenized(text, first + tuple(encoding.ids), offsets)


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


def answer_token(prompt: Tokenized, answer: str, scoring: Scoring | None, vocabulary: Vocabulary) -> int:
    """The token that follows the prompt if its text goes on with `answer`: what is read at the last position."""
    whole = tokenized(prompt.text + answer, vocabulary)
    known, added = whole.tokens[: len(prompt.tokens)], whole.tokens[len(prompt.tokens) :]
    if known != prompt.tokens or not added:
        raise Refused(
            f"{prompt.text!r}: with the answer {answer!r} the tokenizer splits the prompt itself otherwise; "
            "move the space between them from the answer's prefix to the end of the prompt, or the other way round"
        )
    if len(added) > 1 and scoring is None:
        raise Refused(
            f"{prompt.text!r}: the answer {answer!r} has {len(added)} tokens; take answers of one token, "
            'or declare "scoring": "first_token"'
        )
    if len(added) > 1 and scoring == "sequence":
        raise Refused(
            f"{prompt.text!r}: the answer {answer!r} has {len(added)} tokens, and sequences cannot be scored yet; "
            'take "scoring": "first_token" or answers of one token'
        )
    return added[0]


def require_aligned(clean: Tokenized, corrupted: Tokenized, spans: tuple[list[Span], list[Span]], name: str) -> None:
    """Index i must mean the same in both: equally many tokens, and every slot at the same tokens."""
    numbers = len(clean.tokens), len(corrupted.tokens)
    both = f"{clean.text!r} has {numbers[0]} tokens, corrupted by {name!r} {corrupted.text!r} has {numbers[1]}"
    if numbers[0] != numbers[1]:
        raise Refused(f"{both}: they must be equal; take words of equally many tokens")
    if spans[0] != spans[1]:
        raise Refused(f"{both}, but their words stand at different tokens; take words of equally many tokens")
