"""A role of a head or MLP, with the operational test that decides it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import model_validator

from workers.engine.documents.document import Document, Invalid, Later, Problem, Prose, Slug, Title, Words
from workers.engine.documents.expect import ExpectField, RankAtMost, SetEquals, Top
from workers.engine.documents.reference import Level, References
from workers.engine.documents.spec import Spec
from workers.engine.registry import UnknownKey
from workers.engine.techniques import TECHNIQUES

HEAD = "$head"
ANY = "$any"


class RoleClaim(Document):
    """What a finding has to claim of a head for the role's word to be tested: the claim with the head left open.

    spec: the technique's, in which `$head` stands for the head, `$name-mover` in a list for the circuit's heads of that
    role (`$name-mover.q` for their queries), and "$any" for whatever the claim states (a corruption's name). Prompts
    are not part of it: they are the role's behavior's, or, if it has none, the finding's own.
    expect: null where no source states a threshold: then there is a number, and no answer.
    """

    technique: str
    spec: dict[str, Any]
    expect: ExpectField | None = None
    words: Words = ""

    @model_validator(mode="after")
    def _can_be_stated(self) -> Self:
        if not any(HEAD in text for text in self.spec.get("components", ())):
            raise Invalid([Problem("spec.components", f"name the head that is tested: {HEAD}")])
        if isinstance(self.expect, Top | RankAtMost | SetEquals):
            raise Invalid([Problem("expect", "a test of one head expects a number of it, not a ranking")])
        try:
            self.of("0.0", _Anybody())
        except UnknownKey as error:
            raise Invalid([Problem("technique", str(error))]) from error
        except Invalid as error:
            raise Invalid(
                [Problem(f"spec.{item.path}".rstrip("."), item.message) for item in error.problems]
            ) from error
        return self

    def of(self, head: str, members: Mapping[str, tuple[str, ...]]) -> Spec:
        """The spec for one head. members: the circuit's heads by role. Raises Invalid where there can be none."""
        return TECHNIQUES[self.technique].spec.from_json(_filled(self.spec, head, members))

    @property
    def left_open(self) -> frozenset[str]:
        return frozenset(name for name, value in self.spec.items() if value == ANY)


class OperationalTest(Document):
    """How one decides whether a head has the role. technique: the key that computes it, null until one does.

    claims: the test as it is computed: all of those with an expectation have to hold.
    """

    words: Words
    formula: Words = ""
    inputs: Words = ""
    usual_threshold: Words = ""
    technique: str | None = None
    claims: Annotated[tuple[RoleClaim, ...], Later()] = ()
    level: Level

    @model_validator(mode="after")
    def _is_computed_as_it_says(self) -> Self:
        if self.claims and self.technique != self.claims[0].technique:
            first = self.claims[0].technique
            raise ValueError(f"technique is {self.technique!r}; write that of the first claim, {first!r}")
        return self


class Role(Document):
    """behavior: the role's own canonical task (random tokens for induction), where it has one."""

    kind: Literal["role"] = "role"
    slug: Slug
    title: Title
    definition: Words
    decided_by: Literal["attention", "weights", "logits", "causal", "several"]
    test: OperationalTest
    behavior: Slug | None = None
    references: References = ()
    body: Prose = ""


class _Anybody(dict[str, tuple[str, ...]]):
    """Stands in for a circuit when a role is read: every role has a head of a late layer."""

    def __missing__(self, role: str) -> tuple[str, ...]:
        return ("1000.0",)


def _filled(value: Any, head: str, members: Mapping[str, tuple[str, ...]]) -> Any:
    match value:
        case dict():
            return {key: _filled(item, head, members) for key, item in value.items()}
        case list() | tuple():
            return [one for item in value for one in _written_out(item, head, members)]
        case str():
            return "any" if value == ANY else value.replace(HEAD, head)
        case _:
            return value


def _written_out(item: Any, head: str, members: Mapping[str, tuple[str, ...]]) -> list[Any]:
    """`$name-mover.q` -> 9.9.q, 9.6.q, ...; anything else is one item."""
    if not isinstance(item, str) or not item.startswith("$") or item.startswith(HEAD):
        return [_filled(item, head, members)]
    role, dot, part = item[1:].partition(".")
    return [f"{member}{dot}{part}" for member in _members(members, role)]


def _members(members: Mapping[str, tuple[str, ...]], role: str) -> tuple[str, ...]:
    try:
        return members[role]
    except KeyError as error:
        raise Invalid([Problem("", f"the circuit has no {role}")]) from error
