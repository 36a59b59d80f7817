"""A pinned corpus: windows of `length` tokens of documents that are stated here, word for word.

Every document comes once, in random order, before any comes again; where its window begins is drawn, each place as
likely as another, and not drawn again until nearly all of them have come. A prompt is BOS and a window; the right
answer is the token that follows in the document. What is seen holds for the corpus that is stated.

Positions: START, the window's first token, MIDDLE, and END. Corruption "shuffled": all tokens of the window but the
last in another order, so that what is left to predict from is which words there are. Attention entries, (query, key):
"previous-token" from every token to the one before it, BOS left out, and "first-token" from every token to the very
first one, BOS where there is one: where attention sinks lie (Xiao et al. 2023, arXiv 2309.17453).
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from functools import partial
from itertools import count
from random import Random
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from workers.engine.chance import pick, pick_different
from workers.engine.prompts import Answer, Draws, Extent, Generator, Names, Prompt, Refused, Source, Vocabulary
from workers.engine.tokenized import Span, Tokenized, first_tokens, tokenized
from workers.engine.unseen import unseen
from workers.engine.wording import END

LARGEST_CORPUS = 200_000
LONGEST = 4_096
TRIES_TO_SHUFFLE = 100
Passage = Annotated[str, StringConstraints(min_length=1, max_length=LARGEST_CORPUS)]


class TextSource(Source):
    """length: tokens of a window. read_from: answers are read at every token of the window from this one (0 is the
    first) to the last; null: at the last one only.
    """

    generator: Literal["text"] = "text"
    documents: Annotated[tuple[Passage, ...], Field(min_length=1, max_length=10_000)]
    length: Annotated[int, Field(ge=2, le=LONGEST)]
    read_from: Annotated[int, Field(ge=0, le=LONGEST)] | None = None

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        letters = sum(map(len, self.documents))
        if letters > LARGEST_CORPUS:
            raise ValueError(f"the documents have {letters} characters together; state at most {LARGEST_CORPUS}")
        if self.read_from is not None and self.read_from >= self.length:
            raise ValueError(f"read_from {self.read_from} lies behind the window, whose tokens are 0 to {self.last}")
        if len({*self.documents}) < len(self.documents):
            raise ValueError("a document stands twice, and would be taken for two; keep one of them")
        return self

    @property
    def last(self) -> int:
        return self.length - 1

    @property
    def reads(self) -> range:
        """Places in the window."""
        return range(self.last if self.read_from is None else self.read_from, self.length)


def names(source: TextSource) -> Names:
    return Names(
        positions=frozenset({"START", "MIDDLE", END}),
        corruptions=frozenset({"shuffled"}),
        entries=frozenset({"previous-token", "first-token"}),
        has_wrong_answers=False,
    )


def draws(source: TextSource) -> Draws:
    return "seeded"


def extent(source: TextSource) -> Extent:
    return Extent(prompts=None, tokens=source.length, answers=len(source.reads), layouts=1)


def generate(source: TextSource, vocabulary: Vocabulary, seed: int) -> Iterator[Prompt]:
    rng = Random(seed)
    documents = [_long_enough(source, document, vocabulary) for document in source.documents]
    seen: list[set[Hashable]] = [set() for _ in documents]
    for _ in count():
        for number in pick_different(rng, range(len(documents)), len(documents)):
            windows = range(len(documents[number].tokens) - source.length)
            start = unseen(partial(pick, rng, windows), int, seen[number])
            yield _prompt(source, documents[number], start, str(number), first_tokens(vocabulary), rng)


GENERATOR = Generator(
    version=1, source=TextSource, unit="document", names=names, draws=draws, generate=generate, extent=extent
)


def _long_enough(source: TextSource, document: str, vocabulary: Vocabulary) -> Tokenized:
    """The document's tokens, without BOS."""
    whole, bos = tokenized(document, vocabulary), len(first_tokens(vocabulary))
    found = Tokenized(document, whole.tokens[bos:], whole.offsets[bos:])
    if len(found.tokens) <= source.length:
        raise Refused(
            f"{document[:60]!r}: the document has {len(found.tokens)} tokens, and a window of {source.length} needs "
            "one more to predict; shorten the windows or leave the document out"
        )
    return found


def _prompt(
    source: TextSource, document: Tokenized, start: int, unit: str, bos: tuple[int, ...], rng: Random
) -> Prompt:
    end = start + source.length
    window, first = document.tokens[start:end], len(bos)
    last = first + source.last
    return Prompt(
        text=_words(document, (start, end)),
        tokens=bos + window,
        answers=tuple(Answer(first + place, right=(document.tokens[start + place + 1],)) for place in source.reads),
        corrupted={"shuffled": bos + _shuffled(window[:-1], rng) + window[-1:]},
        positions={"START": first, "MIDDLE": first + source.length // 2, END: last},
        entries={
            "previous-token": tuple((i, i - 1) for i in range(first + 1, last + 1)),
            "first-token": tuple((i, 0) for i in range(1, last + 1)),
        },
        template="text",
        unit=unit,
    )


def _words(document: Tokenized, tokens: Span) -> str:
    """The characters of the tokens (first, before end)."""
    first, end = tokens
    return document.text[document.offsets[first][0] : document.offsets[end - 1][1]]


def _shuffled(tokens: tuple[int, ...], rng: Random) -> tuple[int, ...]:
    """In another order, if there is one."""
    for _ in range(TRIES_TO_SHUFFLE):
        shuffled = pick_different(rng, tokens, len(tokens))
        if shuffled != tokens:
            break
    return shuffled
