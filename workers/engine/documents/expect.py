"""What a claim expects of its number. One `expect` per claim."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self, assert_never

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from workers.engine.documents.canonical import canonical, sha256
from workers.engine.documents.components import NotAComponent, component
from workers.engine.documents.document import Document, Unordered

ClaimKind = Literal["effect", "absence"]
Order = Literal["largest", "smallest"]
"""Which end of the numbers counts as first: the largest recovered share, or the smallest kept one."""


def is_component(text: str) -> str:
    """The text as the grammar writes it; raises ValueError with what to write instead."""
    try:
        return str(component(text))
    except NotAComponent as error:
        raise ValueError(str(error)) from error


ComponentText = Annotated[str, AfterValidator(is_component)]


class Value(Document):
    """The number lies within `tolerance` of `value`."""

    value: float
    tolerance: float = Field(gt=0)


class AtLeast(Document):
    at_least: float


class AtMost(Document):
    at_most: float


class Between(Document):
    between: tuple[float, float]

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        low, high = self.between
        if low >= high:
            raise ValueError("write the lower bound first, and leave room between the two")
        return self


class Top(Document):
    """These components have the largest effects of the `of` components the spec names."""

    top: Annotated[tuple[ComponentText, ...], Unordered(), Field(min_length=1)]
    of: int = Field(ge=2)
    order: Order = "largest"


class RankAtMost(Document):
    """`component` is among the `rank_at_most` largest effects of the components the spec names."""

    rank_at_most: int = Field(ge=1)
    component: ComponentText
    order: Order = "largest"


class SetEquals(Document):
    """Exactly these components have an effect above `threshold` (below it, for order "smallest")."""

    set_equals: Annotated[tuple[ComponentText, ...], Unordered(), Field(min_length=1)]
    threshold: float
    order: Order = "largest"


FORMS: dict[str, type[Document]] = {
    "value": Value,
    "at_least": AtLeast,
    "at_most": AtMost,
    "between": Between,
    "top": Top,
    "rank_at_most": RankAtMost,
    "set_equals": SetEquals,
}
Expect = Value | AtLeast | AtMost | Between | Top | RankAtMost | SetEquals


def _read(given: Any) -> Any:
    if isinstance(given, Document):
        return given
    named = [key for key in FORMS if isinstance(given, dict) and key in given]
    if len(named) != 1:
        raise ValueError(f"expect says one thing: write exactly one of {', '.join(FORMS)}")
    return FORMS[named[0]].from_json(given)


ExpectField = Annotated[Expect, BeforeValidator(_read)]


def bounds(expect: Value | AtLeast | AtMost | Between) -> tuple[float, float]:
    """The interval of numbers that meet the expectation; an open end is infinite."""
    match expect:
        case Value():
            return expect.value - expect.tolerance, expect.value + expect.tolerance
        case AtLeast():
            return expect.at_least, float("inf")
        case AtMost():
            return float("-inf"), expect.at_most
        case Between():
            return expect.between


def named_by(expect: Expect) -> tuple[str, ...]:
    """The components the expectation itself names; none where it is about a number."""
    match expect:
        case Value() | AtLeast() | AtMost() | Between():
            return ()
        case Top():
            return expect.top
        case RankAtMost():
            return (expect.component,)
        case SetEquals():
            return expect.set_equals
        case _:
            assert_never(expect)


def expectation_hash(expect: Expect, kind: ClaimKind, gate: dict[str, Any]) -> str:
    """Identifies what was staked on a measurement. gate: what the behavior declares (metric, chance, threshold); to
    move it after measuring is to state another expectation.
    """
    return sha256(canonical({"expect": expect.values(), "kind": kind, "gate": gate}))
