"""Examples of a task in the prompt, and one more to solve: "Q: hot\\nA: cold\\n\\nQ: big\\nA:".

A table of (input, output) pairs; a prompt shows `shots` of them, drawn anew for every prompt, and ends where the
output of another one, which is not among them, would begin. Wrong is the output of one more pair of the table.

Positions: INPUT, the last token of the input that is asked about, INPUT1, OUTPUT1, INPUT2, ... those of the shots, and
END. Corruption "shuffled-labels": the shots' outputs exchanged among them so that none keeps its own, each for one of
equally many tokens; prompts are drawn for which that is possible. The words stay and the task is gone: the
uninformative prompts of Todd et al. 2023, Function Vectors in Large Language Models (arXiv 2310.15213).
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from random import Random
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from workers.engine.chance import pick_different
from workers.engine.documents.document import Document, Invalid, Problem, Unordered
from workers.engine.prompts import Draws, Extent, Generator, Names, Prompt, Refused, Source, Vocabulary
from workers.engine.scoring import Scored, Scoring, Tokenize, scored
from workers.engine.slots import Word
from workers.engine.slotted import slot_spans
from workers.engine.tokenized import Tokenized, layout_of, most_tokens, tokenized
from workers.engine.unseen import unseen
from workers.engine.wording import END, LONGEST_TEXT, Filled, Piece, fill, pieces_of, slots_of

MOST_SHOTS = 64
TRIES = 200
INPUT, OUTPUT = "INPUT", "OUTPUT"
Example = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_TEXT)]


class Pair(Document):
    input: Word
    output: Word


class FewShotSource(Source):
    """example: a shot as it is written. The question is written so too, up to its output; the spaces of `prefix`, with
    which that part of the example ends, belong to the answer. instruction: what stands before the shots.

    scoring: required where an output has several tokens (see `scored`); a sequence has no wrong answers.
    """

    generator: Literal["few_shot"] = "few_shot"
    pairs: Annotated[tuple[Pair, ...], Field(min_length=2, max_length=20_000)]
    shots: Annotated[int, Field(ge=0, le=MOST_SHOTS)]
    instruction: Annotated[str, StringConstraints(max_length=LONGEST_TEXT)] = ""
    example: Example = "Q: {INPUT}\nA: {OUTPUT}\n\n"
    prefix: Annotated[str, StringConstraints(pattern=r"^\s*$", max_length=20)] = " "
    scoring: Scoring | None = None
    corruptions: Annotated[tuple[Literal["shuffled-labels"], ...], Unordered()] = ("shuffled-labels",)

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        problems = [*_wrong_example(self), *_wrong_table(self)]
        if problems:
            raise Invalid(problems)
        return self

    @property
    def question(self) -> str:
        """The example up to its output, without the answer's prefix."""
        return self.example[: self.example.index(f"{{{OUTPUT}}}")].removesuffix(self.prefix)


def names(source: FewShotSource) -> Names:
    shots = [f"{name}{number + 1}" for number in range(source.shots) for name in (INPUT, OUTPUT)]
    return Names(
        positions=frozenset({INPUT, END, *shots}),
        corruptions=frozenset(source.corruptions),
        entries=frozenset(),
        has_wrong_answers=source.scoring != "sequence",
    )


def draws(source: FewShotSource) -> Draws:
    return "seeded"


def extent(source: FewShotSource) -> Extent:
    """Words of several tokens make many layouts: their number is not known."""
    inputs = max(most_tokens(pair.input) for pair in source.pairs)
    outputs = max(most_tokens(pair.output) for pair in source.pairs)
    answers = outputs if source.scoring == "sequence" else 1
    fixed = sum(most_tokens(piece.text) for piece in pieces_of(source.example) if not piece.is_slot)
    shot = fixed + inputs + outputs
    tokens = most_tokens(source.instruction) + (source.shots + 1) * shot + answers - 1
    return Extent(prompts=None, tokens=tokens, answers=answers, layouts=None)


def generate(source: FewShotSource, vocabulary: Vocabulary, seed: int) -> Iterator[Prompt]:
    rng, pieces = Random(seed), _pieces(source)
    tokenize = partial(tokenized, vocabulary=vocabulary)
    seen: set[Hashable] = set()
    for index in count():
        for _ in range(TRIES):
            shown = unseen(partial(pick_different, rng, source.pairs, source.shots + 1), _texts_of, seen)
            clean = _written(pieces, shown, tokenize)
            corrupted: dict[str, tuple[int, ...]] = {
                name: _shuffled(clean, rng, tokenize) for name in source.corruptions
            }
            if all(corrupted.values()):
                break
        else:
            raise Refused(_not_exchangeable(source))
        yield _prompt(source, clean, corrupted, _answers(source, clean, rng, tokenize), str(index))


GENERATOR = Generator(
    version=1, source=FewShotSource, unit="prompt", names=names, draws=draws, generate=generate, extent=extent
)


@dataclass(frozen=True)
class _Written:
    """The shots and, last, the pair that is asked about, as they stand in the prompt."""

    pieces: tuple[Piece, ...]
    pairs: tuple[Pair, ...]
    filled: Filled
    tokens: Tokenized

    @property
    def spans(self) -> dict[str, tuple[int, int]]:
        """Slot -> its first and last token."""
        slots = [placed.piece.text for placed in self.filled.slots]
        return dict(zip(slots, slot_spans(self.filled, self.tokens), strict=True))


def _written(pieces: tuple[Piece, ...], pairs: tuple[Pair, ...], tokenize: Tokenize) -> _Written:
    filled = fill(pieces, _words(pairs))
    return _Written(pieces, pairs, filled, tokenize(filled.text))


def _pieces(source: FewShotSource) -> tuple[Piece, ...]:
    """The whole prompt; the slots of shot 1 are INPUT1 and OUTPUT1."""
    example, question = pieces_of(source.example), pieces_of(source.question)
    shots = [
        replace(piece, text=f"{piece.text}{number + 1}") if piece.is_slot else piece
        for number in range(source.shots)
        for piece in example
    ]
    before = [Piece(source.instruction, is_slot=False)] if source.instruction else []
    return (*before, *shots, *question)


def _words(pairs: tuple[Pair, ...]) -> dict[str, str]:
    words = {INPUT: pairs[-1].input}
    for number, pair in enumerate(pairs[:-1], start=1):
        words |= {f"{INPUT}{number}": pair.input, f"{OUTPUT}{number}": pair.output}
    return words


def _texts_of(pairs: tuple[Pair, ...]) -> Hashable:
    return tuple(pair.input for pair in pairs)


def _shuffled(clean: _Written, rng: Random, tokenize: Tokenize) -> tuple[int, ...]:
    """The tokens with the shots' outputs exchanged; none if that is not possible with every word at its tokens."""
    labels = _exchanged(clean, rng)
    if not labels:
        return ()
    shots = (pair.model_copy(update={"output": new}) for pair, new in zip(clean.pairs[:-1], labels, strict=True))
    changed = _written(clean.pieces, (*shots, clean.pairs[-1]), tokenize)
    aligned = changed.spans == clean.spans and len(changed.tokens.tokens) == len(clean.tokens.tokens)
    return changed.tokens.tokens if aligned else ()


def _exchanged(clean: _Written, rng: Random) -> tuple[str, ...]:
    """The shots' outputs, each at the place of another one of equally many tokens; none if no such order was found."""
    spans, shots = clean.spans, clean.pairs[:-1]
    lengths = [spans[f"{OUTPUT}{number + 1}"][1] - spans[f"{OUTPUT}{number + 1}"][0] for number in range(len(shots))]
    if any(lengths.count(length) == 1 for length in lengths):
        return ()
    for _ in range(TRIES):
        order = list(range(len(shots)))
        for length in sorted({*lengths}):
            places = [place for place in range(len(shots)) if lengths[place] == length]
            for place, taken in zip(places, pick_different(rng, places, len(places)), strict=True):
                order[place] = taken
        outputs = tuple(shots[place].output for place in order)
        if all(new != shot.output for new, shot in zip(outputs, shots, strict=True)):
            return outputs
    return ()


def _not_exchangeable(source: FewShotSource) -> str:
    return (
        f"{source.pairs[0].input!r}, {source.pairs[1].input!r}, ...: no {source.shots} shots were found whose outputs "
        "can be exchanged, each for a different one of equally many tokens; take outputs of equally many tokens, "
        "more different ones or an even number of shots, or state no corruption"
    )


def _answers(source: FewShotSource, clean: _Written, rng: Random, tokenize: Tokenize) -> Scored:
    """Wrong is the first of the other outputs, in random order, that does not begin with the right one's token."""
    right = clean.pairs[-1].output
    if source.scoring == "sequence":
        return scored(clean.tokens, [source.prefix + right], (), source.scoring, tokenize)
    others = [output for output in dict.fromkeys(pair.output for pair in source.pairs) if output != right]
    for wrong in pick_different(rng, others, len(others)):
        found = scored(clean.tokens, [source.prefix + right], [source.prefix + wrong], source.scoring, tokenize)
        if found.answers[0].right != found.answers[0].wrong:
            break
    return found


def _prompt(
    source: FewShotSource, clean: _Written, corrupted: dict[str, tuple[int, ...]], found: Scored, unit: str
) -> Prompt:
    spans, tokens = clean.spans, clean.tokens.tokens + found.added
    template = f"{source.shots} x {source.instruction}{source.example}"
    return Prompt(
        text=clean.tokens.text,
        tokens=tokens,
        answers=found.answers,
        corrupted={name: changed + found.added for name, changed in corrupted.items()},
        positions={slot: last for slot, (_, last) in spans.items()} | {END: len(clean.tokens.tokens) - 1},
        template=layout_of(template, list(spans.values()), len(tokens)),
        unit=unit,
    )


def _wrong_example(source: FewShotSource) -> Iterator[Problem]:
    try:
        slots = slots_of(source.example)
    except ValueError as error:
        yield Problem("example", str(error))
        return
    if slots != (INPUT, OUTPUT):
        yield Problem("example", f"write {{{INPUT}}} once and, behind it, {{{OUTPUT}}} once; it has {list(slots)}")
    elif not source.example[: source.example.index(f"{{{OUTPUT}}}")].endswith(source.prefix):
        yield Problem("prefix", f"the example has no {source.prefix!r} before its output; state what stands there")


def _wrong_table(source: FewShotSource) -> Iterator[Problem]:
    first = {pair.input: index for index, pair in reversed(list(enumerate(source.pairs)))}
    for index, pair in enumerate(source.pairs):
        if first[pair.input] != index:
            yield Problem(f"pairs.{index}", f"the input {pair.input!r} stands in an earlier pair too; keep one of them")
    if len(source.pairs) <= source.shots:
        yield Problem("pairs", f"{len(source.pairs)} pairs for {source.shots} shots and a question; state more")
    if len({pair.output for pair in source.pairs}) < 2:
        yield Problem("pairs", "all outputs are the same, so none is wrong; state others")
    if source.corruptions and source.shots < 2:
        yield Problem("corruptions", 'outputs are exchanged among two shots at least; state more, or "corruptions": []')
