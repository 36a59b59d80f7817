"""Texts with slots, and what becomes of them: words, positions, answers, corruptions.

What `template` and `chat` have in common; they differ in what the slots stand in, and in how it becomes tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Annotated

from pydantic import Field, StringConstraints

from workers.engine.documents.document import Document, Problem, Slug, Unordered
from workers.engine.documents.unions import told_apart_by, variant
from workers.engine.prompts import Names, Prompt, Refused, Source
from workers.engine.scoring import Scoring, Tokenize, scored
from workers.engine.slots import Choice, ListSlot, PairRule, Slot, SlotRules, WordList, word_unlike
from workers.engine.tokenized import Span, Tokenized, layout_of, most_tokens, require_aligned
from workers.engine.wording import (
    END,
    LONGEST_TEXT,
    Filled,
    Occurrence,
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

Text = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_TEXT)]
Texts = Sequence[tuple[str, str]]
"""Texts in which slots stand, each with its path in the document."""


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


class SlottedSource(Source):
    """Lists of words, slots that take them, and what is read, named and changed by slot."""

    lists: dict[SlotName, WordList] = {}
    slots: Annotated[dict[SlotName, Slot], Field(max_length=50)] = {}
    pairs: Annotated[tuple[PairRule, ...], Field(max_length=100)] = ()
    positions: Annotated[dict[PositionName, TemplatePosition], Field(max_length=50)] = {}
    answers: TemplateAnswers
    corruptions: Annotated[dict[Slug, SlotCorruption], Field(max_length=20)] = {}

    @property
    def rules(self) -> SlotRules:
        return SlotRules(self.lists, self.slots, self.pairs)

    @property
    def most_answers(self) -> int:
        """How many tokens are read in one prompt, estimated from the text."""
        if self.answers.scoring != "sequence":
            return 1
        return max(self.most_tokens(self.answers.prefix + text) for text in self.answers.right)

    def most_tokens(self, text: str) -> int:
        """An upper estimate, each slot with the longest word it can take."""
        words = {name: max(map(most_tokens, words)) for name, words in self.lists.items()}
        any_word = max(words.values(), default=0)
        slots = {
            name: words[slot.list] if isinstance(slot, ListSlot) else any_word for name, slot in self.slots.items()
        }
        return sum(slots[piece.text] if piece.is_slot else most_tokens(piece.text) for piece in pieces_of(text))


def names(source: SlottedSource) -> Names:
    return Names(
        positions=frozenset(source.positions) | {END},
        corruptions=frozenset(source.corruptions),
        entries=frozenset(),
        has_wrong_answers=bool(source.answers.wrong),
    )


@dataclass(frozen=True)
class Drawn:
    """One text with the words chosen for its slots. template: what prompts of one layout share.

    fill: puts words into the slots of the text. tokenize: see Tokenize; it is given texts with their words in place.
    """

    source: SlottedSource
    template: str
    choice: Choice
    fill: Callable[[Mapping[str, str]], Filled]
    tokenize: Tokenize

    def prompt(self, unit: str, rng: Random) -> Prompt:
        filled = self.fill(self.choice.words)
        clean = self.tokenize(filled.text)
        stated = self.source.answers
        right, wrong = self._answers(stated.right), self._answers(stated.wrong)
        found = scored(clean, right, wrong, stated.scoring, self.tokenize)
        changed = {name: self._corrupted(name, filled, clean, rng) for name in sorted(self.source.corruptions)}
        return Prompt(
            text=filled.text,
            tokens=clean.tokens + found.added,
            answers=found.answers,
            corrupted={name: tokens + found.added for name, tokens in changed.items()},
            positions={name: self._position(name, filled, clean) for name in self.source.positions}
            | {END: len(clean.tokens) - 1},
            template=layout_of(self.template, slot_spans(filled, clean), len(clean.tokens) + len(found.added)),
            unit=unit,
        )

    def _answers(self, texts: tuple[str, ...]) -> list[str]:
        return [self.source.answers.prefix + fill(pieces_of(text), self.choice.words).text for text in texts]

    def _position(self, name: str, filled: Filled, clean: Tokenized) -> int:
        position = self.source.positions[name]
        match position:
            case SlotPosition():
                spans = spans_of_slot(filled, position.slot, self.choice.origins)
            case WordPosition():
                spans = spans_of_word(filled, position.word)
        characters = occurrence(spans, position.occurrence)
        if characters is None:
            raise Refused(f"{filled.text!r}: has no position {name}; change the template or the position")
        first, last = clean.span(characters)
        return first if position.token == "first" else last

    def _corrupted(self, name: str, filled: Filled, clean: Tokenized, rng: Random) -> tuple[int, ...]:
        changed = self.fill(self._changed_words(name, filled.text, rng))
        corrupted = self.tokenize(changed.text)
        spans = slot_spans(filled, clean), slot_spans(changed, corrupted)
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


def slot_spans(filled: Filled, tokens: Tokenized) -> list[Span]:
    return [tokens.span((placed.start, placed.end)) for placed in filled.slots]


def spans_of_slot(filled: Filled, slot: str, origins: Mapping[str, str]) -> list[Span]:
    same = [placed for placed in filled.slots if origins[placed.piece.text] == origins[slot]]
    return [(placed.start, placed.end) for placed in same]


def wrong_slots(source: SlottedSource, texts: Texts) -> Iterator[Problem]:
    """texts: what the source's slots stand in, beside answers and corruptions."""
    yield from source.rules.problems()
    for path, text in (*texts, *_texts(source)):
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


def _texts(source: SlottedSource) -> Iterator[tuple[str, str]]:
    yield from ((f"answers.right.{index}", text) for index, text in enumerate(source.answers.right))
    yield from ((f"answers.wrong.{index}", text) for index, text in enumerate(source.answers.wrong))
    for name, corruption in source.corruptions.items():
        yield from ((f"corruptions.{name}.replace.{slot}", text) for slot, text in corruption.replace.items())


def _named_slots(source: SlottedSource) -> Iterator[tuple[str, str]]:
    for name, position in source.positions.items():
        if isinstance(position, SlotPosition):
            yield f"positions.{name}.slot", position.slot
    for name, corruption in source.corruptions.items():
        yield from ((f"corruptions.{name}", slot) for slot in (*corruption.redraw, *corruption.replace))


def wrong_positions(source: SlottedSource, texts: Sequence[str]) -> Iterator[Problem]:
    """The positions that some text lacks, at least for one way of choosing its words."""
    for name, position in source.positions.items():
        for template in texts:
            filled = fill(pieces_of(template), dict.fromkeys(source.slots, "-"))
            lists = _candidate_spans(source, position, filled)
            if any(occurrence(spans, position.occurrence) is None for spans in lists):
                yield Problem(f"positions.{name}", f"{template!r} may lack it; change the template or the position")


def _candidate_spans(source: SlottedSource, position: SlotPosition | WordPosition, filled: Filled) -> list[list[Span]]:
    match position:
        case WordPosition():
            return [spans_of_word(filled, position.word)]
        case SlotPosition():
            return [spans_of_slot(filled, position.slot, origins) for origins in source.rules.readings()]
