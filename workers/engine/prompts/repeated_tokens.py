"""Random tokens in which one segment stands twice: what induction heads are found on.

A prompt is BOS, `prefix` new tokens, a segment, `gap` new tokens, the segment again, and new tokens up to `length`.
All new tokens differ from each other, so what follows a token of the second copy is known from the first copy and
from nothing else. All prompts are equally long.

Positions: FIRST and SECOND, where the copies begin. Corruption "fresh": the first copy replaced by tokens that stand
nowhere else, so that nothing repeats. Attention entries, (query, key): "induction" from each token of the second copy
to the token after its first occurrence, "duplicate-token" to that occurrence itself, "previous-token" from every
token to the one before it, BOS left out, and "first-token" from every token but the first to the first one, BOS or not.

Source: Olsson et al. 2022, In-context Learning and Induction Heads (arXiv 2209.11895).
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from random import Random
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from workers.engine.chance import pick_different
from workers.engine.documents.document import Document, Unordered
from workers.engine.prompts import Answer, Draws, Extent, Generator, Names, Prompt, Refused, Source, Vocabulary
from workers.engine.tokenized import TokenId, first_tokens
from workers.engine.wording import END

LONGEST = 4_096
Length = Annotated[int, Field(ge=0, le=LONGEST)]


class TokenRange(Document):
    """Token ids from `first` to `last`, both included."""

    first: TokenId
    last: TokenId

    @model_validator(mode="after")
    def _is_not_empty(self) -> Self:
        if self.last < self.first:
            raise ValueError(f"the range ends at {self.last}, before it begins at {self.first}")
        return self


class Layout(Document):
    """Numbers of tokens: before the first copy, of the segment, between the copies."""

    prefix: Length = 0
    segment: Annotated[int, Field(ge=2, le=LONGEST)]
    gap: Length = 0

    @property
    def tokens(self) -> int:
        return self.prefix + 2 * self.segment + self.gap


class RepeatedTokensSource(Source):
    """Prompt i has layout i modulo their number. length: tokens of a prompt, BOS not counted; null: what the layouts
    take. tokens: which may be drawn; null: every ordinary token of the model. without: ids left out of them.
    """

    generator: Literal["repeated_tokens"] = "repeated_tokens"
    layouts: Annotated[tuple[Layout, ...], Field(min_length=1, max_length=1_000)] = (Layout(segment=25),)
    length: Annotated[int, Field(ge=4, le=LONGEST)] | None = None
    tokens: TokenRange | None = None
    without: Annotated[tuple[TokenId, ...], Unordered()] = ()

    @model_validator(mode="after")
    def _layouts_fit(self) -> Self:
        lengths = {layout.tokens for layout in self.layouts}
        if self.length is None and len(lengths) > 1:
            raise ValueError("the layouts take different numbers of tokens; state one length, filled with new tokens")
        if self.length is not None and max(lengths) > self.length:
            raise ValueError(f"a layout takes {max(lengths)} tokens, more than the length {self.length}")
        return self


def names(source: RepeatedTokensSource) -> Names:
    return Names(
        positions=frozenset({"FIRST", "SECOND", END}),
        corruptions=frozenset({"fresh"}),
        entries=frozenset({"induction", "previous-token", "duplicate-token", "first-token"}),
        has_wrong_answers=False,
    )


def draws(source: RepeatedTokensSource) -> Draws:
    return "seeded"


def extent(source: RepeatedTokensSource) -> Extent:
    return Extent(
        prompts=None,
        tokens=source.length or max(layout.tokens for layout in source.layouts),
        answers=max(layout.segment for layout in source.layouts) - 1,
        layouts=len(source.layouts),
    )


def generate(source: RepeatedTokensSource, vocabulary: Vocabulary, seed: int) -> Iterator[Prompt]:
    rng = Random(seed)
    drawable = _drawable(source, vocabulary)
    for index in count():
        layout = source.layouts[index % len(source.layouts)]
        length = source.length or layout.tokens
        new = pick_different(rng, drawable, length)  # the segment's second copy leaves as many over for "fresh"
        yield _prompt(layout, length, new, first_tokens(vocabulary), str(index))


GENERATOR = Generator(
    version=1,
    source=RepeatedTokensSource,
    unit="sequence",
    names=names,
    draws=draws,
    generate=generate,
    extent=extent,
)


def _drawable(source: RepeatedTokensSource, vocabulary: Vocabulary) -> tuple[int, ...]:
    chosen = source.tokens or TokenRange(first=0, last=vocabulary.size - 1)
    if chosen.last >= vocabulary.size:
        raise Refused(f"tokens {chosen.first} to {chosen.last}: the model's tokens end at {vocabulary.size - 1}")
    left_out = {*source.without, *vocabulary.special, *first_tokens(vocabulary)}
    drawable = tuple(token for token in range(chosen.first, chosen.last + 1) if token not in left_out)
    needed = source.length or max(layout.tokens for layout in source.layouts)
    if len(drawable) < needed:
        raise Refused(
            f"prompts of {needed} tokens: only {len(drawable)} may be drawn; allow more or shorten the prompts"
        )
    return drawable


def _prompt(layout: Layout, length: int, new: tuple[int, ...], bos: tuple[int, ...], unit: str) -> Prompt:
    prefix, rest = new[: layout.prefix], new[layout.prefix :]
    segment, rest = rest[: layout.segment], rest[layout.segment :]
    fresh, rest = rest[: layout.segment], rest[layout.segment :]
    gap, after = rest[: layout.gap], rest[layout.gap :]
    tokens = bos + prefix + segment + gap + segment + after
    first = len(bos) + layout.prefix
    second = first + layout.segment + layout.gap
    assert len(tokens) == len(bos) + length
    return Prompt(
        text=" ".join(map(str, tokens)),
        tokens=tokens,
        answers=tuple(Answer(second + i, right=(segment[i + 1],)) for i in range(layout.segment - 1)),
        corrupted={"fresh": bos + prefix + fresh + gap + segment + after},
        positions={"FIRST": first, "SECOND": second, END: len(tokens) - 1},
        entries=_entries(first, second, layout.segment, len(bos), len(tokens)),
        template=f"{layout.prefix}+{layout.segment}+{layout.gap}",
        unit=unit,
    )


def _entries(first: int, second: int, segment: int, start: int, end: int) -> dict[str, tuple[tuple[int, int], ...]]:
    return {
        "induction": tuple((second + i, first + i + 1) for i in range(segment)),
        "duplicate-token": tuple((second + i, first + i) for i in range(segment)),
        "previous-token": tuple((i, i - 1) for i in range(start + 1, end)),
        "first-token": tuple((i, 0) for i in range(1, end)),
    }
