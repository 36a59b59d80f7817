"""Conversations with slots, written as the model's own chat template writes them.

A conversation ends where the assistant is to speak; a last message of the assistant's is the beginning of what it
says. A prompt is the rendered text's tokens and nothing else: BOS stands before it only if the chat template writes
it. Slots, positions, answers and corruptions are those of `template`; conversations take turns as templates do.

Positions are slots only, for what else stands in the text is the chat template's, which other models do not share.
The tokens behind the last message, whose number the chat template decides, are END, END-1, ...
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import count
from random import Random
from re import compile as pattern
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from workers.engine.documents.document import Document, Invalid, Problem
from workers.engine.prompts import Draws, Extent, Generator, Prompt, Refused, Render, Turn, Vocabulary
from workers.engine.slots import Choice
from workers.engine.slotted import Drawn, SlottedSource, TemplateAnswers, Text, names, wrong_positions, wrong_slots
from workers.engine.tokenized import chat_tokenized, tokenized
from workers.engine.unseen import unseen
from workers.engine.wording import Filled, Piece, WordPosition, fill, pieces_of

LAYOUTS = 4
CHAT_TEMPLATE = 256
"""Tokens that a chat template is taken to add at most; what it really adds is known to the worker alone."""
OPEN, CLOSE = "\ue000", "\ue001"  # for private use: no text and no chat template has them
MARKED = pattern(f"{OPEN}(.*?){CLOSE}")


def _is_trimmed(text: str) -> str:
    if text != text.strip():
        raise ValueError("chat templates cut off spaces around a message; write it without them")
    return text


class Message(Document):
    role: Literal["system", "user", "assistant"]
    content: Annotated[Text, AfterValidator(_is_trimmed)]


class ChatAnswers(TemplateAnswers):
    """As in `template`, but nothing stands before an answer unless it is stated."""

    prefix: Annotated[str, StringConstraints(max_length=100)] = ""


Conversation = Annotated[tuple[Message, ...], Field(min_length=1, max_length=50)]


class ChatSource(SlottedSource):
    generator: Literal["chat"] = "chat"
    conversations: Annotated[tuple[Conversation, ...], Field(min_length=1, max_length=1_000)]
    answers: ChatAnswers

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        texts = [
            (f"conversations.{i}.{j}.content", message.content)
            for i, conversation in enumerate(self.conversations)
            for j, message in enumerate(conversation)
        ]
        words = [
            Problem(f"positions.{name}", "name a slot; make the word one, with a list of this word alone")
            for name, position in self.positions.items()
            if isinstance(position, WordPosition)
        ]
        problems = [*wrong_slots(self, texts), *words] or list(
            wrong_positions(self, list(map(_plain, self.conversations)))
        )
        if problems:
            raise Invalid(problems)
        return self


def draws(source: ChatSource) -> Draws:
    return "seeded"


def extent(source: ChatSource) -> Extent:
    """As of `template`, and CHAT_TEMPLATE tokens more."""
    answers = source.most_answers
    tokens = max(map(source.most_tokens, map(_plain, source.conversations))) + CHAT_TEMPLATE + answers - 1
    return Extent(prompts=None, tokens=tokens, answers=answers, layouts=LAYOUTS * len(source.conversations))


def generate(source: ChatSource, vocabulary: Vocabulary, seed: int) -> Iterator[Prompt]:
    if vocabulary.chat is None:
        raise Refused(
            f"{source.conversations[0][0].content!r}: the model's document states no chat template (or it has no "
            "tokenizer); state it there, or write the prompts with `template`"
        )
    rng, tokenize = Random(seed), partial(chat_tokenized, vocabulary=vocabulary)
    seen: list[set[Hashable]] = [set() for _ in source.conversations]
    with vocabulary.chat() as render:
        written = [_written(messages, render, vocabulary) for messages in source.conversations]
        for index in count():
            which = index % len(written)
            choice = unseen(partial(source.rules.draw, rng), written[which].text, seen[which])
            drawn = Drawn(source, written[which].template, choice, written[which].fill, tokenize)
            yield drawn.prompt(str(index), rng)


GENERATOR = Generator(
    version=1, source=ChatSource, unit="prompt", names=names, draws=draws, generate=generate, extent=extent
)


@dataclass(frozen=True)
class _Written:
    """A conversation in the chat template. pieces: of the whole text."""

    messages: Conversation
    pieces: tuple[Piece, ...]
    render: Render
    vocabulary: Vocabulary

    @property
    def template(self) -> str:
        return "".join(f"{{{piece.text}}}" if piece.is_slot else piece.text for piece in self.pieces)

    def text(self, choice: Choice) -> str:
        return fill(self.pieces, choice.words).text

    def fill(self, words: Mapping[str, str]) -> Filled:
        """Raises Refused if the chat template treats these words in some way of their own, or they are control
        tokens.
        """
        filled, turns = fill(self.pieces, words), _turns(self.messages, words)
        for turn in turns:
            tokenized(turn["content"], self.vocabulary)
        if self.render(turns) != filled.text:
            raise Refused(f"{filled.text!r}: the chat template does not take these words as they are; use other words")
        return filled


def _written(messages: Conversation, render: Render, vocabulary: Vocabulary) -> _Written:
    """Where the slots are in the rendered text is found by rendering marks in their place."""
    slots = dict.fromkeys(piece.text for message in messages for piece in pieces_of(message.content) if piece.is_slot)
    marked = _turns(messages, {slot: f"{OPEN}{slot}{CLOSE}" for slot in slots})
    text = render(marked)
    lacking = [turn["content"] for turn in marked if turn["content"] not in text]
    if lacking:
        raise Refused(f"{_plain(messages)!r}: the chat template leaves a message out, or changes it; leave it out here")
    parts = [Piece(part, is_slot=bool(index % 2)) for index, part in enumerate(MARKED.split(text))]
    return _Written(messages, tuple(piece for piece in parts if piece.text), render, vocabulary)


def _turns(messages: Conversation, words: Mapping[str, str]) -> list[Turn]:
    return [{"role": message.role, "content": fill(pieces_of(message.content), words).text} for message in messages]


def _plain(messages: Conversation) -> str:
    """The messages' own texts, slots and all."""
    return "\n".join(message.content for message in messages)
