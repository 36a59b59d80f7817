"""Cells of a token table: a token, a column's value ("$0"), or a rule over the row. A closed set of rules."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from workers.engine.documents.document import Document
from workers.engine.documents.unions import told_apart_by, variant
from workers.engine.tokenized import TokenId

LARGEST_POPULATION = 20_000
LONGEST = 4_096
Column = Annotated[int, Field(ge=0, le=LONGEST)]
Columns = Annotated[tuple[Column, ...], Field(min_length=1, max_length=LONGEST)]


class AddMod(Document):
    """(the columns' sum + plus) mod modulus."""

    add_mod: Columns
    modulus: Annotated[int, Field(ge=2)]
    plus: Annotated[int, Field(ge=0, le=10_000_000)] = 0


class Sorted(Document):
    """The columns' values in rising order: the one at place `rank`, counted from 0."""

    sorted: Columns
    rank: Column


class Table(Document):
    """One value per row of the table, in the rows' order."""

    table: Annotated[tuple[TokenId, ...], Field(max_length=LARGEST_POPULATION)]


AnyCell = int | str | AddMod | Sorted | Table
Cell = Annotated[
    Annotated[TokenId, variant("int")]
    | Annotated[str, StringConstraints(pattern=r"^\$\d{1,4}$"), variant("str")]
    | Annotated[AddMod, variant("add_mod")]
    | Annotated[Sorted, variant("sorted")]
    | Annotated[Table, variant("table")],
    told_apart_by("int", "str", "add_mod", "sorted", "table", write="a token, a column as $0, or a rule: add_mod, …"),
]


def value_of(cell: AnyCell, row: tuple[int, ...], number: int) -> int:
    """The token of the cell in this row, which is row `number` of its table."""
    match cell:
        case int():
            return cell
        case str():
            return row[int(cell[1:])]
        case AddMod():
            return (sum(row[column] for column in cell.add_mod) + cell.plus) % cell.modulus
        case Sorted():
            return sorted(row[column] for column in cell.sorted)[cell.rank]
        case Table():
            return cell.table[number]


def columns_of(cell: AnyCell) -> tuple[int, ...]:
    """The columns that the cell reads."""
    match cell:
        case int() | Table():
            return ()
        case str():
            return (int(cell[1:]),)
        case AddMod():
            return cell.add_mod
        case Sorted():
            return cell.sorted
