"""Text with slots: "When {A} met {B}, {S} gave", which words fill it, and where each word then stands."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from string import Formatter
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints

from workers.engine.documents.components import POSITION_NAME
from workers.engine.documents.document import Document

LONGEST_TEXT = 5_000
END = "END"
"""The last token of a prompt; every generator names it."""


def _is_not_end(name: str) -> str:
    if name == END:
        raise ValueError("END always means the last token of the prompt; take another name")
    return name


SlotName = Annotated[str, StringConstraints(pattern=rf"^{POSITION_NAME}$", max_length=40)]
PositionName = Annotated[SlotName, AfterValidator(_is_not_end)]


def _is_not_zero(number: int) -> int:
    if number == 0:
        raise ValueError("occurrences are counted 1, 2, ... from the front and -1, -2, ... from the end")
    return number


Occurrence = Annotated[int, Field(ge=-50, le=50), AfterValidator(_is_not_zero)]
Side = Literal["first", "last"]


class WordPosition(Document):
    """A word (or a few) of the fixed text. token: which of its tokens, if it has several."""

    word: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    occurrence: Occurrence = 1
    token: Side = "last"


@dataclass(frozen=True)
class Piece:
    """A stretch of a template: fixed text, or a slot."""

    text: str
    is_slot: bool


@dataclass(frozen=True)
class Placed:
    """A piece in the finished text, from character `start` to before `end`."""

    piece: Piece
    start: int
    end: int


@dataclass(frozen=True)
class Filled:
    """A template with its words put in."""

    text: str
    placed: tuple[Placed, ...]

    @property
    def slots(self) -> tuple[Placed, ...]:
        return tuple(placed for placed in self.placed if placed.piece.is_slot)


def pieces_of(template: str) -> tuple[Piece, ...]:
    """Raises ValueError where the braces make no slots; `{{` stands for a brace."""
    try:
        parsed = list(Formatter().parse(template))
    except ValueError as error:
        raise ValueError(f"{template!r}: {error}; write a slot as {{NAME}} and a brace as {{{{") from error
    return tuple(piece for part in parsed for piece in _pieces(template, *part))


def slots_of(template: str) -> tuple[str, ...]:
    """The slots' names, in order, as often as they stand there."""
    return tuple(piece.text for piece in pieces_of(template) if piece.is_slot)


def fill(pieces: Iterable[Piece], words: Mapping[str, str]) -> Filled:
    """The text with each slot's word in its place."""
    text = ""
    placed = []
    for piece in pieces:
        start = len(text)
        text += words[piece.text] if piece.is_slot else piece.text
        placed.append(Placed(piece, start, len(text)))
    return Filled(text, tuple(placed))


def spans_of_word(filled: Filled, word: str) -> list[tuple[int, int]]:
    """Where the word stands whole in the fixed text (not in slots)."""
    found = [match.span() for match in re.finditer(rf"(?<!\w){re.escape(word)}(?!\w)", filled.text)]
    fixed = [placed for placed in filled.placed if not placed.piece.is_slot]
    return [span for span in found if any(part.start <= span[0] and span[1] <= part.end for part in fixed)]


def occurrence(spans: list[tuple[int, int]], number: int) -> tuple[int, int] | None:
    """The first (1), second (2), last (-1) of the spans; None if there are not so many."""
    index = number - 1 if number > 0 else number
    return spans[index] if -len(spans) <= index < len(spans) else None


def _pieces(template: str, fixed: str, slot: str | None, form: str | None, conversion: str | None) -> list[Piece]:
    found = [Piece(fixed, is_slot=False)] if fixed else []
    if slot is None:
        return found
    if form or conversion or not re.fullmatch(POSITION_NAME, slot):
        raise ValueError(f"{template!r}: {{{slot}}} is no slot; a slot's name is letters, digits and _, e.g. {{A}}")
    return [*found, Piece(slot, is_slot=True)]
