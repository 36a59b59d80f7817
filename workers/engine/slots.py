"""Which words fill the slots of a template: lists, rules between slots, and the drawing of one choice.

A choice is drawn slot by slot, each word of a list as likely as another, and drawn again if it breaks a rule.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod
from random import Random
from typing import Annotated, Self

from pydantic import Field, StringConstraints, model_validator

from workers.engine.chance import pick
from workers.engine.documents.document import Document, Problem
from workers.engine.documents.unions import told_apart_by, variant
from workers.engine.prompts import Refused
from workers.engine.wording import SlotName

TRIES = 1_000
MOST_READINGS = 64
Word = Annotated[str, StringConstraints(pattern=r"^\S(.*\S)?$", max_length=200)]
WordList = Annotated[tuple[Word, ...], Field(min_length=1, max_length=20_000)]


class ListSlot(Document):
    """A word of a list, different from the words of other slots."""

    list: SlotName
    different_from: tuple[SlotName, ...] = ()


class OneOf(Document):
    """The word of one of these slots, each as likely as another: the subject is A or B."""

    one_of: Annotated[tuple[SlotName, ...], Field(min_length=2, max_length=8)]


class OtherOf(Document):
    """The word that a `one_of` two slots did not take: the indirect object is the other of A and B."""

    other_of: SlotName


Slot = Annotated[
    Annotated[ListSlot, variant("list")]
    | Annotated[OneOf, variant("one_of")]
    | Annotated[OtherOf, variant("other_of")],
    told_apart_by("list", "one_of", "other_of", write='{"list": NAME}, {"one_of": [SLOT, SLOT]} or {"other_of": SLOT}'),
]


class PairRule(Document):
    """Which words may stand together in two slots of one list; the order within a pair means nothing.

    allowed: the two slots are drawn together, as one of these pairs in random order. forbidden: never one of these.
    """

    slots: tuple[SlotName, SlotName]
    allowed: Annotated[tuple[tuple[Word, Word], ...], Field(max_length=20_000)] = ()
    forbidden: Annotated[tuple[tuple[Word, Word], ...], Field(max_length=20_000)] = ()

    @model_validator(mode="after")
    def _either_allowed_or_forbidden(self) -> Self:
        if bool(self.allowed) == bool(self.forbidden):
            raise ValueError("state either the pairs that are allowed or those that are forbidden")
        return self


@dataclass(frozen=True)
class Choice:
    """The words of one prompt. origins: slot -> the list slot its word comes from (itself, or the one it took)."""

    words: Mapping[str, str]
    origins: Mapping[str, str]


@dataclass(frozen=True)
class SlotRules:
    """How words are chosen for a set of slots."""

    lists: Mapping[str, tuple[str, ...]]
    slots: Mapping[str, ListSlot | OneOf | OtherOf]
    pairs: Sequence[PairRule]

    def draw(self, rng: Random) -> Choice:
        """Raises Refused if no choice that keeps the rules is found."""
        for _ in range(TRIES):
            words = self._listed_words(rng)
            if words is not None and self._keep_the_rules(words):
                origins = self._origins([pick(rng, slot.one_of) for slot in self._one_ofs.values()])
                return Choice({name: words[origin] for name, origin in origins.items()}, origins)
        raise Refused(f"{', '.join(self.slots)}: no words found that keep all the rules; loosen one or lengthen a list")

    def readings(self) -> Iterator[dict[str, str]]:
        """Every way in which slots may take their words from list slots: origins as in Choice."""
        for chosen in product(*(slot.one_of for slot in self._one_ofs.values())):
            yield self._origins(chosen)

    def problems(self) -> Iterator[Problem]:
        """What is wrong with the slots and their rules."""
        for name, slot in self.slots.items():
            yield from (Problem(f"slots.{name}", message) for message in self._wrong_slot(slot))
        for index, rule in enumerate(self.pairs):
            yield from (Problem(f"pairs.{index}", message) for message in self._wrong_pair(rule))
        together = [name for rule in self.pairs if rule.allowed for name in rule.slots]
        for name in sorted({name for name in together if together.count(name) > 1}):
            yield Problem("pairs", f"the slot {name} is drawn in two allowed pairs; keep one of them")
        if prod(len(slot.one_of) for slot in self._one_ofs.values()) > MOST_READINGS:
            yield Problem("slots", f"the one_of slots have more than {MOST_READINGS} readings; take fewer of them")

    @property
    def _list_slots(self) -> dict[str, ListSlot]:
        """In the order of their names: a document's text does not keep another one."""
        return {name: slot for name, slot in sorted(self.slots.items()) if isinstance(slot, ListSlot)}

    @property
    def _one_ofs(self) -> dict[str, OneOf]:
        return {name: slot for name, slot in sorted(self.slots.items()) if isinstance(slot, OneOf)}

    def _origins(self, chosen: Sequence[str]) -> dict[str, str]:
        origins = {name: name for name in self._list_slots}
        origins |= dict(zip(self._one_ofs, chosen, strict=True))
        for name, slot in self.slots.items():
            if isinstance(slot, OtherOf):
                first, second = self._one_ofs[slot.other_of].one_of
                origins[name] = second if origins[slot.other_of] == first else first
        return origins

    def _listed_words(self, rng: Random) -> dict[str, str] | None:
        words: dict[str, str] = {}
        for rule in self.pairs:
            if rule.allowed:
                one, other = pick(rng, rule.allowed)
                words |= zip(rule.slots, pick(rng, ((one, other), (other, one))), strict=True)
        for name, slot in self._list_slots.items():
            word = words.get(name) or word_unlike(rng, self.lists[slot.list], self._taken(name, words))
            if word is None:
                return None
            words[name] = word
        return words

    def _taken(self, name: str, words: Mapping[str, str]) -> set[str]:
        """The words that the slot may not have, given those already chosen."""
        slots = self._list_slots
        return {
            word
            for other, word in words.items()
            if other in slots[name].different_from or name in slots[other].different_from
        }

    def _keep_the_rules(self, words: Mapping[str, str]) -> bool:
        forbidden = any(
            {words[rule.slots[0]], words[rule.slots[1]]} == {*pair} for rule in self.pairs for pair in rule.forbidden
        )
        return not forbidden and not any(words[name] in self._taken(name, words) for name in words)

    def _wrong_slot(self, slot: ListSlot | OneOf | OtherOf) -> Iterator[str]:
        match slot:
            case ListSlot():
                if slot.list not in self.lists:
                    yield f"there is no list {slot.list!r}; the lists are {', '.join(self.lists) or 'none'}"
                yield from self._not_drawn(slot.different_from)
            case OneOf():
                yield from self._not_drawn(slot.one_of)
            case OtherOf():
                taker = self.slots.get(slot.other_of)
                if not isinstance(taker, OneOf) or len(taker.one_of) != 2:
                    yield f"other_of names a slot that is one_of two slots; {slot.other_of!r} is not"

    def _wrong_pair(self, rule: PairRule) -> Iterator[str]:
        unknown = list(self._not_drawn(rule.slots))
        lists = {self._list_slots[name].list for name in rule.slots if name in self._list_slots}
        if unknown or len(lists) != 1 or not lists <= self.lists.keys():
            yield from unknown or ["the two slots of a pair take their words from one and the same list"]
            return
        words = {word for pair in (*rule.allowed, *rule.forbidden) for word in pair}
        for word in sorted(words.difference(self.lists[lists.pop()])):
            yield f"{word!r} is not in the list of these slots"

    def _not_drawn(self, names: Collection[str]) -> Iterator[str]:
        for name in names:
            if name not in self._list_slots:
                yield f"{name!r} is not a slot with a list; those are {', '.join(self._list_slots) or 'none'}"


def word_unlike(rng: Random, words: Sequence[str], taken: Collection[str]) -> str | None:
    """A word of the list that is not taken; None if none was found."""
    return next((word for word in (pick(rng, words) for _ in range(TRIES)) if word not in taken), None)
