"""Tables of token rows: every row of columns that take all values of a range, or rows stated one by one.

A row becomes a token sequence by rules ("$0" is column 0), and its answers by the same rules: modular addition is
the sequence $0 $1 59 with the answer {"add_mod": [0, 1], "modulus": 59}. Rows are numbered as a counter counts, the
last column turning fastest. A table of up to 20,000 rows is run whole, once; from a larger one rows are drawn. Rows
stated one by one are a list and not a population, whoever chose them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import count
from math import prod
from random import Random
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from workers.engine.chance import pick
from workers.engine.documents.document import Document, Invalid, Problem, Slug
from workers.engine.prompts import Answer, Draws, Extent, Generator, Names, Prompt, Source, Vocabulary
from workers.engine.table_cells import (
    LARGEST_POPULATION,
    LONGEST,
    AnyCell,
    Cell,
    Column,
    Sorted,
    Table,
    columns_of,
    value_of,
)
from workers.engine.tokenized import TokenId, first_tokens
from workers.engine.wording import END, PositionName, SlotName

TRIES_FOR_A_NEW_ROW = 100
Row = Annotated[tuple[TokenId, ...], Field(min_length=1, max_length=LONGEST)]


class ColumnRange(Document):
    """A column that takes every token from `first` to `last`, both included."""

    first: TokenId
    last: TokenId

    @property
    def size(self) -> int:
        return self.last - self.first + 1


class TableAnswer(Document):
    """position: an index into the sequence, or the name of one."""

    position: Column | SlotName
    right: Annotated[tuple[Cell, ...], Field(min_length=1)]
    wrong: tuple[Cell, ...] = ()


class Shift(Document):
    """The column's value `by` steps on within its range; column null: the row `by` rows on. Both begin anew."""

    column: Column | None
    by: Annotated[int, Field(ge=1, le=10_000_000)]


class TokenTableSource(Source):
    """Either columns or rows. trained_mask: which rows the model was trained on, as hex digits; read as bits from the
    left, bit r is row r. population: the part of the table that is run.
    """

    generator: Literal["token_table"] = "token_table"
    columns: Annotated[tuple[ColumnRange, ...], Field(max_length=LONGEST)] = ()
    rows: Annotated[tuple[Row, ...], Field(max_length=LARGEST_POPULATION)] = ()
    sequence: Annotated[tuple[Cell, ...], Field(min_length=1, max_length=LONGEST)]
    answers: Annotated[tuple[TableAnswer, ...], Field(min_length=1, max_length=LONGEST)]
    positions: dict[PositionName, Column] = {}
    corruptions: dict[Slug, Annotated[tuple[Shift, ...], Field(min_length=1)]] = {}
    trained_mask: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]+$")] | None = None
    population: Literal["all", "trained", "held_out"] = "all"

    @property
    def size(self) -> int:
        return prod(column.size for column in self.columns) if self.columns else len(self.rows)

    @property
    def width(self) -> int:
        return len(self.columns or self.rows[0])

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        problems = list(_wrong_table(self)) or [*_wrong_mask(self), *_wrong_cells(self), *_wrong_places(self)]
        if problems:
            raise Invalid(problems)
        return self


def names(source: TokenTableSource) -> Names:
    return Names(
        positions=frozenset(source.positions) | {END},
        corruptions=frozenset(source.corruptions),
        entries=frozenset(),
        has_wrong_answers=all(answer.wrong for answer in source.answers),
    )


def draws(source: TokenTableSource) -> Draws:
    if source.rows:
        return "stated"
    return "enumerated" if source.size <= LARGEST_POPULATION else "seeded"


def extent(source: TokenTableSource) -> Extent:
    number = sum(1 for _ in _population(source)) if source.size <= LARGEST_POPULATION else None
    return Extent(prompts=number, tokens=len(source.sequence), answers=len(source.answers), layouts=1)


def generate(source: TokenTableSource, vocabulary: Vocabulary, seed: int) -> Iterator[Prompt]:
    enumerated = source.size <= LARGEST_POPULATION
    for number in _population(source) if enumerated else _drawn(source, Random(seed)):
        yield _prompt(source, number, first_tokens(vocabulary))


GENERATOR = Generator(
    version=1, source=TokenTableSource, unit="row", names=names, draws=draws, generate=generate, extent=extent
)


def _population(source: TokenTableSource) -> Iterator[int]:
    """The numbers of the rows that are run."""
    if source.population == "all":
        return iter(range(source.size))
    return (number for number in range(source.size) if _is_trained(source, number) == (source.population == "trained"))


def _drawn(source: TokenTableSource, rng: Random) -> Iterator[int]:
    """Row numbers without end; a row comes again only when new ones are hard to find."""
    seen: set[int] = set()
    for _ in count():
        for _ in range(TRIES_FOR_A_NEW_ROW):
            number = _number(source, [pick(rng, range(column.first, column.last + 1)) for column in source.columns])
            if number not in seen:
                break
        seen.add(number)
        yield number


def _row(source: TokenTableSource, number: int) -> tuple[int, ...]:
    if source.rows:
        return source.rows[number]
    values = []
    for column in reversed(source.columns):
        number, step = divmod(number, column.size)
        values.append(column.first + step)
    return tuple(reversed(values))


def _number(source: TokenTableSource, row: Sequence[int]) -> int:
    """The row of columns with these values."""
    number = 0
    for value, column in zip(row, source.columns, strict=True):
        number = number * column.size + value - column.first
    return number


def _is_trained(source: TokenTableSource, number: int) -> bool:
    assert source.trained_mask is not None, "the document was checked"
    return bool(int(source.trained_mask[number // 4], 16) >> (3 - number % 4) & 1)


def _prompt(source: TokenTableSource, number: int, bos: tuple[int, ...]) -> Prompt:
    tokens = bos + _sequence(source, number)
    positions = {name: len(bos) + index for name, index in source.positions.items()} | {END: len(tokens) - 1}
    return Prompt(
        text=" ".join(map(str, tokens)),
        tokens=tokens,
        answers=tuple(_answer(source, answer, number, positions, bos) for answer in source.answers),
        corrupted={
            name: bos + _sequence(source, _shifted(source, number, shifts))
            for name, shifts in source.corruptions.items()
        },
        positions=positions,
        template="table",
        unit=str(number),
    )


def _sequence(source: TokenTableSource, number: int) -> tuple[int, ...]:
    row = _row(source, number)
    return tuple(value_of(cell, row, number) for cell in source.sequence)


def _answer(
    source: TokenTableSource, answer: TableAnswer, number: int, positions: dict[str, int], bos: tuple[int, ...]
) -> Answer:
    row, place = _row(source, number), answer.position
    return Answer(
        position=positions[place] if isinstance(place, str) else len(bos) + place,
        right=tuple(sorted({value_of(cell, row, number) for cell in answer.right})),
        wrong=tuple(sorted({value_of(cell, row, number) for cell in answer.wrong})),
    )


def _shifted(source: TokenTableSource, number: int, shifts: tuple[Shift, ...]) -> int:
    """The number of the row that the shifts lead to."""
    for shift in shifts:
        if shift.column is None:
            number = (number + shift.by) % source.size
        else:
            row, column = list(_row(source, number)), source.columns[shift.column]
            row[shift.column] = column.first + (row[shift.column] - column.first + shift.by) % column.size
            number = _number(source, row)
    return number


def _wrong_table(source: TokenTableSource) -> Iterator[Problem]:
    if bool(source.columns) == bool(source.rows):
        yield Problem("", "state either columns or rows")
    for index, column in enumerate(source.columns):
        if column.size < 1:
            yield Problem(f"columns.{index}", f"the range ends at {column.last}, before it begins at {column.first}")
    if len({len(row) for row in source.rows}) > 1:
        yield Problem("rows", "the rows have different lengths; they must be equal")
    if len(set(source.rows)) < len(source.rows):
        yield Problem("rows", "a row stands twice; keep one of each")


def _wrong_mask(source: TokenTableSource) -> Iterator[Problem]:
    mask, digits = source.trained_mask, -(-source.size // 4)
    if mask is None:
        if source.population != "all":
            yield Problem("population", f"{source.population!r} needs a trained_mask that says which rows were trained")
    elif source.size > LARGEST_POPULATION:
        yield Problem("trained_mask", f"the table has {source.size} rows; only {LARGEST_POPULATION} can be split")
    elif len(mask) != digits or int(mask[-1], 16) & (1 << (-source.size % 4)) - 1:
        yield Problem("trained_mask", f"{source.size} rows need {digits} hex digits, with bits behind the last row 0")
    elif next(_population(source), None) is None:
        yield Problem("population", f"no row of the table is {source.population}")


def _wrong_cells(source: TokenTableSource) -> Iterator[Problem]:
    for path, cell in _cells(source):
        outside = [column for column in columns_of(cell) if column >= source.width]
        if outside:
            yield Problem(path, f"there is no column {outside[0]}; they are 0 to {source.width - 1}")
        if isinstance(cell, Sorted) and cell.rank >= len(cell.sorted):
            yield Problem(path, f"rank {cell.rank} of {len(cell.sorted)} values; it is counted from 0")
        if isinstance(cell, Table) and len(cell.table) != source.size:
            yield Problem(path, f"{len(cell.table)} values for {source.size} rows; state one per row")


def _cells(source: TokenTableSource) -> Iterator[tuple[str, AnyCell]]:
    yield from ((f"sequence.{index}", cell) for index, cell in enumerate(source.sequence))
    for number, answer in enumerate(source.answers):
        yield from ((f"answers.{number}.right.{index}", cell) for index, cell in enumerate(answer.right))
        yield from ((f"answers.{number}.wrong.{index}", cell) for index, cell in enumerate(answer.wrong))


def _wrong_places(source: TokenTableSource) -> Iterator[Problem]:
    stated: list[tuple[str, int | str]] = [(f"positions.{name}", index) for name, index in source.positions.items()]
    stated += [(f"answers.{index}.position", answer.position) for index, answer in enumerate(source.answers)]
    known = {*source.positions, END}
    for path, place in stated:
        if isinstance(place, int) and place >= len(source.sequence):
            yield Problem(path, f"{place} lies behind the sequence, whose places are 0 to {len(source.sequence) - 1}")
        if isinstance(place, str) and place not in known:
            yield Problem(path, f"there is no position {place!r}; they are {', '.join(sorted(known))}")
    for name, shifts in source.corruptions.items():
        yield from (Problem(f"corruptions.{name}", message) for message in _wrong_shifts(source, shifts))


def _wrong_shifts(source: TokenTableSource, shifts: tuple[Shift, ...]) -> Iterator[str]:
    for shift in shifts:
        if shift.column is not None and shift.column >= len(source.columns):
            yield f"there is no column {shift.column} with a range; shift whole rows with column null"
            continue
        size = source.size if shift.column is None else source.columns[shift.column].size
        if shift.by % size == 0:
            yield f"a shift by {shift.by} of {size} changes nothing"
