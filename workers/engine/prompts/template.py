"""Sentences with slots: "When {A} and {B} went to the {place}, {S} gave a {object} to".

Prompt i uses template i modulo their number, so that templates have equally many prompts. A template's prompt does
not come again until nearly all of its possible ones have come.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from functools import partial
from itertools import count
from random import Random
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from workers.engine.documents.document import Invalid
from workers.engine.prompts import Draws, Extent, Generator, Prompt, Vocabulary
from workers.engine.slots import Choice
from workers.engine.slotted import Drawn, SlottedSource, Text, names, wrong_positions, wrong_slots
from workers.engine.tokenized import tokenized
from workers.engine.unseen import unseen
from workers.engine.wording import Piece, fill, pieces_of

LAYOUTS = 4


class TemplateSource(SlottedSource):
    generator: Literal["template"] = "template"
    templates: Annotated[tuple[Text, ...], Field(min_length=1, max_length=1_000)]

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        texts = [(f"templates.{index}", text) for index, text in enumerate(self.templates)]
        problems = list(wrong_slots(self, texts)) or list(wrong_positions(self, self.templates))
        if problems:
            raise Invalid(problems)
        return self


def draws(source: TemplateSource) -> Draws:
    return "seeded"


def extent(source: TemplateSource) -> Extent:
    """Words of several tokens make further layouts of a template: taken as LAYOUTS of them."""
    answers = source.most_answers
    tokens = max(map(source.most_tokens, source.templates)) + answers - 1
    return Extent(prompts=None, tokens=tokens, answers=answers, layouts=LAYOUTS * len(source.templates))


def generate(source: TemplateSource, vocabulary: Vocabulary, seed: int) -> Iterator[Prompt]:
    rng = Random(seed)
    tokenize = partial(tokenized, vocabulary=vocabulary)
    templates = [pieces_of(template) for template in source.templates]
    seen: list[set[Hashable]] = [set() for _ in templates]
    for index in count():
        which = index % len(templates)
        choice = unseen(partial(source.rules.draw, rng), partial(_text, templates[which]), seen[which])
        drawn = Drawn(source, source.templates[which], choice, partial(fill, templates[which]), tokenize)
        yield drawn.prompt(str(index), rng)


GENERATOR = Generator(
    version=1, source=TemplateSource, unit="prompt", names=names, draws=draws, generate=generate, extent=extent
)


def _text(pieces: tuple[Piece, ...], choice: Choice) -> str:
    return fill(pieces, choice.words).text
