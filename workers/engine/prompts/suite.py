"""Several tasks at once: prompt i comes from part i modulo their number, parts in the order of their names.

A position, corruption or attention entry can be named if every part has it. Templates carry their part's name, so that
what "generalizes to templates" generalizes over parts and their templates. A part of a finite list ends before the
others when it is shorter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from hashlib import sha256
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from workers.engine.documents.behavior import PromptSource
from workers.engine.documents.document import Invalid, Problem, Slug
from workers.engine.prompts import GENERATORS, Draws, Extent, Generator, Names, Prompt, Source, Vocabulary


class SuiteSource(Source):
    """parts: sources of other generators, all of them drawn, or all of them stated, or all of them enumerated."""

    generator: Literal["suite"] = "suite"
    parts: Annotated[dict[Slug, PromptSource], Field(min_length=2, max_length=50)]

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        problems = [
            Problem(f"parts.{name}", "a suite holds no suites; state its parts here")
            for name, part in self.parts.items()
            if isinstance(part, SuiteSource)
        ]
        if not problems and len({_draws_of(part) for part in self.parts.values()}) > 1:
            told = ", ".join(f"{name} {_draws_of(part)}" for name, part in sorted(self.parts.items()))
            problems.append(Problem("parts", f"are not alike: {told}; take only seeded, stated or enumerated ones"))
        if problems:
            raise Invalid(problems)
        return self

    @property
    def ordered(self) -> dict[str, Source]:
        """In the order of their names: a document's text does not keep another one."""
        return dict(sorted(self.parts.items()))


def names(source: SuiteSource) -> Names:
    parts = [GENERATORS[part.generator].names(part) for part in source.parts.values()]
    return Names(
        positions=frozenset.intersection(*(part.positions for part in parts)),
        corruptions=frozenset.intersection(*(part.corruptions for part in parts)),
        entries=frozenset.intersection(*(part.entries for part in parts)),
        has_wrong_answers=all(part.has_wrong_answers for part in parts),
    )


def draws(source: SuiteSource) -> Draws:
    return _draws_of(next(iter(source.parts.values())))


def extent(source: SuiteSource) -> Extent:
    parts = [GENERATORS[part.generator].extent(part) for part in source.parts.values()]
    return Extent(
        prompts=_of_all(sum, [part.prompts for part in parts]),
        tokens=_of_all(max, [part.tokens for part in parts]),
        answers=_of_all(max, [part.answers for part in parts]),
        layouts=_of_all(sum, [part.layouts for part in parts]),
    )


def generate(source: SuiteSource, vocabulary: Vocabulary, seed: int) -> Iterator[Prompt]:
    common = names(source)
    going = {
        name: GENERATORS[part.generator].generate(part, vocabulary, _seed_of(name, seed))
        for name, part in source.ordered.items()
    }
    while going:
        for name, prompts in list(going.items()):
            prompt = next(prompts, None)
            if prompt is None:
                del going[name]
            else:
                yield _in_suite(prompt, name, common)


GENERATOR = Generator(
    version=1 + sum(GENERATORS[name].version - 1 for name in GENERATORS if name != "suite"),  # the parts' versions too
    source=SuiteSource,
    unit="prompt",
    names=names,
    draws=draws,
    generate=generate,
    extent=extent,
)


def _draws_of(part: Source) -> Draws:
    return GENERATORS[part.generator].draws(part)


def _of_all(together: Callable[[list[int]], int], numbers: Sequence[int | None]) -> int | None:
    """None, without end or unknown, if one of them is."""
    known = [number for number in numbers if number is not None]
    return together(known) if len(known) == len(numbers) else None


def _seed_of(name: str, seed: int) -> int:
    """Parts of the same words are not to get the same ones."""
    return int(sha256(f"{name}\n{seed}".encode()).hexdigest(), 16)


def _in_suite(prompt: Prompt, part: str, common: Names) -> Prompt:
    """With what all parts have."""
    return replace(
        prompt,
        corrupted={name: tokens for name, tokens in prompt.corrupted.items() if name in common.corruptions},
        positions={name: index for name, index in prompt.positions.items() if name in common.positions},
        entries={name: pairs for name, pairs in prompt.entries.items() if name in common.entries},
        template=f"{part}:{prompt.template}",
        unit=f"{part}:{prompt.unit}",
    )
