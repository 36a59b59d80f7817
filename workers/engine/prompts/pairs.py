"""Stated prompts, each with its corrupted versions: a fixed list of texts or token sequences.

One draw, and the same for everybody: what is seen on it holds for the stated prompts only.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from workers.engine.documents.document import Document, Invalid, Problem, Slug, Unordered
from workers.engine.documents.unions import told_apart_by, variant
from workers.engine.prompts import Answer, Draws, Extent, Generator, Names, Prompt, Refused, Source, Vocabulary
from workers.engine.scoring import Scoring, scored
from workers.engine.tokenized import TokenId, Tokenized, first_tokens, most_tokens, require_aligned, tokenized
from workers.engine.wording import (
    END,
    LONGEST_TEXT,
    Filled,
    Piece,
    PositionName,
    WordPosition,
    fill,
    occurrence,
    spans_of_word,
)

MOST_PROMPTS = 20_000
Text = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_TEXT)]
Tokens = Annotated[tuple[TokenId, ...], Field(min_length=1, max_length=LONGEST_TEXT)]
Index = Annotated[int, Field(ge=0, le=LONGEST_TEXT)]
Label = Annotated[str, StringConstraints(max_length=100)]


class TextPrompt(Document):
    """positions: a word of the text, or a token's index, BOS not counted. template: prompts of one label share their
    layout; without a label all prompts of one length do. unit: prompts of one label are not independent.
    """

    prompt: Text
    corrupted: dict[Slug, Text] = {}
    right: Annotated[tuple[Text, ...], Unordered(), Field(min_length=1)]
    wrong: Annotated[tuple[Text, ...], Unordered()] = ()
    positions: dict[PositionName, WordPosition | Index] = {}
    template: Label = ""
    unit: Label = ""

    @model_validator(mode="after")
    def _has_its_words(self) -> Self:
        filled = _as_fixed_text(self.prompt)
        for name, position in self.positions.items():
            if isinstance(position, WordPosition) and _characters(filled, position) is None:
                raise ValueError(f"{self.prompt!r}: has no position {name}: the word {position.word!r} is not there")
        return self


class TokenPrompt(Document):
    """As TextPrompt, in token ids without BOS."""

    tokens: Tokens
    corrupted: dict[Slug, Tokens] = {}
    right: Annotated[tuple[TokenId, ...], Unordered(), Field(min_length=1)]
    wrong: Annotated[tuple[TokenId, ...], Unordered()] = ()
    positions: dict[PositionName, Index] = {}
    template: Label = ""
    unit: Label = ""

    @model_validator(mode="after")
    def _is_aligned(self) -> Self:
        for name, corrupted in self.corrupted.items():
            if len(corrupted) != len(self.tokens):
                numbers = f"{len(self.tokens)} tokens, corrupted by {name!r} {len(corrupted)}"
                raise ValueError(f"{self.tokens}: has {numbers}; they must be equal")
        for name, index in self.positions.items():
            if index >= len(self.tokens):
                raise ValueError(f"{self.tokens}: has no position {name}: {index} lies behind its last token")
        return self


StatedPrompt = Annotated[
    Annotated[TextPrompt, variant("prompt")] | Annotated[TokenPrompt, variant("tokens")],
    told_apart_by("prompt", "tokens", write='{"prompt": ...} or {"tokens": [...]}'),
]


class PairsSource(Source):
    """prefix: what stands between a text and its answer. scoring: required where an answer has several tokens (see
    `scored`).
    """

    generator: Literal["pairs"] = "pairs"
    prompts: Annotated[tuple[StatedPrompt, ...], Field(min_length=1, max_length=MOST_PROMPTS)]
    prefix: Annotated[str, StringConstraints(max_length=100)] = " "
    scoring: Scoring | None = None

    @model_validator(mode="after")
    def _prompts_are_alike(self) -> Self:
        first = self.prompts[0]
        problems = [
            Problem(f"prompts.{index}.{what}", f"{_words(prompt)!r}: {_difference(expected, stated)}")
            for index, prompt in enumerate(self.prompts)
            for what, expected, stated in (
                ("positions", set(first.positions), set(prompt.positions)),
                ("corrupted", set(first.corrupted), set(prompt.corrupted)),
            )
            if expected != stated
        ]
        if problems:
            raise Invalid(problems)
        return self


def names(source: PairsSource) -> Names:
    return Names(
        positions=frozenset(source.prompts[0].positions) | {END},
        corruptions=frozenset(source.prompts[0].corrupted),
        entries=frozenset(),
        has_wrong_answers=all(prompt.wrong for prompt in source.prompts),
    )


def draws(source: PairsSource) -> Draws:
    return "stated"


def extent(source: PairsSource) -> Extent:
    answers = max(_most_answers(source, stated) for stated in source.prompts)
    tokens = max(_most_tokens(stated) for stated in source.prompts) + answers - 1
    labels = {stated.template for stated in source.prompts}
    number = len(source.prompts)
    return Extent(prompts=number, tokens=tokens, answers=answers, layouts=min(number, len(labels) * tokens))


def generate(source: PairsSource, vocabulary: Vocabulary, seed: int) -> Iterator[Prompt]:
    for index, stated in enumerate(source.prompts):
        match stated:
            case TextPrompt():
                yield _from_text(source, stated, vocabulary, stated.unit or str(index))
            case TokenPrompt():
                yield _from_tokens(stated, vocabulary, stated.unit or str(index))


GENERATOR = Generator(
    version=1, source=PairsSource, unit="prompt", names=names, draws=draws, generate=generate, extent=extent
)


def _most_tokens(stated: TextPrompt | TokenPrompt) -> int:
    return most_tokens(stated.prompt) if isinstance(stated, TextPrompt) else len(stated.tokens)


def _most_answers(source: PairsSource, stated: TextPrompt | TokenPrompt) -> int:
    if source.scoring != "sequence" or isinstance(stated, TokenPrompt):
        return 1
    return max(most_tokens(source.prefix + text) for text in stated.right)


def _from_text(source: PairsSource, stated: TextPrompt, vocabulary: Vocabulary, unit: str) -> Prompt:
    clean = tokenized(stated.prompt, vocabulary)
    right, wrong = ([source.prefix + text for text in texts] for texts in (stated.right, stated.wrong))
    found = scored(clean, right, wrong, source.scoring, partial(tokenized, vocabulary=vocabulary))
    corrupted = {}
    for name, text in stated.corrupted.items():
        other = tokenized(text, vocabulary)
        require_aligned(clean, other, ([], []), name)
        corrupted[name] = other.tokens + found.added
    positions = {name: _index(clean, name, place, vocabulary) for name, place in stated.positions.items()}
    return Prompt(
        text=stated.prompt,
        tokens=clean.tokens + found.added,
        answers=found.answers,
        corrupted=corrupted,
        positions=positions | {END: len(clean.tokens) - 1},
        template=f"{stated.template}/{len(clean.tokens) + len(found.added)}",
        unit=unit,
    )


def _from_tokens(stated: TokenPrompt, vocabulary: Vocabulary, unit: str) -> Prompt:
    first = first_tokens(vocabulary)
    end = len(first) + len(stated.tokens) - 1
    return Prompt(
        text=_words(stated),
        tokens=first + stated.tokens,
        answers=(Answer(end, tuple(sorted({*stated.right})), tuple(sorted({*stated.wrong}))),),
        corrupted={name: first + tokens for name, tokens in stated.corrupted.items()},
        positions={name: len(first) + index for name, index in stated.positions.items()} | {END: end},
        template=f"{stated.template}/{end + 1}",
        unit=unit,
    )


def _index(clean: Tokenized, name: str, place: WordPosition | int, vocabulary: Vocabulary) -> int:
    if isinstance(place, WordPosition):
        characters = _characters(_as_fixed_text(clean.text), place)
        assert characters is not None, "the document was checked"
        first, last = clean.span(characters)
        return first if place.token == "first" else last
    index = place + len(first_tokens(vocabulary))
    if index >= len(clean.tokens):
        raise Refused(f"{clean.text!r}: has no position {name}: token {place} lies behind its end")
    return index


def _as_fixed_text(text: str) -> Filled:
    return fill([Piece(text, is_slot=False)], {})


def _characters(filled: Filled, position: WordPosition) -> tuple[int, int] | None:
    return occurrence(spans_of_word(filled, position.word), position.occurrence)


def _words(prompt: TextPrompt | TokenPrompt) -> str:
    return prompt.prompt if isinstance(prompt, TextPrompt) else " ".join(map(str, prompt.tokens))


def _difference(expected: set[str], stated: set[str]) -> str:
    lacks, has = ", ".join(sorted(expected - stated)), ", ".join(sorted(stated - expected))
    said = [f"lacks {lacks}" if lacks else "", f"has {has}, which the first prompt lacks" if has else ""]
    return " and ".join(filter(None, said)) + "; all prompts name the same"
