"""Sentences with slots: "When {A} and {B} went to the {place}, {S} gave a {object} to".

Prompt i uses template i modulo their number, so that templates have equally many prompts. A template's prompt does
not come again until nearly all of its possible ones have come.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from random import Random
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from workers.engine.documents.document import Document, Invalid, Problem, Slug, Unordered
from workers.engine.documents.unions import told_apart_by, variant
from workers.engine.prompts import Answer, Draws, Extent, Generator, Names, Prompt, Refused, Source, Vocabulary
from workers.engine.slots import Choice, ListSlot, PairRule, Slot, SlotRules, WordList, word_unlike
from workers.engine.tokenized import Scoring, Span, Tokenized, answer_token, most_tokens, require_aligned, tokenized
from workers.engine.wording import (
    END,
    LONGEST_TEXT,
    Filled,
    Occurrence,
    Piece,
    PositionName,
    Side,
    SlotName,
    WordPosition,
    fill,
    occurrence,
    pieces_of,
    slots_of,
    spans_of_word,
)

TRIES_FOR_A_NEW_PROMPT = 100
LAYOUTS = 4
Text = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_TEXT)]


class SlotPosition(Document):
    """Where a slot's word stands. Occurrences count every place that holds this word because of the rules: if S took
    the word of A, {"slot": "S", "occurrence": 1} is where A stands. token: which of its tokens, if it has several.
    """

    slot: SlotName
    occurrence: Occurrence = 1
    token: Side = "last"


TemplatePosition = Annotated[
    Annotated[SlotPosition, variant("slot")] | Annotated[WordPosition, variant("word")],
    told_apart_by("slot", "word", write='{"slot": NAME} or {"word": TEXT}'),
]


class TemplateAnswers(Document):
    """Texts that may follow the prompt, with slots as in templates ("{IO}"). prefix: what stands before them.

    scoring: required where an answer has several tokens; "first_token" reads only the first.
    """

    right: Annotated[tuple[Text, ...], Unordered(), Field(min_length=1, max_length=1_000)]
    wrong: Annotated[tuple[Text, ...], Unordered(), Field(max_length=1_000)] = ()
    prefix: Annotated[str, StringConstraints(max_length=100)] = " "
    scoring: Scoring | None = None


class SlotCorruption(Document):
    """redraw: slot -> list; its new word differs from all words of the prompt and from the other new ones.

    replace: slot -> text, in which slots stand for the clean words ("{IO}"). Slots that take their word from a
    changed slot change with it, unless they are named themselves.
    """

    redraw: dict[SlotName, SlotName] = {}
    replace: dict[SlotName, Text] = {}


class TemplateSource(Source):
    generator: Literal["template"] = "template"
    templates: Annotated[tuple[Text, ...], Field(min_length=1, max_length=1_000)]
    lists: dict[SlotName, WordList] = {}
    slots: Annotated[dict[SlotName, Slot], Field(max_length=50)] = {}
    pairs: Annotated[tuple[PairRule, ...], Field(max_length=100)] = ()
    positions: Annotated[dict[PositionName, TemplatePosition], Field(max_length=50)] = {}
    answers: TemplateAnswers
    corruptions: Annotated[dict[Slug, SlotCorruption], Field(max_length=20)] = {}

    @property
    def rules(self) -> SlotRules:
        return SlotRules(self.lists, self.slots, self.pairs)

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        problems = list(_wrong_slots(self)) or list(_wrong_positions(self))
        if problems:
            raise Invalid(problems)
        return self


def names(source: TemplateSource) -> Names:
    return Names(
        positions=frozenset(source.positions) | {END},
        corruptions=frozenset(source.corruptions),
        entries=frozenset(),
        has_wrong_answers=bool(source.answers.wrong),
    )


def draws(source: TemplateSource) -> Draws:
    return "seeded"


def extent(source: TemplateSource) -> Extent:
    """Words of several tokens make further layouts of a template: taken as LAYOUTS of them."""
    words = {name: max(map(most_tokens, words)) for name, words in source.lists.items()}
    any_word = max(words.values(), default=0)
    slots = {name: words[slot.list] if isinstance(slot, ListSlot) else any_word for name, slot in source.slots.items()}
    tokens = max(
        sum(slots[piece.text] if piece.is_slot else most_tokens(piece.text) for piece in pieces_of(template))
        for template in source.templates
    )
    return Extent(prompts=None, tokens=tokens, answers=1, layouts=LAYOUTS * len(source.templates))


def generate(source: TemplateSource, vocabulary: Vocabulary, seed: int) -> Iterator[Prompt]:
    rng = Random(seed)
    templates = [pieces_of(template) for template in source.templates]
    seen: list[set[str]] = [set() for _ in templates]
    for index in count():
        which = index % len(templates)
        choice = _unseen(source.rules, templates[which], seen[which], rng)
        drawn = _Drawn(source, vocabulary, source.templates[which], templates[which], choice)
        yield drawn.prompt(str(index), rng)


GENERATOR = Generator(
    version=1, source=TemplateSource, unit="prompt", names=names, draws=draws, generate=generate, extent=extent
)


def _unseen(rules: SlotRules, pieces: tuple[Piece, ...], seen: set[str], rng: Random) -> Choice:
    for _ in range(TRIES_FOR_A_NEW_PROMPT):
        choice = rules.draw(rng)
        if fill(pieces, choice.words).text not in seen:
            break
    else:
        seen.clear()
    seen.add(fill(pieces, choice.words).text)
    return choice


@dataclass(frozen=True)
class _Drawn:
    """One template with the words chosen for it."""

    source: TemplateSource
    vocabulary: Vocabulary
    template: str
    pieces: tuple[Piece, ...]
    choice: Choice

    def prompt(self, unit: str, rng: Random) -> Prompt:
        filled = fill(self.pieces, self.choice.words)
        clean = tokenized(filled.text, self.vocabulary)
        return Prompt(
            text=filled.text,
            tokens=clean.tokens,
            answers=(self._answer(clean),),
            corrupted={name: self._corrupted(name, filled, clean, rng) for name in sorted(self.source.corruptions)},
            positions={name: self._position(name, filled, clean) for name in self.source.positions}
            | {END: len(clean.tokens) - 1},
            template=_layout(self.template, _slot_spans(filled, clean), len(clean.tokens)),
            unit=unit,
        )

    def _answer(self, clean: Tokenized) -> Answer:
        return Answer(
            position=len(clean.tokens) - 1,
            right=self._answer_tokens(clean, self.source.answers.right),
            wrong=self._answer_tokens(clean, self.source.answers.wrong),
        )

    def _answer_tokens(self, clean: Tokenized, texts: tuple[str, ...]) -> tuple[int, ...]:
        stated = self.source.answers
        answers = [stated.prefix + fill(pieces_of(text), self.choice.words).text for text in texts]
        tokens = {answer_token(clean, answer, stated.scoring, self.vocabulary) for answer in answers}
        return tuple(sorted(tokens))

    def _position(self, name: str, filled: Filled, clean: Tokenized) -> int:
        position = self.source.positions[name]
        match position:
            case SlotPosition():
                spans = _spans_of_slot(filled, position.slot, self.choice.origins)
            case WordPosition():
                spans = spans_of_word(filled, position.word)
        characters = occurrence(spans, position.occurrence)
        if characters is None:
            raise Refused(f"{filled.text!r}: has no position {name}; change the template or the position")
        first, last = clean.span(characters)
        return first if position.token == "first" else last

    def _corrupted(self, name: str, filled: Filled, clean: Tokenized, rng: Random) -> tuple[int, ...]:
        changed = fill(self.pieces, self._changed_words(name, filled.text, rng))
        corrupted = tokenized(changed.text, self.vocabulary)
        spans = _slot_spans(filled, clean), _slot_spans(changed, corrupted)
        require_aligned(clean, corrupted, spans, name)
        return corrupted.tokens

    def _changed_words(self, name: str, text: str, rng: Random) -> dict[str, str]:
        words, corruption = self.choice.words, self.source.corruptions[name]
        changed = {slot: fill(pieces_of(new), words).text for slot, new in corruption.replace.items()}
        for slot, list_name in sorted(corruption.redraw.items()):
            word = word_unlike(rng, self.source.lists[list_name], {*words.values(), *changed.values()})
            if word is None:
                raise Refused(f"{text!r}: the list {list_name!r} is too short for the corruption {name!r}; lengthen it")
            changed[slot] = word
        followed = {slot: changed[origin] for slot, origin in self.choice.origins.items() if origin in changed}
        return {**words, **followed, **changed}


def _slot_spans(filled: Filled, tokens: Tokenized) -> list[Span]:
    return [tokens.span((placed.start, placed.end)) for placed in filled.slots]


def _spans_of_slot(filled: Filled, slot: str, origins: Mapping[str, str]) -> list[Span]:
    same = [placed for placed in filled.slots if origins[placed.piece.text] == origins[slot]]
    return [(placed.start, placed.end) for placed in same]


def _layout(template: str, spans: list[Span], length: int) -> str:
    """The template's hash, the tokens of its slots, and the length: "5b1c40de/2,4,8-9/16"."""
    slots = ",".join(str(first) if first == last else f"{first}-{last}" for first, last in spans)
    return f"{hashlib.sha256(template.encode()).hexdigest()[:8]}/{slots}/{length}"


def _wrong_slots(source: TemplateSource) -> Iterator[Problem]:
    yield from source.rules.problems()
    for path, text in _texts(source):
        try:
            unknown = sorted(set(slots_of(text)).difference(source.slots))
        except ValueError as error:
            yield Problem(path, str(error))
        else:
            yield from (Problem(path, f"the slot {{{slot}}} is not under slots; add it there") for slot in unknown)
    for path, slot in _named_slots(source):
        if slot not in source.slots:
            yield Problem(path, f"the slot {slot} is not under slots; they are {', '.join(source.slots) or 'none'}")
    for name, corruption in source.corruptions.items():
        for slot, list_name in corruption.redraw.items():
            if list_name not in source.lists:
                yield Problem(f"corruptions.{name}.redraw.{slot}", f"there is no list {list_name!r}")


def _texts(source: TemplateSource) -> Iterator[tuple[str, str]]:
    yield from ((f"templates.{index}", text) for index, text in enumerate(source.templates))
    yield from ((f"answers.right.{index}", text) for index, text in enumerate(source.answers.right))
    yield from ((f"answers.wrong.{index}", text) for index, text in enumerate(source.answers.wrong))
    for name, corruption in source.corruptions.items():
        yield from ((f"corruptions.{name}.replace.{slot}", text) for slot, text in corruption.replace.items())


def _named_slots(source: TemplateSource) -> Iterator[tuple[str, str]]:
    for name, position in source.positions.items():
        if isinstance(position, SlotPosition):
            yield f"positions.{name}.slot", position.slot
    for name, corruption in source.corruptions.items():
        yield from ((f"corruptions.{name}", slot) for slot in (*corruption.redraw, *corruption.replace))


def _wrong_positions(source: TemplateSource) -> Iterator[Problem]:
    """The positions that some template lacks, at least for one way of choosing its words."""
    for name, position in source.positions.items():
        for template in source.templates:
            filled = fill(pieces_of(template), dict.fromkeys(source.slots, "-"))
            lists = _candidate_spans(source, position, filled)
            if any(occurrence(spans, position.occurrence) is None for spans in lists):
                yield Problem(f"positions.{name}", f"{template!r} may lack it; change the template or the position")


def _candidate_spans(source: TemplateSource, position: SlotPosition | WordPosition, filled: Filled) -> list[list[Span]]:
    match position:
        case WordPosition():
            return [spans_of_word(filled, position.word)]
        case SlotPosition():
            return [_spans_of_slot(filled, position.slot, origins) for origins in source.rules.readings()]
