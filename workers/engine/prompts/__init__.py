"""Prompt generators: from a behavior's words to token sequences. One file each; the folder is the registry.

Each file holds `GENERATOR`. Generators import no torch.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypedDict

from workers.engine.documents.canonical import canonical, sha256
from workers.engine.documents.document import Document
from workers.engine.registry import Registry


class Refused(ValueError):
    """A prompt that cannot be used; the message names the prompt and what to change."""


@dataclass(frozen=True)
class Answer:
    """At token index `position` the next token should be one of `right` rather than one of `wrong`."""

    position: int
    right: tuple[int, ...]
    wrong: tuple[int, ...] = ()


@dataclass(frozen=True)
class Prompt:
    """One prompt as the model sees it; BOS included.

    corrupted: name -> a token sequence of the same length. positions: name -> token index.
    entries: name -> (query, key) index pairs, for attention claims. template: prompts of one template share their
    layout, so that index i means the same in all of them (means per position are taken within it). unit: prompts of
    one unit are not independent of each other (a mirrored pair, a sequence, a document).
    """

    text: str
    tokens: tuple[int, ...]
    answers: tuple[Answer, ...]
    corrupted: dict[str, tuple[int, ...]] = field(default_factory=dict)
    positions: dict[str, int] = field(default_factory=dict)
    entries: dict[str, tuple[tuple[int, int], ...]] = field(default_factory=dict)
    template: str = ""
    unit: str = ""

    @property
    def hash(self) -> str:
        """Identifies the token sequences, answers and corruptions: canonical JSON, sha256."""
        answers = [[answer.position, answer.right, answer.wrong] for answer in self.answers]
        return sha256(canonical([self.tokens, answers, self.corrupted]))


class Encoding(Protocol):
    """What `tokenizers.Tokenizer.encode` returns, as far as generators use it."""

    @property
    def ids(self) -> list[int]: ...

    @property
    def offsets(self) -> list[tuple[int, int]]: ...


class Turn(TypedDict):
    """One message of a conversation."""

    role: str
    content: str


Render = Callable[[Sequence[Turn]], str]
"""A conversation as the model's chat template writes it, up to where the assistant goes on; raises Refused."""


@dataclass(frozen=True)
class Vocabulary:
    """The model's side of a prompt: how text becomes tokens. `encode` is None for models without a tokenizer.

    special: ids that ordinary text does not have; control: those of them that a chat template writes. chat: opens the
    model's chat template; None if it has none. outputs: how many ids an answer may be, None for as many as tokens.
    """

    size: int
    longest: int
    bos: int | None
    encode: Callable[[str], Encoding] | None = None
    special: frozenset[int] = frozenset()
    control: frozenset[int] = frozenset()
    chat: Callable[[], AbstractContextManager[Render]] | None = None
    outputs: int | None = None


Draws = Literal["seeded", "stated", "enumerated"]
"""seeded: any number of fresh prompts; stated: a fixed list, one draw; enumerated: a whole population, run once."""


class Source(Document):
    """The prompt-defining part of a behavior for one generator; each generator extends it."""

    generator: str


@dataclass(frozen=True)
class Extent:
    """What the prompts of a source come to at most, known without the model; an estimate where its tokens decide.

    prompts: how many there are, None without end. tokens: of the longest, BOS not counted, None for as many as the
    model takes. answers: how many are read in one prompt. layouts: see Prompt.template.
    """

    prompts: int | None = None
    tokens: int | None = None
    answers: int | None = None
    layouts: int | None = None


def unknown(source: Source) -> Extent:
    """Nothing is known: as many of everything as can be."""
    return Extent()


@dataclass(frozen=True)
class Generator:
    """version: raised when the same source and seed would give other prompts.

    names(source): the position, corruption and entry names its prompts have, known from text alone.
    draws(source): see Draws. generate(source, vocabulary, seed): the prompts of a draw, in order, without end for
    seeded draws; a draw of n prompts is the first n, so that looks are nested. Raises Refused.
    extent(source): what a run's cost is estimated from.
    """

    version: int
    source: type[Source]
    unit: str
    names: Callable[[Any], Names]
    draws: Callable[[Any], Draws]
    generate: Callable[[Any, Vocabulary, int], Iterator[Prompt]]
    extent: Callable[[Any], Extent] = unknown


@dataclass(frozen=True)
class Names:
    positions: frozenset[str]
    corruptions: frozenset[str]
    entries: frozenset[str]
    has_wrong_answers: bool


GENERATORS: Registry[Generator] = Registry(sys.modules[__name__], "GENERATOR", Generator)
